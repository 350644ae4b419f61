"""Protection of listeners and pools: no change may leave less of it than a create needs."""

from typing import Any

import pytest

from tests.support import certificates
from tests.support.api import Api, Body
from tests.support.cloud import Cloud

SAY = "Validation failure: "
NO_CERTIFICATE = (
    SAY + "An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners."
)
NO_CERTIFICATE_FOR_CA = (
    SAY + "An SNI or default certificate container reference must be provided with a client CA container reference."
)
NO_CRL_CA = SAY + "A client authentication CA reference is required to specify a client authentication revocation list."
NO_POOL_CA = SAY + "A CA reference cannot be removed when a certificate revocation list is present."
NO_VERSION = (
    SAY + "Empty TLS version list. Either specify at least one TLS version or remove this parameter to use the default."
)
NO_ALPN = (
    SAY
    + "Empty ALPN protocol list. Either specify at least one ALPN protocol or remove this parameter to use the default."
)


def no_ca(setting: str) -> str:
    return SAY + f"Client authentication setting {setting} requires a client CA container reference."


TLS: Body = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "default"}
SNI: Body = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "sni_container_refs": ["one", "two"]}
CLIENTS: Body = {"client_ca_tls_container_ref": "ca", "client_authentication": "MANDATORY"}
METRICS: Body = {"protocol": "PROMETHEUS", "protocol_port": 9000, "default_tls_container_ref": "default"}

NOTHING: tuple[Any, ...] = (None, "")
NO_LIST: tuple[Any, ...] = (None, [])

LISTENERS: list[tuple[Body, Body, str]] = [
    *((TLS, {"default_tls_container_ref": nothing}, NO_CERTIFICATE) for nothing in NOTHING),
    *((SNI, {"sni_container_refs": nothing}, NO_CERTIFICATE) for nothing in NO_LIST),
    (SNI, {"sni_container_refs": [""]}, "Could not retrieve certificate: ['']"),
    (TLS | SNI, {"default_tls_container_ref": None, "sni_container_refs": []}, NO_CERTIFICATE),
    *((TLS | CLIENTS, {"client_ca_tls_container_ref": nothing}, no_ca("MANDATORY")) for nothing in NOTHING),
    *(
        (
            TLS | CLIENTS | {"client_authentication": "OPTIONAL"},
            {"client_ca_tls_container_ref": nothing},
            no_ca("OPTIONAL"),
        )
        for nothing in NOTHING
    ),
    (
        TLS | CLIENTS,
        {"client_authentication": "OPTIONAL", "client_ca_tls_container_ref": None},
        no_ca("OPTIONAL"),
    ),
    (
        TLS | CLIENTS | {"client_authentication": "NONE", "client_crl_container_ref": "crl"},
        {"client_ca_tls_container_ref": None},
        NO_CRL_CA,
    ),
    (TLS | CLIENTS, {"tls_versions": []}, NO_VERSION),
    (TLS | CLIENTS, {"alpn_protocols": []}, NO_ALPN),
    *((METRICS | CLIENTS, {"default_tls_container_ref": nothing}, NO_CERTIFICATE_FOR_CA) for nothing in NOTHING),
]


@pytest.fixture
async def lb(cloud: Cloud, api: Api) -> Body:
    authority = certificates.authority()
    cloud.secrets.texts = {"ca": authority.pem, "crl": certificates.revoked()}
    return await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)


@pytest.mark.parametrize(("made", "change", "sentence"), LISTENERS)
async def test_a_listener_keeps_what_protects_it(api: Api, lb: Body, made: Body, change: Body, sentence: str) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], **made)
    assert await api.fault("PUT", f"listeners/{listener['id']}", 400, {"listener": change}) == sentence
    assert await api.show("listener", listener["id"]) == listener
    # A create is refused for the same reason, alone and in a tree.
    result = {name: value for name, value in (made | change).items() if value is not None}
    assert await api.fault("POST", "listeners", 400, {"listener": {"loadbalancer_id": lb["id"], **result}}) == sentence
    tree = {"vip_subnet_id": lb["vip_subnet_id"], "listeners": [result]}
    assert await api.fault("POST", "loadbalancers", 400, {"loadbalancer": tree}) == sentence


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_pool_keeps_its_authority_while_it_has_a_revocation_list(api: Api, lb: Body, nothing: Any) -> None:
    form: Body = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": True}
    pool = await api.create(
        "pool", loadbalancer_id=lb["id"], **form, ca_tls_container_ref="ca", crl_container_ref="crl"
    )
    body = {"pool": {"ca_tls_container_ref": nothing}}
    assert await api.fault("PUT", f"pools/{pool['id']}", 400, body) == NO_POOL_CA
    assert await api.show("pool", pool["id"]) == pool


async def test_unused_tls_versions_are_checked_when_tls_is_switched_on(api: Api, lb: Body) -> None:
    form: Body = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_versions": []}
    pool = await api.create("pool", loadbalancer_id=lb["id"], **form)
    assert await api.fault("PUT", f"pools/{pool['id']}", 400, {"pool": {"tls_enabled": True}}) == NO_VERSION


# Attributes that a user may reset by name.
@pytest.mark.parametrize(
    ("made", "change"),
    [
        (TLS | CLIENTS, {"client_authentication": None, "client_ca_tls_container_ref": None}),
        (TLS | CLIENTS | {"client_crl_container_ref": "crl"}, {"client_crl_container_ref": None}),
        (TLS | {"allowed_cidrs": ["10.0.0.0/8"]}, {"allowed_cidrs": []}),
        (TLS | {"sni_container_refs": ["one"]}, {"default_tls_container_ref": None}),
        (METRICS, {"default_tls_container_ref": None}),
    ],
)
async def test_reset_attributes_are_shown(api: Api, lb: Body, made: Body, change: Body) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], **made)
    changed = await api.change("listener", listener["id"], **change)
    assert all(changed[name] in (None, [], "NONE") for name in change)
