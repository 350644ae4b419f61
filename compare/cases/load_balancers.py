"""Load balancers: placement of VIPs, whole trees in one call, changes and deletions."""

from typing import Any

from compare.talk import ADDRESS, NETWORK, NOTHING, PORT, SUBNET, Talk


def life(talk: Talk) -> None:
    lb = talk.lb(name="lb", description="d", tags=["a"])
    talk.get(f"loadbalancers/{lb}")
    talk.get("loadbalancers")
    talk.send("PUT", f"loadbalancers/{lb}", {"loadbalancer": {"name": "new", "admin_state_up": False, "tags": []}})
    talk.get(f"loadbalancers/{lb}")
    talk.get(f"loadbalancers/{lb}/status")
    talk.get(f"loadbalancers/{lb}/statuses")
    talk.get(f"loadbalancers/{lb}/stats")
    talk.send("DELETE", f"loadbalancers/{lb}")
    talk.get(f"loadbalancers/{lb}")
    talk.send("PUT", f"loadbalancers/{lb}", {"loadbalancer": {"name": "gone"}})
    talk.send("DELETE", f"loadbalancers/{lb}")


def vip_places(talk: Talk) -> None:
    for place in (
        {},
        {"vip_address": ADDRESS},
        {"vip_subnet_id": SUBNET},
        {"vip_network_id": NETWORK},
        {"vip_network_id": NETWORK, "vip_address": ADDRESS},
        {"vip_network_id": NETWORK, "vip_subnet_id": SUBNET, "vip_address": ADDRESS},
        {"vip_port_id": PORT},
        {"vip_port_id": PORT, "vip_address": ADDRESS},
        {"vip_port_id": PORT, "vip_subnet_id": SUBNET},
        {"vip_port_id": PORT, "vip_qos_policy_id": NOTHING},
        {"vip_subnet_id": SUBNET, "vip_address": "2001:db8::5"},
    ):
        _try(talk, place)


def _try(talk: Talk, attributes: dict[str, Any], user: str = "alice") -> None:
    answer = talk.send("POST", "loadbalancers", {"loadbalancer": attributes}, user=user)
    if answer.status == 201:
        talk.forget(f"loadbalancers/{answer.body['loadbalancer']['id']}")


def trees(talk: Talk) -> None:
    base = {"vip_subnet_id": SUBNET, "vip_address": ADDRESS, "name": "tree"}
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    member = {"address": "192.0.2.1", "protocol_port": 80}
    monitor = {"type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3}
    listener = {"name": "l", "protocol": "HTTP", "protocol_port": 80}
    policy = {"action": "REJECT", "rules": [{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x"}]}
    for tree in (
        {"listeners": [listener]},
        {"pools": [pool]},
        {"listeners": [{**listener, "default_pool": pool}]},
        {"listeners": [{**listener, "default_pool": {"name": "p"}}], "pools": [pool]},
        {"listeners": [{**listener, "default_pool": {"name": "p"}}]},
        {"listeners": [{**listener, "default_pool": {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}]},
        {"listeners": [{**listener, "default_pool": pool}], "pools": [pool]},
        {"pools": [{**pool, "members": [member], "healthmonitor": monitor}]},
        {"pools": [{**pool, "members": [member, member]}]},
        {"pools": [{"name": "p", "protocol": "HTTP"}]},
        {"pools": [{"name": "p", "lb_algorithm": "ROUND_ROBIN"}]},
        {"pools": [{"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}]},
        {"pools": [pool, pool]},
        {"listeners": [listener, listener]},
        {"listeners": [listener, {**listener, "protocol_port": 81, "name": "m"}]},
        {"listeners": [{**listener, "protocol": "TCP", "default_pool": {**pool, "protocol": "UDP"}}]},
        {"listeners": [{**listener, "l7policies": [policy]}]},
        {"listeners": [{**listener, "l7policies": [{"action": "REDIRECT_TO_POOL", "redirect_pool": pool}]}]},
        {
            "listeners": [{**listener, "l7policies": [{"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "p"}}]}],
            "pools": [pool],
        },
        {"listeners": [{**listener, "l7policies": [{"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "q"}}]}]},
        {"listeners": [{**listener, "l7policies": [{"action": "REDIRECT_TO_URL"}]}]},
        {"listeners": [{**listener, "default_pool_id": NOTHING}]},
        {"listeners": [{"protocol": "HTTP"}]},
        {"listeners": [{**listener, "unknown": 1}]},
        {"pools": [{**pool, "members": [{"address": "192.0.2.1"}]}]},
        {"pools": [{**pool, "healthmonitor": {**monitor, "type": "UDP-CONNECT"}}]},
        {"pools": [{**pool, "session_persistence": {"type": "APP_COOKIE"}}]},
    ):
        _try(talk, {**base, **tree})


def tree_is_read_back(talk: Talk) -> None:
    member = {"address": "192.0.2.1", "protocol_port": 80, "name": "m"}
    pool = {
        "name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member],
        "healthmonitor": {"type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3, "name": "h"},
    }  # fmt: skip
    lb = talk.lb(listeners=[{"name": "l", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}])
    talk.get(f"loadbalancers/{lb}")
    talk.get(f"loadbalancers/{lb}/status")
    for kind in ("listeners", "pools", "healthmonitors"):
        talk.get(kind)
    talk.send("DELETE", f"loadbalancers/{lb}")
    talk.send("DELETE", f"loadbalancers/{lb}?cascade=false")
    talk.send("DELETE", f"loadbalancers/{lb}?cascade=x")
    talk.send("DELETE", f"loadbalancers/{lb}?cascade=true")
    for kind in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        talk.get(kind)


def additional_vips(talk: Talk) -> None:
    second = "5eed0000-0000-4000-8000-000000000011"
    base = {"vip_subnet_id": SUBNET, "vip_network_id": NETWORK, "vip_address": ADDRESS}
    for more in (
        [{"subnet_id": second, "ip_address": "203.0.113.20"}],
        [{"subnet_id": second}],
        [{"subnet_id": second, "ip_address": "203.0.113.20"}, {"subnet_id": second, "ip_address": "203.0.113.21"}],
        [{"subnet_id": SUBNET, "ip_address": "203.0.113.20"}],
        [{"subnet_id": second, "x": 1}],
    ):
        _try(talk, {**base, "additional_vips": more})


def failover(talk: Talk) -> None:
    lb = talk.lb()
    talk.send("PUT", f"loadbalancers/{lb}/failover")
    talk.send("PUT", f"loadbalancers/{lb}/failover", user="admin")
    talk.send("PUT", f"loadbalancers/{NOTHING}/failover", user="admin")
    talk.get(f"loadbalancers/{lb}")


def nothing_there(talk: Talk) -> None:
    for path in (f"loadbalancers/{NOTHING}", "loadbalancers/not-an-id"):
        talk.get(path)
        talk.send("PUT", path, {"loadbalancer": {"name": "x"}})
        talk.send("DELETE", path)
        talk.get(path + "/status")
        talk.get(path + "/stats")
        talk.get(path + "/nothing")
