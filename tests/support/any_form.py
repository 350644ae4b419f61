"""Strategies for bodies of the API: trees of load balancers, updates, and rules of security groups.

Most values are good, so that the API accepts most bodies; some are at a limit, hostile or wrong. A word of
`PLACEHOLDERS` stands for something that exists only on the server under test.
"""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from hydria.model.fields import DATAGRAM, LONGEST_CHECK, POOL_PROTOCOLS
from hydria.model.listener_checks import HEADERS, TLS_HEADERS
from tests.support.any_values import ALPN, CIDRS, CIPHER_STRINGS, CODES, EXPRESSIONS, TEXT, VERSIONS

Form = dict[str, Any]
Strategy = st.SearchStrategy[Any]

CERTIFICATE, OTHER, CA, CRL = "@certificate", "@other", "@ca", "@crl"
SUBNET, SUBNET6, FAR_SUBNET, GROUP = "@subnet", "@subnet6", "@far-subnet", "@group"
PLACEHOLDERS = (CERTIFICATE, OTHER, CA, CRL, SUBNET, SUBNET6, FAR_SUBNET, GROUP)

_NAME = st.sampled_from(["a", "b", ""]) | TEXT
_UP = st.sampled_from([True, True, True, False])
_COMMON: dict[str, Strategy] = {"name": _NAME, "admin_state_up": _UP, "tags": st.lists(TEXT, max_size=2)}
_DESCRIBED = {**_COMMON, "description": TEXT}
_MILLISECONDS = st.sampled_from([0, 1, 100, 50000, 2073600000])
_SECONDS = st.sampled_from([1, 3, 5, 0, LONGEST_CHECK])
_TLS: dict[str, Strategy] = {
    "tls_versions": VERSIONS | st.sampled_from([None, ("TLSv1.2", "TLSv1.3")]),
    "tls_ciphers": CIPHER_STRINGS,
    "alpn_protocols": ALPN,
}
_ALLOWED = CIDRS | st.sampled_from(
    [(), ("0.0.0.0/0",), ("0.0.0.0/1", "128.0.0.0/1"), ("::/0", "0.0.0.0/0"), ("10.0.0.0/8", "10.0.0.0/8"),
     ("10.0.0.7/8", "10.1.0.0/16"), ("10.0.0.1",), ("10.0.0.0/24", "10.0.0.128/25", "10.0.1.0/24"),
     ("fd00::/64", "fd00::1/128", "FD00:0::/48"), ("::ffff:10.0.0.0/104",), ("10.0.0.255/32", "10.0.1.0/32")]
)  # fmt: skip
_LISTENER: dict[str, Strategy] = {
    **_DESCRIBED,
    "connection_limit": st.sampled_from([-1, 1, 2000000000, 0, 2**31, 2**40]),
    "timeout_client_data": _MILLISECONDS,
    "timeout_member_connect": _MILLISECONDS,
    "timeout_member_data": _MILLISECONDS,
    "timeout_tcp_inspect": _MILLISECONDS,
    "allowed_cidrs": _ALLOWED,
}
_HEADER_NAMES = st.sampled_from(HEADERS)
_READING: dict[str, Strategy] = {
    "insert_headers": st.none() | st.dictionaries(_HEADER_NAMES, st.sampled_from(["true", "True", "false"]))
}
_TERMINATING: dict[str, Strategy] = {
    **_TLS,
    "insert_headers": st.dictionaries(st.sampled_from(HEADERS + TLS_HEADERS), st.sampled_from(["true", "false"])),
    "sni_container_refs": st.sampled_from([(), (OTHER,), (CERTIFICATE, OTHER), (OTHER, OTHER)]),
    "client_authentication": st.sampled_from(["NONE", "OPTIONAL", "MANDATORY"]),
    "client_ca_tls_container_ref": st.just(CA),
    "client_crl_container_ref": st.sampled_from([CRL, None]),
    "hsts_max_age": st.sampled_from([None, 0, 31536000, 2**40]),
    "hsts_include_subdomains": st.booleans(),
    "hsts_preload": st.booleans(),
}
_POOL: dict[str, Strategy] = {
    **_DESCRIBED,
    **_TLS,
    "tls_enabled": st.booleans(),
    "tls_container_ref": st.sampled_from([CERTIFICATE, None]),
    "ca_tls_container_ref": st.sampled_from([CA, None]),
    "crl_container_ref": st.sampled_from([CRL, None]),
    "lb_algorithm": st.sampled_from(["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"]),
}
_PERSISTENCE = st.sampled_from([None, {"type": "SOURCE_IP"}, {"type": "HTTP_COOKIE"}]) | st.builds(
    lambda name: {"type": "APP_COOKIE", "cookie_name": name}, st.sampled_from(["c", "a|b", "__x", "$'%#"])
)
_DATAGRAM_PERSISTENCE: Strategy = st.none() | st.fixed_dictionaries(
    {"type": st.just("SOURCE_IP")},
    optional={
        "persistence_timeout": st.sampled_from([0, 1, 360, -1, 2**31, 2**40]),
        "persistence_granularity": st.sampled_from(
            ["255.255.255.0", "255.255.255.255", "0.0.0.0", "255.0.255.0", "10.0.0.1", "ffff::", "::"]  # noqa: S104
        ),
    },
)
_ADDRESS = st.sampled_from(["10.0.0.11", "10.0.0.12", "fd00::11", "192.0.2.7", "10.9.0.5"]) | st.sampled_from(
    ["2001:DB8:0::7", "::ffff:10.0.0.11", "fe80::1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::",  # noqa: S104 - not bound
     "::1", "10.0.0.100", "fd00::100", "ff02::1", "10.0.0.0", "10.0.0.255", "10.0.0.1"]
)  # fmt: skip
_PORT = st.sampled_from([80, 81, 1, 65535])
_MEMBER: dict[str, Strategy] = {
    **_COMMON,
    "weight": st.sampled_from([0, 1, 2, 255, 256]),
    "backup": st.booleans(),
    "monitor_port": st.sampled_from([None, 8080, 1, 65535]),
    "monitor_address": st.none() | _ADDRESS,
}
_MEMBER_FORM = st.fixed_dictionaries(
    {"address": _ADDRESS, "protocol_port": _PORT},
    optional={**_MEMBER, "subnet_id": st.sampled_from([SUBNET, SUBNET6, FAR_SUBNET, None])},
)
_MEMBERS = st.lists(_MEMBER_FORM, max_size=4, unique_by=lambda form: (form["address"], form["protocol_port"]))
_MONITOR: dict[str, Strategy] = {
    **_COMMON,
    "delay": _SECONDS,
    "timeout": _SECONDS,
    "max_retries": st.sampled_from([1, 2, 10]),
    "max_retries_down": st.sampled_from([1, 3, 10]),
}
_HTTP: dict[str, Strategy] = {
    "http_method": st.sampled_from(["GET", "HEAD", "CONNECT", "POST", "TRACE"]),
    "url_path": st.sampled_from(
        ["/", "/healthz?a=b", "/~$HOME'", "/%C3%A9", "/a b", "/'$HOME'", '/"x', "/\\\\", "/%[src]", "/{;,}"]
    ),
    "expected_codes": CODES,
    "http_version": st.sampled_from(["1.0", "1.1", 1.1]),
    "domain_name": st.sampled_from([None, "www.example.org.", "192.0.2.1", "a_b.example.org"]),
}
_URL = st.sampled_from(
    ["http://example.org/", "https://example.org:8443/a?b=c&d=%20", "http://[fd00::1]/", "https://x.test/é"]
) | TEXT.map(lambda text: f"http://{text}")
_POLICY: dict[str, Strategy] = {
    **_DESCRIBED,
    "position": st.sampled_from([1, 2, 2147483647]),
    "redirect_http_code": st.sampled_from([None, 301, 302, 303, 307, 308]),
}
_RULE: dict[str, Strategy] = {
    "admin_state_up": _UP,
    "invert": st.booleans(),
    "tags": st.lists(TEXT, max_size=1),
    "type": st.sampled_from(
        ["COOKIE", "FILE_TYPE", "HEADER", "HOST_NAME", "PATH", "SSL_CONN_HAS_CERT", "SSL_DN_FIELD",
         "SSL_VERIFY_RESULT"]
    ),
    "compare_type": st.sampled_from(["CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX", "STARTS_WITH"]),
    "key": st.sampled_from([None, "X-A", "cookie", "CN", "L", "OU"]) | TEXT,
    "value": st.sampled_from(["a", "/images", "jpg", "www.example.org:80", "true", "0", "2147483647"])
    | TEXT | EXPRESSIONS,
}  # fmt: skip


@st.composite
def _some(draw: st.DrawFn, attributes: dict[str, Strategy], most: int = 4, least: int = 0) -> Form:
    """Draw a few of these attributes."""
    names = draw(st.lists(st.sampled_from(sorted(attributes)), min_size=least, max_size=most, unique=True))
    return {name: draw(attributes[name]) for name in names}


@st.composite
def _rule(draw: st.DrawFn) -> Form:
    form = {name: draw(_RULE[name]) for name in ("type", "compare_type", "value")}
    if form["type"] in ("COOKIE", "HEADER", "SSL_DN_FIELD"):
        form["key"] = draw(_RULE["key"])
    elif form["type"] == "SSL_CONN_HAS_CERT":
        form |= {"compare_type": "EQUAL_TO", "value": "true"}
    elif form["type"] == "SSL_VERIFY_RESULT":
        form |= {"compare_type": "EQUAL_TO", "value": draw(st.sampled_from(["0", "2147483647", "2147483648", "007"]))}
    return form | draw(_some({name: _RULE[name] for name in ("admin_state_up", "invert", "tags")}, most=2))


@st.composite
def _monitor(draw: st.DrawFn, protocol: str) -> Form:
    datagram = protocol in DATAGRAM
    kinds = ["UDP-CONNECT", "SCTP", "TCP", "HTTP"] if datagram else ["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO"]
    kind = draw(st.sampled_from(kinds))
    form = {"type": kind, **{name: draw(_MONITOR[name]) for name in ("delay", "timeout", "max_retries")}}
    attributes = {**_MONITOR, **(_HTTP if kind in ("HTTP", "HTTPS") else {})}
    return form | draw(_some(attributes))


@st.composite
def _pool(draw: st.DrawFn, protocol: str) -> Form:
    form = {"protocol": protocol, "lb_algorithm": draw(_POOL["lb_algorithm"]), "members": draw(_MEMBERS)}
    if draw(st.booleans()):
        form["session_persistence"] = draw(_DATAGRAM_PERSISTENCE if protocol in DATAGRAM else _PERSISTENCE)
    if draw(st.booleans()):
        form["healthmonitor"] = draw(_monitor(protocol))
    return form | draw(_some(_POOL))


@st.composite
def _policy(draw: st.DrawFn, protocol: str) -> Form:
    action = draw(st.sampled_from(["REJECT", "REDIRECT_TO_POOL", "REDIRECT_TO_URL", "REDIRECT_PREFIX"]))
    form: Form = {"action": action, "rules": draw(st.lists(_rule(), max_size=3))}
    if action == "REDIRECT_TO_POOL":
        form["redirect_pool"] = draw(_pool(draw(st.sampled_from(POOL_PROTOCOLS[protocol]))))
    elif action != "REJECT":
        form["redirect_url" if action == "REDIRECT_TO_URL" else "redirect_prefix"] = draw(_URL)
    return form | draw(_some(_POLICY))


@st.composite
def _listener(draw: st.DrawFn, number: int) -> Form:
    protocol = draw(st.sampled_from(sorted(POOL_PROTOCOLS)))
    reads = protocol in ("HTTP", "TERMINATED_HTTPS")
    # Listeners of different transports may share a port.
    port = draw(st.sampled_from([8000, 8000 + number, 8000 + number, 65535]))
    form: Form = {"protocol": protocol, "protocol_port": port, **draw(_some(_LISTENER))}
    if protocol == "TERMINATED_HTTPS":
        form |= {"default_tls_container_ref": CERTIFICATE, **draw(_some(_TERMINATING))}
    elif protocol == "HTTP":
        form |= draw(_some(_READING))
    if protocol != "PROMETHEUS" and draw(st.booleans()):
        form["default_pool"] = draw(_pool(draw(st.sampled_from(POOL_PROTOCOLS[protocol]))))
    if reads:
        form["l7policies"] = draw(st.lists(_policy(protocol), max_size=3))
    return form


@st.composite
def trees(draw: st.DrawFn) -> Form:
    """Draw the body of a load balancer with its tree."""
    form: Form = draw(_some(_DESCRIBED, most=2))
    form["vip_subnet_id"] = draw(st.sampled_from([SUBNET, SUBNET, SUBNET6]))
    if draw(st.booleans()):
        form["additional_vips"] = [{"subnet_id": SUBNET6 if form["vip_subnet_id"] == SUBNET else SUBNET}]
    if draw(st.integers(0, 2)) == 0:
        form["vip_sg_ids"] = [GROUP]
    form["listeners"] = [draw(_listener(number)) for number in range(draw(st.integers(1, 4)))]
    protocol = draw(st.sampled_from(sorted({each for protocols in POOL_PROTOCOLS.values() for each in protocols})))
    form["pools"] = draw(st.lists(_pool(protocol), max_size=1))
    for number, pool in enumerate(_pools(form)):
        # A tree needs names of its pools, one of each.
        pool["name"] = f"{number}{pool.get('name', '')}"
    return form


def without_conflicts(form: Form) -> Form:
    """Return a tree without the allowed CIDRs and members that its VIPs or security groups do not allow."""
    subnets = {form["vip_subnet_id"], *(each["subnet_id"] for each in form.get("additional_vips", ()))}
    families = {subnet == SUBNET6 for subnet in subnets}
    for listener in form["listeners"]:
        cidrs = listener.get("allowed_cidrs") or ()
        if "vip_sg_ids" in form or not {":" in cidr for cidr in cidrs} <= families:
            listener.pop("allowed_cidrs", None)
    for pool in _pools(form):
        if pool["protocol"] in DATAGRAM:
            pool["members"] = [each for each in pool["members"] if (":" in each["address"]) in families]
    return form


def _pools(form: Form) -> Iterator[Form]:
    yield from form["pools"]
    for listener in form["listeners"]:
        if "default_pool" in listener:
            yield listener["default_pool"]
        yield from (each["redirect_pool"] for each in listener.get("l7policies", ()) if "redirect_pool" in each)


_UPDATES: dict[str, dict[str, Strategy]] = {
    "loadbalancer": {**_DESCRIBED, "vip_sg_ids": st.sampled_from([None, (), (GROUP,)])},
    "listener": {**_LISTENER, **_READING, **_TERMINATING, "default_tls_container_ref": st.sampled_from([OTHER, None])},
    "pool": {**_POOL, "session_persistence": _PERSISTENCE | _DATAGRAM_PERSISTENCE},
    "member": _MEMBER,
    "healthmonitor": {**_MONITOR, **_HTTP},
    "l7policy": {
        **_POLICY,
        "action": st.sampled_from(["REJECT", "REDIRECT_TO_URL", "REDIRECT_PREFIX"]),
        "redirect_url": _URL,
        "redirect_prefix": _URL,
    },
    "rule": _RULE,
}


@st.composite
def _update(draw: st.DrawFn, kind: str) -> Form:
    """Draw the body of an update; at times a value is null, which stands for the default."""
    form: Form = draw(_some(_UPDATES[kind], most=3, least=1))
    return {name: None if draw(st.integers(0, 5)) == 0 else value for name, value in form.items()}


def updates() -> Strategy:
    """Return the strategy for bodies of updates by kind, and batches of members under "batch"."""
    kinds = {kind: st.lists(_update(kind), min_size=1, max_size=3) for kind in _UPDATES}
    return st.fixed_dictionaries({**kinds, "batch": st.lists(st.none() | _MEMBERS, min_size=1, max_size=2)})


@st.composite
def _group_rule(draw: st.DrawFn) -> Form:
    family = draw(st.sampled_from(["IPv4", "IPv6"]))
    form: Form = {"direction": draw(st.sampled_from(["ingress", "ingress", "egress"])), "ethertype": family}
    ported = ("tcp", "udp", "sctp", "dccp", "udplite", 6, "17")
    icmp = ("icmpv6", "ipv6-icmp", "icmp", "58") if family == "IPv6" else ("icmp", "1")
    others = (None, "any", "ah", "vrrp", "gre", "esp", "ipip", "pgm", "igmp", "ospf", "rsvp", "0", 0, 255, "112")
    protocol = form["protocol"] = draw(st.sampled_from(ported) | st.sampled_from(icmp) | st.sampled_from(others))
    if protocol in ported and draw(st.booleans()):
        low, high = sorted(draw(st.tuples(_PORT, _PORT)))
        form |= {"port_range_min": low, "port_range_max": high}
    elif protocol in icmp and draw(st.booleans()):
        form["port_range_min"] = draw(st.sampled_from([0, 8, 128, 255]))
        form["port_range_max"] = draw(st.sampled_from([None, 0, 1, 255]))
    networks = ["10.0.0.0/8", "10.0.0.7/8", "0.0.0.0/0", "10.0.0.5", "10.0.0.5/32"]
    if family == "IPv6":
        networks = ["::/0", "fd00::/64", "FD00:0::1/64", "fd00::5", "::ffff:10.0.0.0/104"]
    remote = {"remote_ip_prefix": draw(st.none() | st.sampled_from(networks))}
    return form | (remote if draw(st.booleans()) else {"remote_group_id": draw(st.sampled_from([None, GROUP]))})


def group_rules() -> Strategy:
    """Return the strategy for the rules of a security group."""
    return st.lists(_group_rule(), max_size=5)
