"""Octavia's attributes by resource and the values to try: valid, invalid, at the bounds and beyond."""

from collections.abc import Callable, Iterator
from typing import Any

from compare.talk import NOTHING, Talk

_TEXT: tuple[Any, ...] = (None, "", "x", "a" * 255, "a" * 256, 5, True, ["x"], {"x": 1}, "ü\n")
_BOOL: tuple[Any, ...] = (None, True, False, "true", "no", "on", "T", 0, 1, 2, "maybe", [], "")
_UUID: tuple[Any, ...] = (None, "", "x", NOTHING, NOTHING.replace("-", ""), 5, [])
_IP: tuple[Any, ...] = (None, "", "192.0.2.9", "2001:db8::9", "192.0.2.300", "192.0.2.0/24", 5, [])
_TAGS: tuple[Any, ...] = (None, [], ["a", "b"], ["b", "a", "a"], [""], [5], ["a" * 256], "a", [None], {"a": "b"})
_LIST: tuple[Any, ...] = (None, [], "x", [5], ["x"], [None])


def _int(low: int, high: int | None = None) -> tuple[Any, ...]:
    beyond = () if high is None else (high, high + 1, str(high))
    return (None, low, low - 1, *beyond, "x", "", 1.5, True, [], str(low))


def _enum(*values: str) -> tuple[Any, ...]:
    return (None, *values, "", "NO", values[0].lower(), 5, [])


_ALPN: tuple[Any, ...] = (None, [], ["h2"], ["http/1.1", "http/1.0"], ["h3"], "h2", [5])
_TLS_VERSIONS: tuple[Any, ...] = (None, [], ["TLSv1.2"], ["TLSv1.3", "TLSv1.2"], ["SSLv3"], ["x"], "TLSv1.2", [5])
_CIPHERS = (None, "", "ECDHE-RSA-AES256-GCM-SHA384", "x", "A" * 2049, 5)
_MILLISECONDS = _int(0, 2073600000)
_RETRIES = _int(1, 10)
_SESSIONS: tuple[Any, ...] = (
    None, {}, "x", {"type": "SOURCE_IP"}, {"type": "HTTP_COOKIE"}, {"type": "APP_COOKIE", "cookie_name": "c"},
    {"type": "APP_COOKIE"}, {"type": "HTTP_COOKIE", "cookie_name": "c"}, {"type": "NO"}, {"type": "SOURCE_IP", "x": 1},
    {"type": "SOURCE_IP", "cookie_name": "c"}, {"type": "SOURCE_IP", "persistence_timeout": 5},
    {"type": "APP_COOKIE", "cookie_name": "a b"}, {"type": "SOURCE_IP", "persistence_granularity": "255.255.0.0"},
)  # fmt: skip
_REFERENCE = (None, "", "a" * 256, 5)

_LOAD_BALANCER: dict[str, tuple[Any, ...]] = {
    "name": _TEXT, "description": _TEXT, "admin_state_up": _BOOL, "vip_address": _IP, "vip_port_id": _UUID,
    "vip_subnet_id": _UUID, "vip_network_id": _UUID, "vip_qos_policy_id": _UUID, "vip_sg_ids": (*_LIST, [NOTHING]),
    "additional_vips": (
        None, [], "x", [{}], [{"subnet_id": "x"}], [{"ip_address": "192.0.2.1"}],
    ),
    "project_id": (None, "", "a" * 36, "a" * 37, 5), "tenant_id": (None, "", "a" * 37),
    "provider": (None, "", "amphora", "octavia", "nothing", "a" * 65, 5), "tags": _TAGS, "flavor_id": _UUID,
    "availability_zone": (None, "", "nothing", "a" * 256, 5), "listeners": (None, [], "x", [{}], [{"x": 1}]),
    "pools": (None, [], "x", [{}], [{"x": 1}], [{"name": "p"}]), "id": (NOTHING,), "unknown": ("x",),
    "provisioning_status": ("ACTIVE",), "operating_status": ("ONLINE",), "created_at": ("2020-01-01T00:00:00",),
}  # fmt: skip
_LISTENER: dict[str, tuple[Any, ...]] = {
    "name": _TEXT, "description": _TEXT, "admin_state_up": _BOOL,
    "protocol": _enum("HTTP", "HTTPS", "TCP", "UDP", "SCTP", "PROMETHEUS", "TERMINATED_HTTPS"),
    "protocol_port": _int(1, 65535), "connection_limit": _int(-1), "default_tls_container_ref": _REFERENCE,
    "sni_container_refs": _LIST[:4], "default_pool_id": _UUID, "default_pool": (None, {}, "x", {"name": "p"}),
    "l7policies": (None, [], "x", [{}]),
    "insert_headers": (
        None, {}, "x", {"X-Forwarded-For": "true"}, {"X-Forwarded-For": "x"}, {"X-Forwarded-Port": True},
        {"X-No": "true"}, {"X-SSL-Client-CN": "true"}, {"X-Forwarded-Proto": "True"}, ["X-Forwarded-For"],
    ),
    "timeout_client_data": _MILLISECONDS, "timeout_member_connect": _MILLISECONDS, "timeout_member_data": _MILLISECONDS,
    "timeout_tcp_inspect": _MILLISECONDS, "tags": _TAGS, "client_ca_tls_container_ref": _REFERENCE,
    "client_authentication": _enum("NONE", "OPTIONAL", "MANDATORY"), "client_crl_container_ref": _REFERENCE,
    "allowed_cidrs": (None, [], ["192.0.2.0/24"], ["2001:db8::/32"], ["192.0.2.1"], ["x"], "192.0.2.0/24", [5]),
    "tls_ciphers": _CIPHERS, "tls_versions": _TLS_VERSIONS, "alpn_protocols": _ALPN, "hsts_max_age": _int(0),
    "hsts_include_subdomains": _BOOL, "hsts_preload": _BOOL, "loadbalancer_id": _UUID, "project_id": ("x",),
    "tenant_id": ("x",), "unknown": ("x",), "id": (NOTHING,),
}  # fmt: skip
_POOL: dict[str, tuple[Any, ...]] = {
    "name": _TEXT, "description": _TEXT, "admin_state_up": _BOOL, "listener_id": _UUID, "loadbalancer_id": _UUID,
    "protocol": _enum("HTTP", "HTTPS", "PROXY", "PROXYV2", "SCTP", "TCP", "UDP"),
    "lb_algorithm": _enum("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"),
    "session_persistence": _SESSIONS, "healthmonitor": (None, {}, "x", {"type": "HTTP"}),
    "members": (None, [], "x", [{}]), "tags": _TAGS, "tls_container_ref": _REFERENCE,
    "ca_tls_container_ref": _REFERENCE,
    "crl_container_ref": _REFERENCE, "tls_enabled": _BOOL, "tls_ciphers": _CIPHERS, "tls_versions": _TLS_VERSIONS,
    "alpn_protocols": _ALPN, "project_id": ("x",), "unknown": ("x",),
}  # fmt: skip
_MEMBER: dict[str, tuple[Any, ...]] = {
    "name": _TEXT, "admin_state_up": _BOOL, "address": (*_IP, "169.254.169.254"), "protocol_port": _int(1, 65535),
    "weight": _int(0, 256), "backup": _BOOL, "subnet_id": _UUID, "monitor_port": _int(1, 65535), "monitor_address": _IP,
    "tags": _TAGS, "request_sriov": (None, True, False, "x"), "project_id": ("x",), "unknown": ("x",),
}  # fmt: skip
_MONITOR: dict[str, tuple[Any, ...]] = {
    "name": _TEXT, "type": _enum("HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"), "delay": _int(0),
    "timeout": (None, 0, 4, 5, 6, -1, "3", "x"), "max_retries_down": _RETRIES, "max_retries": _RETRIES,
    "http_method": _enum("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"),
    "url_path": (None, "", "/", "x", "/a?b=c", "/a b", "/" + "a" * 255, "/a#b", 5),
    "expected_codes": (None, "", "200", "200-204", "200,201", "200, 201", "20", "x", "200-", "99,200", 200),
    "admin_state_up": _BOOL, "pool_id": _UUID, "tags": _TAGS, "http_version": (None, 1.0, 1.1, "1.0", "1.1", 2, "x"),
    "domain_name": (None, "", "example.com", "a b", "-x", "a" * 64, 5), "project_id": ("x",), "unknown": ("x",),
}  # fmt: skip
_POLICY: dict[str, tuple[Any, ...]] = {
    "name": _TEXT, "description": _TEXT, "admin_state_up": _BOOL,
    "action": _enum("REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX"), "redirect_pool_id": _UUID,
    "redirect_url": (None, "", "http://example.com", "ftp://x", "x", 5),
    "redirect_prefix": (None, "https://e.com", "x"),
    "position": _int(1, 2147483647), "listener_id": _UUID, "rules": (None, [], "x", [{}]), "tags": _TAGS,
    "redirect_http_code": (None, 301, 308, 300, "302", "x"), "project_id": ("x",), "unknown": ("x",),
}  # fmt: skip
_RULE: dict[str, tuple[Any, ...]] = {
    "type": _enum(
        "PATH", "COOKIE", "FILE_TYPE", "HEADER", "HOST_NAME", "SSL_CONN_HAS_CERT", "SSL_DN_FIELD", "SSL_VERIFY_RESULT"
    ),
    "compare_type": _enum("STARTS_WITH", "CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX"),
    "key": (None, "", "k", "a b", "a\nb", "a" * 256, 5), "value": (None, "", "/x", "a b", "a\nb", "a" * 256, 5),
    "invert": _BOOL, "admin_state_up": _BOOL, "tags": _TAGS, "project_id": ("x",), "unknown": ("x",),
}  # fmt: skip
_QUOTAS = (
    "loadbalancer", "load_balancer", "listener", "member", "pool", "healthmonitor", "health_monitor", "l7policy",
    "l7rule", "unknown",
)  # fmt: skip
_QUOTA: dict[str, tuple[Any, ...]] = dict.fromkeys(_QUOTAS, _int(-1, 2000000000))

# PUT refuses these like any unknown attribute, so one value each is enough.
_FIXED = frozenset({
    "vip_address", "vip_port_id", "vip_subnet_id", "vip_network_id", "additional_vips", "project_id", "tenant_id",
    "provider", "flavor_id", "availability_zone", "listeners", "pools", "protocol", "protocol_port", "default_pool",
    "l7policies", "loadbalancer_id", "listener_id", "healthmonitor", "members", "address", "subnet_id",
    "request_sriov", "pool_id", "rules",
})  # fmt: skip


def probes() -> Iterator[tuple[str, Callable[[Talk], None]]]:
    """Return the cases, one for each attribute in POST and one in PUT."""
    for root, (path, attributes, minimal) in KINDS.items():
        for name, values in attributes.items():
            if minimal:
                yield f"attribute {root}.{name} POST", _posts(root, path, name, values)
            fixed = name in _FIXED or (root == "healthmonitor" and name == "type")
            yield f"attribute {root}.{name} PUT", _puts(root, path, name, values[1:2] if fixed else values)


KINDS: dict[str, tuple[str, dict[str, tuple[Any, ...]], dict[str, Any]]] = {
    "loadbalancer": ("loadbalancers", _LOAD_BALANCER, {"vip_subnet_id": "SUBNET", "vip_address": "203.0.113.10"}),
    "listener": ("listeners", _LISTENER, {"protocol": "HTTP", "protocol_port": 80, "loadbalancer_id": "LB"}),
    "pool": ("pools", _POOL, {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": "LB"}),
    "member": ("pools/POOL/members", _MEMBER, {"address": "192.0.2.1", "protocol_port": 80}),
    "healthmonitor": (
        "healthmonitors",
        _MONITOR,
        {"pool_id": "POOL", "type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3},
    ),
    "l7policy": ("l7policies", _POLICY, {"listener_id": "LISTENER", "action": "REJECT"}),
    "rule": ("l7policies/POLICY/rules", _RULE, {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}),
    "quota": ("quotas/PROJECT", _QUOTA, {}),
}


def _posts(root: str, path: str, name: str, values: tuple[Any, ...]) -> Callable[[Talk], None]:
    def case(talk: Talk) -> None:
        ids = _ground(talk, root)
        minimal = {key: ids.get(str(value), value) for key, value in KINDS[root][2].items()}
        where = _placed(path, ids)
        for value in values:
            answer = talk.send("POST", where, {root: {**minimal, name: value}}, about=f"{root}.{name}")
            _remove(talk, where, answer.body, root)
        if name in minimal:
            without = {key: value for key, value in minimal.items() if key != name}
            answer = talk.send("POST", where, {root: without}, about=f"{root}.{name}")
            _remove(talk, where, answer.body, root)

    return case


def _remove(talk: Talk, where: str, body: Any, root: str) -> None:
    made = body.get(root) if isinstance(body, dict) else None
    if isinstance(made, dict) and "id" in made:
        talk.forget(f"{where}/{made['id']}")


def _puts(root: str, path: str, name: str, values: tuple[Any, ...]) -> Callable[[Talk], None]:
    def case(talk: Talk) -> None:
        ids = _ground(talk, root)
        where = _placed(path, ids)
        user = "alice"
        if root == "quota":
            user = "admin"
        else:
            minimal = {key: ids.get(str(value), value) for key, value in KINDS[root][2].items()}
            where += "/" + talk.make(where, root, **minimal)
        for value in values:
            talk.send("PUT", where, {root: {name: value}}, user=user, about=f"{root}.{name}")
        if root == "quota":
            talk.send("DELETE", where, user=user)

    return case


def _ground(talk: Talk, root: str) -> dict[str, str]:
    """Create the resources that a resource needs."""
    ids = {"SUBNET": "5eed0000-0000-4000-8000-000000000001"}
    if root == "loadbalancer":
        return ids
    if root == "quota":
        return {**ids, "PROJECT": talk.project("blue")}
    ids["LB"] = talk.lb()
    if root in ("member", "healthmonitor"):
        ids["POOL"] = talk.pool(loadbalancer_id=ids["LB"])
    if root in ("l7policy", "rule"):
        ids["LISTENER"] = talk.listener(ids["LB"])
    if root == "rule":
        ids["POLICY"] = talk.policy(ids["LISTENER"])
    return ids


def _placed(path: str, ids: dict[str, str]) -> str:
    return "/".join(ids.get(part, part) for part in path.split("/"))
