"""Attributes of pools, members and monitors by protocol: persistence, TLS, health checks."""

from typing import Any

import pytest

from hydria.model.tls import CIPHERS
from tests.support.api import Api, Body
from tests.support.cloud import Cloud

REF = "http://secrets.test/v1/containers/"
SAY = "Validation failure: "


@pytest.fixture
async def lb(cloud: Cloud, api: Api) -> Body:
    return await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)


async def add(api: Api, lb: Body, protocol: str = "HTTP", **attributes: Any) -> Body:
    return await api.create(
        "pool", loadbalancer_id=lb["id"], protocol=protocol, lb_algorithm="ROUND_ROBIN", **attributes
    )


@pytest.mark.parametrize(
    ("protocol", "persistence"),
    [
        ("HTTP", {"type": "SOURCE_IP"}),
        ("TCP", {"type": "SOURCE_IP"}),
        ("HTTP", {"type": "HTTP_COOKIE"}),
        ("HTTP", {"type": "APP_COOKIE", "cookie_name": "JSESSIONID"}),
        ("UDP", {"type": "SOURCE_IP", "persistence_timeout": 60, "persistence_granularity": "255.255.0.0"}),
        ("SCTP", {"type": "SOURCE_IP", "persistence_timeout": "5"}),
    ],
)
async def test_persistence(api: Api, lb: Body, protocol: str, persistence: Body) -> None:
    made = await add(api, lb, protocol, session_persistence=persistence)
    whole: Body = {"cookie_name": None, "persistence_timeout": None, "persistence_granularity": None} | persistence
    if "persistence_timeout" in persistence:
        whole["persistence_timeout"] = int(persistence["persistence_timeout"])
    assert made["session_persistence"] == whole
    assert (await api.change("pool", made["id"], name="n"))["session_persistence"] == whole
    assert (await api.change("pool", made["id"], session_persistence=None))["session_persistence"] is None


UNREAD = "Provider 'amphora' does not support a requested option: Amphora provider does not support "
COOKIES = [{"type": "HTTP_COOKIE"}, {"type": "APP_COOKIE", "cookie_name": "c"}]


@pytest.mark.parametrize("cookie", COOKIES)
async def test_cookie_persistence_needs_a_listener_that_reads_http(api: Api, lb: Body, cookie: Body) -> None:
    say = UNREAD + cookie["type"] + " session persistence for {}, whose cookies it cannot read."
    sticky = {"lb_algorithm": "ROUND_ROBIN", "session_persistence": cookie}
    for protocol in ("TCP", "HTTPS"):
        body = {"pool": {"loadbalancer_id": lb["id"], "protocol": protocol, **sticky}}
        assert await api.fault("POST", "pools", 501, body) == say.format(f"{protocol} pools")
        plain = await add(api, lb, protocol)
        change = {"pool": {"session_persistence": cookie}}
        assert await api.fault("PUT", f"pools/{plain['id']}", 501, change) == say.format(f"{protocol} pools")
    # The listener of a PROXY pool decides whether HTTP is read.
    behind = say.format("PROXY pools behind TCP listeners")
    tcp = await api.create("listener", loadbalancer_id=lb["id"], protocol="TCP", protocol_port=1)
    http = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=2)
    body = {"pool": {"listener_id": tcp["id"], "protocol": "PROXY", **sticky}}
    assert await api.fault("POST", "pools", 501, body) == behind
    proxy = await add(api, lb, "PROXY", session_persistence=cookie)
    await api.change("listener", http["id"], default_pool_id=proxy["id"])
    change = {"listener": {"default_pool_id": proxy["id"]}}
    assert await api.fault("PUT", f"listeners/{tcp['id']}", 501, change) == behind
    whole = {"loadbalancer_id": lb["id"], "protocol": "TCP", "protocol_port": 3, "default_pool_id": proxy["id"]}
    assert await api.fault("POST", "listeners", 501, {"listener": whole}) == behind
    await api.change("pool", proxy["id"], session_persistence=None)
    await api.change("listener", tcp["id"], default_pool_id=proxy["id"])
    change = {"pool": {"session_persistence": cookie}}
    assert await api.fault("PUT", f"pools/{proxy['id']}", 501, change) == behind
    # An HTTP pool reads HTTP itself.
    read = await add(api, lb, "HTTP", session_persistence=cookie)
    await api.change("listener", tcp["id"], default_pool_id=read["id"])
    await api.change("pool", proxy["id"], session_persistence=cookie)


ACCEPTS = "for UDP and SCTP protocols only accepts: type, persistence_timeout, persistence_granularity"
COOKIE_ONLY = 'Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".'
COOKIE_MUST = 'Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.'
TIMEOUT = "persistence_timeout and persistence_granularity is only for UDP and SCTP protocol pools."


@pytest.mark.parametrize(
    ("protocol", "persistence", "sentence"),
    [
        ("HTTP", {"type": "HTTP_COOKIE", "cookie_name": "a"}, COOKIE_ONLY),
        ("HTTP", {"type": "SOURCE_IP", "cookie_name": "a"}, COOKIE_ONLY),
        ("HTTP", {"type": "APP_COOKIE"}, COOKIE_MUST),
        ("HTTP", {"type": "APP_COOKIE", "cookie_name": "a=b"}, 'Supplied "cookie_name" is invalid.'),
        ("HTTP", {"type": "APP_COOKIE", "cookie_name": "a\u20ac"}, 'Supplied "cookie_name" is invalid.'),
        ("TCP", {"type": "SOURCE_IP", "persistence_timeout": 5}, TIMEOUT),
        ("TCP", {"type": "SOURCE_IP", "persistence_granularity": "255.255.255.0"}, TIMEOUT),
        (
            "UDP",
            {"type": "SOURCE_IP", "cookie_name": "a"},
            f"session_persistence SOURCE_IP type {ACCEPTS}.",
        ),
        ("UDP", {"type": "APP_COOKIE", "cookie_name": "a"}, "Cookie names are not supported for UDP/SCTP pools."),
        (
            "SCTP",
            {"type": "HTTP_COOKIE"},
            "Session persistence of type HTTP_COOKIE is not supported for UDP/SCTP protocol pools.",
        ),
    ],
)
async def test_wrong_persistence_is_refused(
    api: Api, lb: Body, protocol: str, persistence: Body, sentence: str
) -> None:
    body = {"loadbalancer_id": lb["id"], "protocol": protocol, "lb_algorithm": "ROUND_ROBIN"}
    whole = {"pool": {**body, "session_persistence": persistence}}
    assert await api.fault("POST", "pools", 400, whole) == SAY + sentence
    made = await add(api, lb, protocol)
    change = {"pool": {"session_persistence": persistence}}
    assert await api.fault("PUT", f"pools/{made['id']}", 400, change) == SAY + sentence


async def test_changing_persistence(api: Api, lb: Body) -> None:
    made = await add(api, lb, session_persistence={"type": "APP_COOKIE", "cookie_name": "a"})
    changed = await api.change("pool", made["id"], session_persistence={"cookie_name": "b"})
    assert (changed["session_persistence"]["type"], changed["session_persistence"]["cookie_name"]) == (
        "APP_COOKIE",
        "b",
    )
    changed = await api.change("pool", made["id"], session_persistence={"type": "HTTP_COOKIE"})
    assert (changed["session_persistence"]["type"], changed["session_persistence"]["cookie_name"]) == (
        "HTTP_COOKIE",
        None,
    )
    plain = await add(api, lb)
    body: Body = {"pool": {"session_persistence": {"cookie_name": "a"}}}
    assert await api.fault("PUT", f"pools/{plain['id']}", 400, body) == SAY + "Invalid session_persistence provided."
    body = {"pool": {"session_persistence": {"type": "SOURCE_IP", "ttl": 5}}}
    assert await api.fault("PUT", f"pools/{plain['id']}", 400, body) == (
        "Unknown attribute for argument pool_.pool.session_persistence: ttl"
    )
    body = {"pool": {"session_persistence": {"type": "APP_COOKIE", "cookie_name": "a b"}}}
    sentence = await api.fault("PUT", f"pools/{plain['id']}", 400, body)
    assert sentence.startswith("Invalid input for field/attribute cookie_name.")


async def test_tls_to_members(api: Api, lb: Body) -> None:
    plain = await add(api, lb, tls_enabled=True)
    assert (plain["tls_ciphers"], plain["tls_versions"]) == (CIPHERS, ["TLSv1.2", "TLSv1.3"])
    assert plain["alpn_protocols"] == ["h2", "http/1.1", "http/1.0"]
    given: Body = {
        "tls_enabled": True,
        "tls_container_ref": REF + "a",
        "ca_tls_container_ref": REF + "ca",
        "crl_container_ref": REF + "crl",
        "tls_ciphers": "ECDHE-RSA-AES256-GCM-SHA384",
        "tls_versions": ["TLSv1.3"],
        "alpn_protocols": ["http/1.1"],
    }
    made = await add(api, lb, **given)
    assert {name: made[name] for name in given} == given
    changed = await api.change("pool", made["id"], tls_ciphers=None, tls_versions=None, tls_enabled=None)
    assert (changed["tls_ciphers"], changed["tls_versions"], changed["tls_enabled"]) == (
        CIPHERS,
        ["TLSv1.2", "TLSv1.3"],
        False,
    )
    change: Body = {"pool": {"ca_tls_container_ref": None}}
    assert await api.fault("PUT", f"pools/{made['id']}", 400, change) == (
        SAY + "A CA reference cannot be removed when a certificate revocation list is present."
    )
    await api.change("pool", made["id"], ca_tls_container_ref=None, crl_container_ref=None)
    change = {"pool": {"crl_container_ref": REF}}
    assert await api.fault("PUT", f"pools/{made['id']}", 400, change) == (
        SAY + "A CA reference is required to specify a certificate revocation list."
    )
    body = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    for attributes, sentence in (
        ({"crl_container_ref": REF}, "A CA certificate reference is required to specify a revocation list."),
        ({"tls_enabled": True, "tls_versions": ["SSLv2"]}, "Invalid TLS versions: SSLv2"),
    ):
        assert await api.fault("POST", "pools", 400, {"pool": {**body, **attributes}}) == SAY + sentence


async def test_every_protocol(api: Api, lb: Body) -> None:
    for protocol in ("HTTP", "HTTPS", "PROXY", "PROXYV2", "SCTP", "TCP", "UDP"):
        assert (await add(api, lb, protocol))["protocol"] == protocol


ONLY = "so only a UDP-CONNECT/SCTP/TCP/HTTP health monitor is supported."


@pytest.mark.parametrize(
    ("protocol", "kind", "sentence"),
    [
        ("TCP", "PING", None),
        ("HTTP", "TLS-HELLO", None),
        ("UDP", "UDP-CONNECT", None),
        ("UDP", "HTTP", None),
        ("SCTP", "SCTP", None),
        ("SCTP", "TCP", None),
        ("TCP", "SCTP", "The SCTP type is only supported for pools of type UDP/SCTP."),
        ("UDP", "PING", f"The associated pool protocol is UDP, {ONLY}"),
        ("SCTP", "HTTPS", f"The associated pool protocol is SCTP, {ONLY}"),
    ],
)
async def test_monitors(api: Api, lb: Body, protocol: str, kind: str, sentence: str | None) -> None:
    pool = await add(api, lb, protocol)
    monitor = {"type": kind, "delay": 5, "timeout": 3, "max_retries": 2}
    if sentence is None:
        assert (await api.create("healthmonitor", pool_id=pool["id"], **monitor))["type"] == kind
        return
    body = {"healthmonitor": {"pool_id": pool["id"], **monitor}}
    assert await api.fault("POST", "healthmonitors", 400, body) == SAY + sentence
    nested = {"loadbalancer_id": lb["id"], "protocol": protocol, "lb_algorithm": "ROUND_ROBIN"}
    assert await api.fault("POST", "pools", 400, {"pool": {**nested, "healthmonitor": monitor}}) == SAY + sentence


async def test_udp_monitors_have_a_smallest_delay(api: Api, lb: Body) -> None:
    pool = await add(api, lb, "UDP")
    say = SAY + "The request delay value 2 should be larger than 3 for UDP-CONNECT health monitor type."
    monitor = {"pool_id": pool["id"], "type": "UDP-CONNECT", "delay": 2, "timeout": 1, "max_retries": 2}
    assert await api.fault("POST", "healthmonitors", 400, {"healthmonitor": monitor}) == say
    made = await api.create("healthmonitor", **(monitor | {"delay": 3}))
    change = {"healthmonitor": {"delay": 2}}
    assert await api.fault("PUT", f"healthmonitors/{made['id']}", 400, change) == say


@pytest.mark.parametrize("version", [1.1, "1.1"])
async def test_http_versions_are_numbers_or_text(api: Api, lb: Body, version: Any) -> None:
    pool = await add(api, lb)
    made = await api.create(
        "healthmonitor", pool_id=pool["id"], type="HTTP", delay=5, timeout=3, max_retries=2, http_version=version
    )
    assert made["http_version"] == 1.1


async def test_sriov_member_ports_are_refused(api: Api, lb: Body) -> None:
    pool = await add(api, lb)
    assert (await api.add_member(pool["id"], "10.0.0.11", request_sriov=False))["vnic_type"] == "normal"
    body = {"member": {"address": "10.0.0.12", "protocol_port": 80, "request_sriov": True}}
    assert await api.fault("POST", f"pools/{pool['id']}/members", 400, body) == (
        "The load balancer flavor does not allow SR-IOV member ports."
    )
