"""Certificates in a real Barbican: read by access lists, served, registered as in use; and while it does not answer."""

import base64
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.api import Api
from stack.plan import BARBICAN, KEYSTONE, OCTAVIA, OUTSIDE, url
from tests.support import certificates
from tests.support.real_cloud import RealCloud
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("openstack")

NAME = "www.example.org"
LEAF = certificates.leaf(NAME)
LISTENERS = f"{url(OCTAVIA)}/load-balancer/v2.0/lbaas/listeners"


def store(api: Api, payload: bytes, kind: str = "application/octet-stream") -> str:
    """Store a secret and return its reference."""
    plain = kind == "text/plain"
    text = payload.decode() if plain else base64.b64encode(payload).decode()
    encoding = {} if plain else {"payload_content_encoding": "base64"}
    body = {"payload_content_type": kind, "payload": text, **encoding}
    return str(api.barbican("POST", "secrets", body)["secret_ref"])


def store_container(api: Api) -> list[str]:
    """Store a certificate container; return its reference, and those of its secrets."""
    parts = {"certificate": LEAF.pem, "private_key": LEAF.key_pem}
    secrets = {name: store(api, text.encode(), "text/plain") for name, text in parts.items()}
    refs = [{"name": name, "secret_ref": reference} for name, reference in secrets.items()]
    made = api.barbican("POST", "containers", {"type": "certificate", "secret_refs": refs})
    return [str(made["container_ref"]), *secrets.values()]


def allow(real: RealCloud, *references: str) -> None:
    """Let Hydria's user read secrets and containers, as their owner."""
    found = real.admin.send("GET", f"{url(KEYSTONE)}/v3/users?name=hydria").json()["users"]
    for reference in references:
        body = {"read": {"users": [found[0]["id"]], "project-access": True}}
        real.demo.barbican("PUT", f"{path(reference)}/acl", body)


def path(reference: str) -> str:
    """Return the path of a reference below `/v1/`."""
    return reference.removeprefix(f"{url(BARBICAN)}/v1/")


def create(api: Api, lb: dict[str, Any], reference: str, port: int) -> httpx.Response:
    """Ask for a listener and return the answer."""
    form = {"protocol": "TERMINATED_HTTPS", "protocol_port": port, "default_tls_container_ref": reference}
    pool = lb["listeners"][0].get("default_pool_id") or lb["pools"][0]["id"]
    return api.send("POST", LISTENERS, {"listener": {**form, "loadbalancer_id": lb["id"], "default_pool_id": pool}})


def serves(real: RealCloud, address: str, port: int, authority: Path) -> bool:
    """Say whether the listener answers over TLS with a certificate of the authority."""
    place = f"{NAME}:{port}"
    words = ("curl", "-s", "-m", "2", "--cacert", str(authority), "--resolve", f"{place}:{address}")
    command = real.stack.node(OUTSIDE).command(*words, f"https://{place}/")
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    return said.startswith("you hit: web")


def test_listeners_have_their_certificates_from_barbican(real: RealCloud, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(certificates.authority().pem)
    lb = real.load_balancer("tls")
    address = real.demo.floating_ip(lb["vip_port_id"], real.public)
    secret, container = store(real.demo, LEAF.pkcs12()), store_container(real.demo)
    for reference in (secret, container[0], f"{secret[:-4]}0000"):
        refused = create(real.demo, lb, reference, 443)
        assert refused.status_code == httpx.codes.BAD_REQUEST
        assert refused.json()["faultstring"] == f"Could not retrieve certificate: ['{reference}']"
    allow(real, secret, *container)
    for port, reference in ((443, secret), (8443, container[0])):
        assert create(real.demo, lb, reference, port).status_code == httpx.codes.CREATED
        real.demo.await_status(lb["id"])
        wait_until(partial(serves, real, address, port, authority))
    wait_until(lambda: lb["id"] in str(real.demo.barbican("GET", f"{path(container[0])}/consumers")))

    # Another project does not see it, although Hydria's user may read it.
    other = Api(real.stack.plan, real.stack.control, "other")
    form = {"vip_network_id": other.neutron("POST", "networks", {"network": {"name": "n"}})["network"]["id"]}
    subnet = {"network_id": form["vip_network_id"], "cidr": "10.9.0.0/24", "ip_version": 4}
    other.neutron("POST", "subnets", {"subnet": subnet})
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": secret}
    balancers = LISTENERS.replace("listeners", "loadbalancers")
    refused = other.send("POST", balancers, {"loadbalancer": {**form, "listeners": [listener]}})
    assert refused.json()["faultstring"] == f"Could not retrieve certificate: ['{secret}']"

    new = store(real.demo, LEAF.pkcs12())
    allow(real, new)
    halted = list(real.stack.control.processes(str(real.stack.plan.configuration / "barbican/api.py")))
    assert halted
    for process in halted:
        process.signal(signal.SIGSTOP)
    try:
        away = create(real.demo, lb, new, 9443)
        assert (away.status_code, away.json()["faultstring"]) == (503, "Barbican does not answer. Please try again.")
        # A known certificate needs no Barbican, not even on another amphora.
        real.admin.octavia("PUT", f"lbaas/loadbalancers/{lb['id']}/failover")
        wait_until(lambda: len(real.amphorae(lb["id"])) == 1)
        real.demo.await_status(lb["id"])
        wait_until(partial(serves, real, address, 443, authority))
    finally:
        for process in halted:
            process.signal(signal.SIGCONT)
            process.close()
    wait_until(lambda: create(real.demo, lb, new, 9443).status_code == httpx.codes.CREATED)
    real.demo.await_status(lb["id"])
    real.demo.delete(lb["id"])
    wait_until(lambda: lb["id"] not in str(real.demo.barbican("GET", f"{path(container[0])}/consumers")))
