"""Certificates by ACME from a real authority: ordered, validated over HTTP by the amphora, served, renewed."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.linux.pebble import ACME_NETWORK, Pebble, pebble
from tests.linux.programs import Body, Product, product
from tests.support.waiting import wait_until

VIP, OTHER_VIP = "198.51.100.100", "198.51.100.101"
NAME = "shop.example.org"
REFERENCE = f"acme:{NAME},www.{NAME}"
# Seconds; renewal begins when a third is left.
LIFE = 15

# All tests share one product.
pytestmark = pytest.mark.xdist_group("acme")


@pytest.fixture(scope="module")
def authority() -> Iterator[Pebble]:
    """An authority that resolves every name to the VIP."""
    with pebble(VIP, life=LIFE) as running:
        yield running


@pytest.fixture(scope="module")
def made(authority: Pebble) -> Iterator[Product]:
    """Server and agent with the authority in their settings."""
    with product() as made:
        made.extra = authority.settings(ACME_NETWORK)
        made.start("server", "agent")
        wait_until(made.settings.credentials_file.exists)
        yield made


def balancer(made: Product, name: str, vip: str, reference: str) -> Body:
    subnets = made.ask("GET", "/network/v2.0/subnets").json()["subnets"]
    (subnet,) = [each["id"] for each in subnets if each["cidr"] == ACME_NETWORK]
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": reference}
    form = {"name": name, "vip_subnet_id": subnet, "vip_address": vip, "listeners": [listener]}
    return made.make("loadbalancers", "loadbalancer", **form)


def order(made: Product, reference: str) -> Body:
    found = made.ask("GET", "/key-manager/v1/orders", limit=100).json()["orders"]
    return next((each for each in found if each["container_ref"] == reference), {"status": "not there"})


def served(vip: str, name: str, trust: ssl.SSLContext) -> x509.Certificate:
    """Return the certificate for an SNI. Raises OSError, also when the certificate is not trusted."""
    with (
        socket.create_connection((vip, 443), timeout=5) as plain,
        trust.wrap_socket(plain, server_hostname=name) as tls,
    ):
        content = tls.getpeercert(binary_form=True)
    assert content is not None
    return x509.load_der_x509_certificate(content)


def trusted(name: str, trust: ssl.SSLContext) -> int | None:
    """Return the serial number of the certificate, or None while it is not trusted."""
    try:
        return served(VIP, name, trust).serial_number
    except OSError:
        return None


def refuses(port: int) -> bool:
    try:
        socket.create_connection((VIP, port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def plain(path: str) -> bytes:
    """Return the head of an answer without TLS."""
    with socket.create_connection((VIP, 80), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(4096)


def test_a_certificate_is_issued_served_and_renewed(made: Product, authority: Pebble) -> None:
    trust = ssl.create_default_context(cadata=authority.root())
    lb = balancer(made, "lb", VIP, REFERENCE)
    # No request before the VIP exists: the kernel would remember its absence for seconds.
    wait_until(lambda: order(made, REFERENCE)["status"] == "ACTIVE", 40, lambda: order(made, REFERENCE))
    first = wait_until(lambda: trusted(NAME, trust))
    assert trusted(f"www.{NAME}", trust) == first
    # Port 80 was open for the validation only.
    made.becomes("ACTIVE")
    assert refuses(80)
    # The next validation goes through a listener that rejects all requests.
    listener = made.make("listeners", "listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    target = {"listener_id": listener["id"], "action": "REDIRECT_PREFIX", "redirect_prefix": f"https://{NAME}"}
    policy = made.make("l7policies", "l7policy", **target)
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
    made.make(f"l7policies/{policy['id']}/rules", "rule", **rule)
    made.becomes("ACTIVE")
    assert plain("/.well-known/acme-challenge/x").startswith(b"HTTP/1.1 302 ")
    wait_until(lambda: trusted(NAME, trust) not in (None, first), 40, lambda: order(made, REFERENCE))
    # Each certificate took one attempt.
    assert order(made, REFERENCE).get("error_reason") is None
    # Keys are in memory only.
    for file in made.settings.state_dir.rglob("*"):
        if file.is_file() and file.name != "acme-account.key":
            assert b"PRIVATE KEY" not in file.read_bytes(), file


def test_a_name_that_resolves_elsewhere_is_reported(made: Product) -> None:
    reference = "acme:elsewhere.example.org"
    balancer(made, "other", OTHER_VIP, reference)
    wait_until(lambda: order(made, reference)["status"] == "ERROR", 40, lambda: order(made, reference))
    reason = order(made, reference)["error_reason"]
    assert reason.startswith("The authority could not validate the names. elsewhere.example.org: ")
    made.becomes("ACTIVE", "other")
    # Meanwhile it serves a self-signed certificate.
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    shown = served(OTHER_VIP, "elsewhere.example.org", careless)
    assert shown.subject.rfc4514_string() == "CN=no certificate yet"
