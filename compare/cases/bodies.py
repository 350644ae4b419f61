"""Malformed requests, and unknown paths and methods."""

from compare.talk import NOTHING, SUBNET, Talk

_RAW = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"{}",
    b'{"x": {}}',
    b"\xff",
    b'{"%s": null}',
    b'{"%s": []}',
    b'{"%s": "x"}',
)


def malformed(talk: Talk) -> None:
    lb = talk.lb()
    pool = talk.pool(loadbalancer_id=lb)
    listener = talk.listener(lb)
    policy = talk.policy(listener)
    for path, root in (
        ("loadbalancers", b"loadbalancer"),
        ("listeners", b"listener"),
        ("pools", b"pool"),
        (f"pools/{pool}/members", b"member"),
        ("healthmonitors", b"healthmonitor"),
        ("l7policies", b"l7policy"),
        (f"l7policies/{policy}/rules", b"rule"),
    ):
        for raw in _RAW:
            talk.send("POST", path, raw=raw.replace(b"%s", root))
    for raw in _RAW:
        talk.send("PUT", f"loadbalancers/{lb}", raw=raw.replace(b"%s", b"loadbalancer"))
        talk.send("PUT", f"pools/{pool}/members", raw=raw.replace(b"%s", b"members"))


def two_mistakes(talk: Talk) -> None:
    for body in (
        {"a": 1, "b": 2},
        {"name": 5, "unknown": 1},
        {"name": "a" * 256, "vip_subnet_id": "x"},
        {"vip_subnet_id": SUBNET, "a": 1, "b": 2},
    ):
        talk.send("POST", "loadbalancers", {"loadbalancer": body})
    talk.send("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET}, "listener": {}})
    talk.send("POST", "listeners", {"listener": {}})
    talk.send("POST", "pools", {"pool": {}})
    talk.send("POST", "healthmonitors", {"healthmonitor": {}})
    talk.send("POST", "l7policies", {"l7policy": {}})


def methods(talk: Talk) -> None:
    lb = talk.lb()
    for method in ("PATCH", "PUT", "DELETE", "OPTIONS"):
        talk.send(method, "loadbalancers")
    for method in ("PATCH", "POST", "OPTIONS"):
        talk.send(method, f"loadbalancers/{lb}")
    for path in (f"loadbalancers/{lb}/status", f"loadbalancers/{lb}/stats"):
        for method in ("POST", "PUT", "DELETE"):
            talk.send(method, path)
    talk.get(f"loadbalancers/{lb}/failover", user="admin")


def paths(talk: Talk) -> None:
    lb = talk.lb()
    for path in (
        "/", "/v2", "/v2.0", "/v2/lbaas", "/v2/lbaas/", "/v2.0/lbaas/loadbalancers", "/v2.0/loadbalancers",
        "/v2/loadbalancers", "/v2/lbaas/loadbalancers/", f"/v2/lbaas/loadbalancers/{lb}/", "/v2/lbaas/nothing",
        "/nothing",
        "/v3", "/healthcheck", "/v2/octavia", "/v2/octavia/amphorae", "/v2.0/octavia/amphorae", "/v2/lbaas/amphorae",
        f"/v2/lbaas/loadbalancers/{lb}/nothing", f"/v2/lbaas/pools/{NOTHING}/nothing", "/v2/lbaas/loadbalancers.json",
    ):  # fmt: skip
        talk.get(path, user="admin")
