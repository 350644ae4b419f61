"""Authorization of a reader, a member of another project, a user without a role, and an admin."""

from compare.talk import SUBNET, Talk


def others(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    pool = talk.pool(loadbalancer_id=lb)
    member = talk.member(pool)
    monitor = talk.monitor(pool)
    policy = talk.policy(listener)
    rule = talk.rule(policy)
    things = {
        f"loadbalancers/{lb}": "loadbalancer",
        f"listeners/{listener}": "listener",
        f"pools/{pool}": "pool",
        f"pools/{pool}/members/{member}": "member",
        f"healthmonitors/{monitor}": "healthmonitor",
        f"l7policies/{policy}": "l7policy",
        f"l7policies/{policy}/rules/{rule}": "rule",
    }
    for user in ("rita", "bob", "nobody", "admin"):
        for path, root in things.items():
            talk.get(path, user=user)
            talk.send("PUT", path, {root: {"admin_state_up": True}}, user=user)
            if user != "admin":
                talk.send("DELETE", path, user=user)
        for path in (f"loadbalancers/{lb}/status", f"loadbalancers/{lb}/stats", f"listeners/{listener}/stats"):
            talk.get(path, user=user)
        for path in ("listeners", "pools", f"pools/{pool}/members", "healthmonitors", "l7policies"):
            talk.get(path, user=user)
    for user in ("rita", "bob", "nobody"):
        talk.send(
            "POST",
            "loadbalancers",
            {"loadbalancer": {"vip_subnet_id": SUBNET, "vip_address": "203.0.113.9"}},
            user=user,
        )
        body = {"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 99}
        talk.send("POST", "listeners", {"listener": body}, user=user)
        talk.send("POST", f"pools/{pool}/members", {"member": {"address": "192.0.2.7", "protocol_port": 80}}, user=user)
        talk.send("PUT", f"pools/{pool}/members", {"members": []}, user=user)


def for_another_project(talk: Talk) -> None:
    body = {"vip_subnet_id": SUBNET, "vip_address": "203.0.113.9", "project_id": talk.project("blue")}
    talk.send("POST", "loadbalancers", {"loadbalancer": body})
    talk.send("POST", "loadbalancers", {"loadbalancer": body}, user="admin")
    both = {**body, "tenant_id": talk.project("red")}
    talk.send("POST", "loadbalancers", {"loadbalancer": both}, user="admin")
    tenant = {"vip_subnet_id": SUBNET, "vip_address": "203.0.113.9", "tenant_id": talk.project("blue")}
    talk.send("POST", "loadbalancers", {"loadbalancer": tenant}, user="admin")
    talk.get("loadbalancers?sort=created_at", user="bob")
