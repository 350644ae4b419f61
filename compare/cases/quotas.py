"""Quotas: read, set, reset, and exceeded."""

from compare.talk import ADDRESS, SUBNET, Talk


def life(talk: Talk) -> None:
    red = talk.project("red")
    path = f"quotas/{red}"
    for user in ("alice", "rita", "bob", "nobody", "admin"):
        talk.get("quotas", user=user)
        talk.get(path, user=user)
        talk.get(f"{path}/default", user=user)
        if user != "admin":
            talk.send("PUT", path, {"quota": {"pool": 5}}, user=user)
            talk.send("DELETE", path, user=user)
    talk.send("PUT", path, {"quota": {"pool": 5, "load_balancer": 3}}, user="admin")
    talk.get(path)
    talk.get("quotas", user="admin")
    talk.send("PUT", path, {"quota": {"loadbalancer": 4, "healthmonitor": 2}}, user="admin")
    talk.send("PUT", path, {"quota": {"loadbalancer": 4, "load_balancer": 5}}, user="admin")
    talk.send("PUT", path, {"quota": {"pool": None}}, user="admin")
    talk.send("PUT", path, {"quota": {}}, user="admin")
    talk.send("PUT", path, {}, user="admin")
    talk.send("DELETE", path, user="admin")
    talk.get(path)
    talk.get("quotas", user="admin")
    talk.send("DELETE", path, user="admin")
    talk.get("quotas?project_id=x", user="admin")


def met(talk: Talk) -> None:
    red = talk.project("red")
    lb = talk.lb()
    listener = talk.listener(lb)
    pool = talk.pool(loadbalancer_id=lb)
    policy = talk.policy(listener)
    names = ("load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule")
    talk.send("PUT", f"quotas/{red}", {"quota": dict.fromkeys(names, 1)}, user="admin", needed=True)
    talk.member(pool)
    talk.monitor(pool)
    talk.rule(policy)
    talk.send("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, "vip_address": ADDRESS}})
    talk.send("POST", "listeners", {"listener": {"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 99}})
    body = {"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}
    talk.send("POST", "pools", {"pool": body})
    talk.send("POST", f"pools/{pool}/members", {"member": {"address": "192.0.2.9", "protocol_port": 80}})
    two = [{"address": f"192.0.2.{last}", "protocol_port": 80} for last in (1, 2)]
    talk.send("PUT", f"pools/{pool}/members", {"members": two})
    talk.send("PUT", f"pools/{pool}/members", {"members": two[1:]})
    talk.send("POST", "l7policies", {"l7policy": {"listener_id": listener, "action": "REJECT"}})
    rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
    talk.send("POST", f"l7policies/{policy}/rules", {"rule": rule})
    talk.send("PUT", f"quotas/{red}", {"quota": {"load_balancer": 0}}, user="admin")
    talk.send("DELETE", f"loadbalancers/{lb}?cascade=true")
    talk.send("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, "vip_address": ADDRESS}})
    talk.send("DELETE", f"quotas/{red}", user="admin")
