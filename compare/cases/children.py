"""Listeners, pools, members and health monitors: their life cycle, conflicts, and restrictions of protocols."""

from compare.talk import NOTHING, SUBNET, Talk


def listener_life(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb, name="l", description="d", tags=["t"])
    talk.get(f"listeners/{listener}")
    talk.get("listeners")
    talk.send("PUT", f"listeners/{listener}", {"listener": {"name": "new", "connection_limit": 5}})
    talk.get(f"listeners/{listener}/stats")
    talk.send("POST", "listeners", {"listener": {"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 80}})
    talk.send("POST", "listeners", {"listener": {"loadbalancer_id": lb, "protocol": "UDP", "protocol_port": 80}})
    talk.send("POST", "listeners", {"listener": {"loadbalancer_id": lb, "protocol": "UDP", "protocol_port": 80}})
    talk.send("DELETE", f"listeners/{listener}")
    talk.get(f"listeners/{listener}")
    talk.send("DELETE", f"listeners/{listener}")
    talk.get(f"loadbalancers/{lb}")


def listener_pools(talk: Talk) -> None:
    lb = talk.lb()
    other = talk.lb(name="other")
    pool = talk.pool(loadbalancer_id=lb, name="p")
    foreign = talk.pool(loadbalancer_id=other, name="foreign")
    datagrams = talk.pool(loadbalancer_id=lb, name="u", protocol="UDP")
    listener = talk.listener(lb, default_pool_id=pool)
    for key in (foreign, datagrams, NOTHING, None, pool):
        talk.send("PUT", f"listeners/{listener}", {"listener": {"default_pool_id": key}})
    talk.get(f"pools/{pool}")
    for port, key in enumerate((foreign, datagrams, NOTHING), start=1000):
        body = {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": port, "default_pool_id": key}
        talk.send("POST", "listeners", {"listener": body})
    whole = {"name": "q", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    body = {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 81, "default_pool": whole}
    talk.send("POST", "listeners", {"listener": body})
    talk.get("pools?name=q")


def listener_protocols(talk: Talk) -> None:
    lb = talk.lb()
    for port, protocol in enumerate(("HTTP", "HTTPS", "TCP", "UDP", "SCTP", "TERMINATED_HTTPS", "PROMETHEUS"), 1000):
        base = {"loadbalancer_id": lb, "protocol": protocol, "protocol_port": port}
        for more in (
            {"insert_headers": {"X-Forwarded-For": "true"}},
            {"default_tls_container_ref": "http://127.0.0.1/key-manager/v1/secrets/" + NOTHING},
            {"timeout_tcp_inspect": 5},
            {"allowed_cidrs": ["192.0.2.0/24"]},
            {"allowed_cidrs": ["2001:db8::/32"]},
            {"hsts_max_age": 5},
            {"client_authentication": "MANDATORY"},
            {"tls_versions": ["TLSv1.2"]},
            {"alpn_protocols": ["h2"]},
            {"default_pool": {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}},
            {},
        ):
            answer = talk.send(
                "POST", "listeners", {"listener": {**base, **more}}, about=f"listener.protocol={protocol}"
            )
            if answer.status == 201:
                talk.forget(f"listeners/{answer.body['listener']['id']}")


def pool_life(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    pool = talk.pool(listener_id=listener, name="p")
    talk.get(f"pools/{pool}")
    talk.get("pools")
    talk.get(f"listeners/{listener}")
    talk.send(
        "PUT", f"pools/{pool}", {"pool": {"lb_algorithm": "SOURCE_IP", "session_persistence": {"type": "SOURCE_IP"}}}
    )
    talk.send("PUT", f"pools/{pool}", {"pool": {"session_persistence": {"type": "HTTP_COOKIE"}}})
    talk.send("PUT", f"pools/{pool}", {"pool": {"session_persistence": {"cookie_name": "c"}}})
    talk.send("PUT", f"pools/{pool}", {"pool": {"session_persistence": None}})
    base = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    for where in (
        {},
        {"listener_id": listener},
        {"listener_id": NOTHING},
        {"loadbalancer_id": NOTHING},
        {"loadbalancer_id": lb, "listener_id": listener},
        {"loadbalancer_id": lb, "protocol": "UDP", "session_persistence": {"type": "HTTP_COOKIE"}},
        {"loadbalancer_id": lb, "lb_algorithm": "SOURCE_IP_PORT"},
    ):
        talk.send("POST", "pools", {"pool": {**base, **where}})
    talk.send("DELETE", f"pools/{pool}")
    talk.get(f"pools/{pool}")
    talk.get(f"listeners/{listener}")


def pool_cookies(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb, protocol="TCP")
    for protocol, where in (
        ("TCP", {"loadbalancer_id": lb}),
        ("HTTPS", {"loadbalancer_id": lb}),
        ("PROXY", {"listener_id": listener}),
        ("PROXY", {"loadbalancer_id": lb}),
        ("HTTP", {"listener_id": listener}),
    ):
        for persistence in ({"type": "HTTP_COOKIE"}, {"type": "APP_COOKIE", "cookie_name": "c"}):
            form = {"protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "session_persistence": persistence, **where}
            answer = talk.send("POST", "pools", {"pool": form})
            if answer.status == 201:
                talk.forget(f"pools/{answer.body['pool']['id']}")


def pool_whole(talk: Talk) -> None:
    lb = talk.lb()
    members = [{"address": "192.0.2.1", "protocol_port": 80}, {"address": "192.0.2.2", "protocol_port": 80}]
    monitor = {"type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3}
    base = {"loadbalancer_id": lb, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    answer = talk.send("POST", "pools", {"pool": {**base, "members": members, "healthmonitor": monitor}}, needed=True)
    pool = (answer.body.get("pool") or {}).get("id", NOTHING)
    talk.get(f"pools/{pool}")
    talk.get(f"pools/{pool}/members?sort=address")
    talk.get("healthmonitors")


def member_life(talk: Talk) -> None:
    lb = talk.lb()
    pool = talk.pool(loadbalancer_id=lb)
    member = talk.member(pool, name="m", subnet_id=SUBNET, tags=["t"], weight=0)
    path = f"pools/{pool}/members"
    talk.get(f"{path}/{member}")
    talk.get(path)
    talk.send("PUT", f"{path}/{member}", {"member": {"weight": 7, "backup": True, "monitor_port": 8080}})
    talk.send(
        "PUT", f"{path}/{member}", {"member": {"monitor_port": None, "weight": None, "backup": None, "name": None}}
    )
    talk.send("POST", path, {"member": {"address": "192.0.2.1", "protocol_port": 80}})
    talk.send("POST", path, {"member": {"address": "192.0.2.1", "protocol_port": 81}})
    talk.send("POST", path, {"member": {"address": "2001:db8::1", "protocol_port": 81}})
    talk.get(f"pools/{pool}")
    talk.send("DELETE", f"{path}/{member}")
    talk.get(f"{path}/{member}")
    talk.get(f"pools/{NOTHING}/members")
    talk.get(f"pools/{NOTHING}/members/{NOTHING}")
    talk.get(f"{path}/{NOTHING}")
    talk.send("POST", f"pools/{NOTHING}/members", {"member": {"address": "192.0.2.1", "protocol_port": 80}})


def member_of_another_pool(talk: Talk) -> None:
    lb = talk.lb()
    pool, other = talk.pool(loadbalancer_id=lb, name="a"), talk.pool(loadbalancer_id=lb, name="b")
    member = talk.member(pool)
    talk.get(f"pools/{other}/members/{member}")
    talk.send("PUT", f"pools/{other}/members/{member}", {"member": {"weight": 2}})
    talk.send("DELETE", f"pools/{other}/members/{member}")


def member_batch(talk: Talk) -> None:
    lb = talk.lb()
    pool = talk.pool(loadbalancer_id=lb)
    path = f"pools/{pool}/members"
    a, b, c = ({"address": f"192.0.2.{last}", "protocol_port": 80} for last in (1, 2, 3))
    for members in (
        [a, b],
        [{**a, "weight": 5, "name": "new"}],
        [{**a, "subnet_id": SUBNET}],
        [b, b],
        [c],
        [],
        [{"address": "192.0.2.1"}],
        [{**a, "unknown": 1}],
        [{**a, "protocol_port": 0}],
        None,
        "x",
    ):
        talk.send("PUT", path, {"members": members})
        talk.get(f"{path}?sort=address")
    for members in ([a], [b], [{**a, "weight": 3}], []):
        talk.send("PUT", f"{path}?additive_only=true", {"members": members})
        talk.get(f"{path}?sort=address")
    talk.send("PUT", f"{path}?additive_only=maybe", {"members": [c]})
    talk.send("PUT", path, {"nothing": []})
    talk.send("PUT", f"pools/{NOTHING}/members", {"members": [a]})


def monitor_life(talk: Talk) -> None:
    lb = talk.lb()
    pool = talk.pool(loadbalancer_id=lb)
    monitor = talk.monitor(pool, name="h", tags=["t"])
    talk.get(f"healthmonitors/{monitor}")
    talk.get("healthmonitors")
    talk.get(f"pools/{pool}")
    base = {"pool_id": pool, "type": "TCP", "delay": 5, "timeout": 4, "max_retries": 3}
    talk.send("POST", "healthmonitors", {"healthmonitor": base})
    talk.send(
        "PUT", f"healthmonitors/{monitor}", {"healthmonitor": {"delay": 9, "url_path": "/x", "max_retries_down": 2}}
    )
    reset = {"url_path": None, "http_method": None, "expected_codes": None, "max_retries_down": None, "name": None}
    talk.send("PUT", f"healthmonitors/{monitor}", {"healthmonitor": reset})
    member = talk.member(pool)
    talk.get(f"pools/{pool}/members/{member}")
    talk.send("DELETE", f"healthmonitors/{monitor}")
    talk.get(f"healthmonitors/{monitor}")
    talk.get(f"pools/{pool}")
    talk.get(f"pools/{pool}/members/{member}")
    talk.send("POST", "healthmonitors", {"healthmonitor": {**base, "pool_id": NOTHING}})


def monitor_types(talk: Talk) -> None:
    lb = talk.lb()
    for protocol in ("HTTP", "HTTPS", "TCP", "PROXY", "PROXYV2", "UDP", "SCTP"):
        pool = talk.pool(loadbalancer_id=lb, protocol=protocol, name=protocol)
        for kind in ("HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"):
            base = {"pool_id": pool, "type": kind, "delay": 5, "timeout": 4, "max_retries": 3}
            for more in ({}, {"url_path": "/x"}, {"http_method": "GET"}, {"expected_codes": "200"}):
                body = {"healthmonitor": {**base, **more}}
                answer = talk.send("POST", "healthmonitors", body, about=f"healthmonitor.type={kind}")
                if answer.status == 201:
                    talk.forget(f"healthmonitors/{answer.body['healthmonitor']['id']}")


def monitor_domain_names(talk: Talk) -> None:
    lb = talk.lb()
    pool = talk.pool(loadbalancer_id=lb)
    base = {"pool_id": pool, "type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3}
    for more in (
        {"domain_name": "example.com"},
        {"domain_name": "example.com", "http_version": 1.0},
        {"domain_name": "example.com", "http_version": 1.1},
        {"http_version": 1.1},
        {"timeout": 6},
        {"type": "TCP", "domain_name": "example.com", "http_version": 1.1},
    ):
        answer = talk.send("POST", "healthmonitors", {"healthmonitor": {**base, **more}})
        if answer.status == 201:
            key = answer.body["healthmonitor"]["id"]
            talk.send("PUT", f"healthmonitors/{key}", {"healthmonitor": {"domain_name": "example.org"}})
            talk.send("PUT", f"healthmonitors/{key}", {"healthmonitor": {"timeout": 60}})
            talk.forget(f"healthmonitors/{key}")


def shared_pool(talk: Talk) -> None:
    lb = talk.lb()
    pool = talk.pool(loadbalancer_id=lb)
    first = talk.listener(lb, default_pool_id=pool)
    talk.listener(lb, default_pool_id=pool, protocol_port=81)
    talk.get(f"pools/{pool}")
    talk.get(f"loadbalancers/{lb}/status")
    talk.send("DELETE", f"listeners/{first}")
    talk.send("DELETE", f"pools/{pool}")
    talk.get("listeners")
