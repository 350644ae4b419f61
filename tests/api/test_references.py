"""References of listeners and pools to certificates: wrong ones are refused at once."""

from typing import Any

import pytest

from tests.support import certificates
from tests.support.api import Api
from tests.support.cloud import Cloud

TLS = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "http://b/v1/secrets/1"}


@pytest.fixture
async def load_balancer(api: Api, cloud: Cloud) -> str:
    made = await api.post("loadbalancers", {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}})
    return str(made["loadbalancer"]["id"])


async def test_a_listeners_certificates_must_exist(api: Api, cloud: Cloud, load_balancer: str) -> None:
    cloud.secrets.lost = {"http://b/v1/secrets/1", "gone"}
    form = TLS | {"loadbalancer_id": load_balancer, "sni_container_refs": ["there", "gone"]}
    why = await api.fault("POST", "listeners", 400, {"listener": form})
    assert why == "Could not retrieve certificate: ['http://b/v1/secrets/1', 'gone']"
    assert (await api.get("listeners"))["listeners"] == []
    cloud.secrets.lost = {"gone"}
    form |= {"sni_container_refs": []}
    listener = (await api.post("listeners", {"listener": form}))["listener"]["id"]
    why = await api.fault("PUT", f"listeners/{listener}", 400, {"listener": {"default_tls_container_ref": "gone"}})
    assert why == "Could not retrieve certificate: ['gone']"
    shown = (await api.get(f"listeners/{listener}"))["listener"]
    assert shown["default_tls_container_ref"] == "http://b/v1/secrets/1"
    # References that a change does not name are not checked.
    cloud.secrets.lost = {"http://b/v1/secrets/1"}
    await api.put(f"listeners/{listener}", {"listener": {"name": "x"}})


async def test_a_revocation_list_must_be_its_authoritys(api: Api, cloud: Cloud, load_balancer: str) -> None:
    one, two = certificates.authority("one"), certificates.authority("two")
    cloud.secrets.texts = {"one": one.pem, "two": two.pem, "list": certificates.revoked(by=one)}
    client = {"client_ca_tls_container_ref": "two", "client_crl_container_ref": "list"}
    form = TLS | {"loadbalancer_id": load_balancer, **client}
    why = await api.fault("POST", "listeners", 400, {"listener": form})
    assert "The CRL specified is not valid for client certificate authority reference supplied." in why
    form["client_ca_tls_container_ref"] = "one"
    listener = (await api.post("listeners", {"listener": form}))["listener"]["id"]
    await api.fault("PUT", f"listeners/{listener}", 400, {"listener": {"client_ca_tls_container_ref": "two"}})


@pytest.mark.parametrize("attribute", ["tls_container_ref", "ca_tls_container_ref"])
async def test_a_pools_certificates_must_exist(api: Api, cloud: Cloud, load_balancer: str, attribute: str) -> None:
    cloud.secrets.lost = {"gone"}
    form: dict[str, Any] = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": load_balancer}
    why = await api.fault("POST", "pools", 400, {"pool": form | {"tls_enabled": True, attribute: "gone"}})
    assert why == "Could not retrieve certificate: ['gone']"
    pool = (await api.post("pools", {"pool": form}))["pool"]["id"]
    await api.fault("PUT", f"pools/{pool}", 400, {"pool": {attribute: "gone"}})


async def test_a_whole_tree_is_refused_for_one_reference(api: Api, cloud: Cloud) -> None:
    cloud.secrets.lost = {"http://b/v1/secrets/1"}
    tree = {"vip_subnet_id": cloud.subnet.id, "listeners": [TLS]}
    why = await api.fault("POST", "loadbalancers", 400, {"loadbalancer": tree})
    assert "Could not retrieve certificate" in why
    assert (await api.get("loadbalancers"))["loadbalancers"] == []
