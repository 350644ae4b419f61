"""Attributes of listeners by protocol: certificates, client authentication, headers, sources, HSTS."""

from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

REF = "http://secrets.test/v1/containers/"
CIPHERS = (
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"
    "DHE-RSA-CHACHA20-POLY1305"
)
TLS: Body = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": REF + "a"}


@pytest.fixture
async def lb(cloud: Cloud, api: Api) -> Body:
    return await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)


def protocol(name: str, port: int = 80) -> Body:
    return {"protocol": name, "protocol_port": port}


async def test_tls_defaults(api: Api, lb: Body) -> None:
    made = await api.create("listener", loadbalancer_id=lb["id"], **TLS)
    assert (made["tls_ciphers"], made["tls_versions"]) == (CIPHERS, ["TLSv1.2", "TLSv1.3"])
    assert made["alpn_protocols"] == ["h2", "http/1.1", "http/1.0"]
    changed = await api.change(
        "listener", made["id"], tls_ciphers="AES128-SHA:B", tls_versions=["TLSv1.3"], alpn_protocols=["h2"]
    )
    assert [changed[name] for name in ("tls_ciphers", "tls_versions", "alpn_protocols")] == [
        "AES128-SHA:B",
        ["TLSv1.3"],
        ["h2"],
    ]
    again = await api.change("listener", made["id"], tls_ciphers=None, tls_versions=None, alpn_protocols=None)
    assert {name: again[name] for name in again if name != "updated_at"} == {
        name: value for name, value in made.items() if name != "updated_at"
    }


async def test_all_tls_attributes_are_kept(api: Api, lb: Body) -> None:
    given = {
        **TLS,
        "sni_container_refs": [REF + "b", REF + "c"],
        "client_ca_tls_container_ref": REF + "ca",
        "client_authentication": "MANDATORY",
        "client_crl_container_ref": REF + "crl",
        "tls_ciphers": "ECDHE-RSA-AES256-GCM-SHA384",
        "tls_versions": ["TLSv1.2"],
        "alpn_protocols": ["http/1.1"],
        "hsts_max_age": 31536000,
        "hsts_include_subdomains": True,
        "hsts_preload": True,
        "insert_headers": {"X-Forwarded-For": "true", "X-SSL-Client-CN": "true"},
        "allowed_cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
    }
    made = await api.create("listener", loadbalancer_id=lb["id"], **given)
    assert {name: made[name] for name in given} == given
    reset: Body = {
        "sni_container_refs": None,
        "client_authentication": None,
        "insert_headers": None,
        "allowed_cidrs": [],
        "hsts_max_age": None,
        "hsts_include_subdomains": None,
        "hsts_preload": None,
    }
    changed = await api.change("listener", made["id"], **reset)
    assert [changed[name] for name in reset] == [[], "NONE", {}, None, None, False, False]


SAY = "Validation failure: "
HSTS = "The HSTS feature can only be used for listeners using the TERMINATED_HTTPS protocol."
CRL = "A client authentication CA reference is required to specify a client authentication revocation list."
CERTIFICATE = "An SNI or default certificate container reference must be provided "
OLD = "Requested TLS versions are less than the minimum: SSLv3 < TLSv1"
REFUSED: list[tuple[Body, str]] = [
    (protocol("TERMINATED_HTTPS"), SAY + CERTIFICATE + "for TERMINATED_HTTPS protocol listeners."),
    (
        protocol("HTTP") | {"default_tls_container_ref": REF},
        SAY + "Certificate container references are not allowed on HTTP protocol listeners.",
    ),
    (
        protocol("TCP") | {"sni_container_refs": [REF]},
        SAY + "Certificate container references are not allowed on TCP protocol listeners.",
    ),
    (protocol("UDP") | {"default_tls_container_ref": REF}, SAY + "UDP protocol listener does not support TLS."),
    (
        protocol("HTTP") | {"client_ca_tls_container_ref": REF},
        SAY + CERTIFICATE + "with a client CA container reference.",
    ),
    (
        TLS | {"client_authentication": "OPTIONAL"},
        SAY + "Client authentication setting OPTIONAL requires a client CA container reference.",
    ),
    (TLS | {"client_crl_container_ref": REF}, SAY + CRL),
    (
        TLS | {"tls_ciphers": "A\nB"},
        SAY + "Invalid characters in cipher string. Only alphanumeric, -, +, !, :, @, =, _, and . are allowed.",
    ),
    (TLS | {"tls_versions": ["TLSv1.4", "TLSv1.2"]}, SAY + "Invalid TLS versions: TLSv1.4"),
    (
        TLS | {"tls_versions": []},
        SAY + "Empty TLS version list. Either specify at least one TLS version or remove this parameter to use the "
        "default.",
    ),
    (
        TLS | {"alpn_protocols": []},
        SAY + "Empty ALPN protocol list. Either specify at least one ALPN protocol or remove this parameter to use "
        "the default.",
    ),
    (protocol("HTTP") | {"hsts_max_age": 0}, SAY + HSTS),
    (
        TLS | {"hsts_preload": True},
        SAY + "HSTS configuration options hsts_include_subdomains and hsts_preload only make sense if hsts_max_age "
        "is set as well.",
    ),
    (
        protocol("TCP") | {"insert_headers": {"X-Forwarded-For": "true"}},
        "insert-headers is not a valid option for a TCP protocol listener.",
    ),
    (protocol("HTTP") | {"insert_headers": {"X-Mine": "1"}}, "['X-Mine'] is not a valid option for insert_headers"),
    (
        protocol("HTTP") | {"insert_headers": {"X-SSL-Issuer": "true", "X-Real-IP": "true"}},
        "['X-SSL-Issuer'] is not a valid option for HTTP protocol listener.",
    ),
    (
        protocol("HTTP") | {"allowed_cidrs": ["2001:db8::/32"]},
        SAY + "CIDR 2001:db8::/32 IP version incompatible with all VIPs ['10.0.0.2'] IP version.",
    ),
    (TLS | {"tls_versions": ["SSLv3", "TLSv1.2"]}, SAY + OLD),
]


@pytest.mark.parametrize(("attributes", "sentence"), REFUSED)
async def test_wrong_combinations_are_refused(api: Api, lb: Body, attributes: Body, sentence: str) -> None:
    body = {"listener": {"loadbalancer_id": lb["id"], **attributes}}
    assert await api.fault("POST", "listeners", 400, body) == sentence


@pytest.mark.parametrize(
    ("before", "change", "sentence"),
    [
        (protocol("HTTP"), {"sni_container_refs": [REF]}, REFUSED[1][1]),
        (
            protocol("UDP"),
            {"insert_headers": {"X-Real-IP": "true"}},
            SAY + "UDP protocol listener does not support TLS or header insertion.",
        ),
        (TLS, {"client_authentication": "OPTIONAL"}, REFUSED[5][1]),
        (TLS, {"client_crl_container_ref": REF}, SAY + CRL),
        (TLS, {"tls_versions": []}, REFUSED[9][1]),
        (TLS, {"tls_versions": ["SSLv3"]}, SAY + OLD),
        (TLS, {"tls_ciphers": "a b"}, REFUSED[7][1]),
        (protocol("HTTP"), {"hsts_max_age": 5}, SAY + HSTS),
        (
            TLS,
            {"hsts_preload": True},
            SAY + "Cannot enable hsts_include_subdomains or hsts_preload if hsts_max_age was not set as well.",
        ),
        (protocol("HTTP"), {"insert_headers": {"X-Mine": "1"}}, REFUSED[14][1]),
        (protocol("HTTP"), {"allowed_cidrs": ["2001:db8::/32"]}, REFUSED[16][1]),
    ],
)
async def test_changes_to_wrong_combinations_are_refused(
    api: Api, lb: Body, before: Body, change: Body, sentence: str
) -> None:
    made = await api.create("listener", loadbalancer_id=lb["id"], **before)
    assert await api.fault("PUT", f"listeners/{made['id']}", 400, {"listener": change}) == sentence
    assert await api.show("listener", made["id"]) == made


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("alpn_protocols", ["spdy"]),
        ("client_authentication", "MAYBE"),
        ("hsts_max_age", -1),
        ("insert_headers", {"X-Real-IP": True}),
        ("default_tls_container_ref", "x" * 256),
        ("tls_ciphers", "x" * 2049),
    ],
)
async def test_wrong_values_are_refused(api: Api, lb: Body, attribute: str, value: Any) -> None:
    body = {"listener": {"loadbalancer_id": lb["id"], **TLS, attribute: value}}
    sentence = await api.fault("POST", "listeners", 400, body)
    assert sentence.startswith(f"Invalid input for field/attribute {attribute}.")


async def test_every_protocol(api: Api, lb: Body, worker: Worker) -> None:
    for number, name in enumerate(("HTTP", "HTTPS", "PROMETHEUS", "TCP"), 80):
        await api.create("listener", loadbalancer_id=lb["id"], **protocol(name, number))
    # UDP, SCTP and TCP have port numbers of their own.
    for name in ("UDP", "SCTP"):
        await api.create("listener", loadbalancer_id=lb["id"], **protocol(name, 80))
    await api.create("listener", loadbalancer_id=lb["id"], **TLS)
    worker.step()
    tree = next(iter(worker.serving.values())).tree
    assert len(tree.listeners) == 7
    taken = {"listener": {"loadbalancer_id": lb["id"], **protocol("UDP", 80)}}
    assert await api.fault("POST", "listeners", 409, taken) == (
        "Another Listener on this Load Balancer is already using protocol UDP and protocol_port 80"
    )


async def test_prometheus_has_no_children(api: Api, lb: Body) -> None:
    say = "Protocol PROMETHEUS listeners cannot have child objects."
    listener = await api.create("listener", loadbalancer_id=lb["id"], **protocol("PROMETHEUS", 8088))
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    there = await api.create("pool", loadbalancer_id=lb["id"], **pool)
    body = {"listener_id": listener["id"], **pool}
    assert await api.fault("POST", "pools", 400, {"pool": body}) == say
    policy = {"listener_id": listener["id"], "action": "REJECT"}
    assert await api.fault("POST", "l7policies", 400, {"l7policy": policy}) == say
    change = {"listener": {"default_pool_id": there["id"]}}
    assert await api.fault("PUT", f"listeners/{listener['id']}", 400, change) == say
    for more in ({"default_pool": pool}, {"default_pool_id": there["id"]}, {"l7policies": [{"action": "REJECT"}]}):
        new = {"loadbalancer_id": lb["id"], **protocol("PROMETHEUS", 8089), **more}
        assert await api.fault("POST", "listeners", 400, {"listener": new}) == say


@pytest.mark.parametrize("name", ["UDP", "SCTP"])
async def test_datagram_listeners_need_datagram_pools(api: Api, lb: Body, name: str) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], **protocol(name, 53))
    body = {"listener_id": listener["id"], "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}
    assert await api.fault("POST", "pools", 400, {"pool": body}) == (
        f"{SAY}The pool protocol 'TCP' is invalid while the listener protocol is '{name}'."
    )
    pool = await api.create("pool", listener_id=listener["id"], protocol=name, lb_algorithm="ROUND_ROBIN")
    await api.add_member(pool["id"], "10.0.0.11", 53)
    six = {"member": {"address": "2001:db8::1", "protocol_port": 53}}
    assert await api.fault("POST", f"pools/{pool['id']}/members", 501, six) == (
        "Provider 'amphora' does not support a requested option: This provider doesn't support mixing IPv4 and IPv6 "
        f"addresses for its VIP and members in {name} load balancers."
    )


@pytest.mark.parametrize("name", ["UDP", "SCTP"])
async def test_members_of_an_address_family_without_a_vip_are_refused(api: Api, lb: Body, name: str) -> None:
    six: list[Body] = [{"address": "2001:db8::1", "protocol_port": 53}]
    mixed = [{"address": "10.0.0.11", "protocol_port": 53}, *six]
    pool = {"name": "p", "protocol": name, "lb_algorithm": "ROUND_ROBIN"}
    alone = await api.create("pool", loadbalancer_id=lb["id"], **pool)
    # Without a listener, the address family of the clients is unknown.
    await api.add_member(alone["id"], "2001:db8::1", 53)
    listener = await api.create("listener", loadbalancer_id=lb["id"], **protocol(name, 53))
    behind = await api.create("pool", listener_id=listener["id"], **pool)
    other = await api.create("listener", loadbalancer_id=lb["id"], **protocol(name, 54))
    new = {"loadbalancer_id": lb["id"], **protocol(name, 55)}
    tree = [{"name": "l", **protocol(name, 53), "default_pool": {**pool, "members": mixed}}]
    named = [{"name": "l", **protocol(name, 53), "default_pool": {"name": "p"}}]
    root = {"vip_subnet_id": lb["vip_subnet_id"]}
    for method, path, body in (
        ("POST", f"pools/{behind['id']}/members", {"member": six[0]}),
        ("PUT", f"pools/{behind['id']}/members", {"members": mixed}),
        ("PUT", f"listeners/{other['id']}", {"listener": {"default_pool_id": alone["id"]}}),
        ("POST", "listeners", {"listener": {**new, "default_pool_id": alone["id"]}}),
        ("POST", "listeners", {"listener": {**new, "default_pool": {**pool, "members": mixed}}}),
        ("POST", "pools", {"pool": {**pool, "listener_id": other["id"], "members": mixed}}),
        ("POST", "loadbalancers", {"loadbalancer": {**root, "listeners": tree}}),
        ("POST", "loadbalancers", {"loadbalancer": {**root, "listeners": named, "pools": [{**pool, "members": six}]}}),
    ):
        assert "mixing IPv4 and IPv6" in await api.fault(method, path, 501, body), (method, path)
    # An IPv4-mapped address is an IPv4 address, and a pool of the right family is accepted.
    await api.add_member(behind["id"], "::ffff:10.0.0.11", 53)
    await api.change("listener", other["id"], default_pool_id=behind["id"])


async def test_policies_inside_a_listener(api: Api, lb: Body) -> None:
    pool = {"name": "own", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
    made = await api.create(
        "listener",
        loadbalancer_id=lb["id"],
        **protocol("HTTP"),
        default_pool={**pool, "name": "default"},
        l7policies=[
            {"name": "second", "action": "REDIRECT_TO_POOL", "redirect_pool": pool, "rules": [rule]},
            {"name": "first", "action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "own"}, "position": 1},
            {"name": "third", "action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "default"}},
        ],
    )
    policies = (await api.get("l7policies", sort="position"))["l7policies"]
    assert [each["name"] for each in policies] == ["first", "second", "third"]
    assert [{"id": each["id"]} for each in policies] == made["l7policies"]
    pools = {each["name"]: each["id"] for each in (await api.get("pools"))["pools"]}
    assert [each["redirect_pool_id"] for each in policies] == [pools["own"], pools["own"], pools["default"]]
    assert [len(each["rules"]) for each in policies] == [0, 1, 0]
    lost = {"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "lost"}}
    for policies_, sentence in (
        ([lost], "Pool 'lost' was referenced but no full definition was found."),
        ([lost | {"redirect_pool": {"protocol": "HTTP"}}],
         "Pools must be named when creating a fully populated loadbalancer."),
        ([lost | {"redirect_pool": pool}] * 2,
         "Pool names must be unique when creating a fully populated loadbalancer."),
    ):  # fmt: skip
        body = {"loadbalancer_id": lb["id"], **protocol("HTTP", 81), "l7policies": policies_}
        assert await api.fault("POST", "listeners", 400, {"listener": body}) == SAY + sentence
    assert len((await api.get("pools"))["pools"]) == 2
