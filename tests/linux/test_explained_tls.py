"""What an explanation says of TLS is what HAProxy does: the certificate by server name, and clients' certificates."""

import http.client
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import structs

from hydria.adapters.linux.netns import inside
from hydria.contract import Instance
from hydria.model import Listener
from hydria.model.references import references_of
from hydria.render.explain import Explanation, ListenerTls, Request, explain
from hydria.render.explain.tls import Offered, chain_of, subject_of, verified
from tests.linux.haproxies import Web, ask
from tests.linux.machines import VIP, Machine
from tests.support.certificates import Signed, authority, intermediate, leaf, revoked
from tests.support.trees import instance, key, listener, member, policy, pool, rule

PORT = 443
BASE = (pool(), member(1), member(2))


def with_rsa(*names: str) -> str:
    """Return a self-signed certificate with an RSA key, as PEM with the key."""
    key_pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key_pair.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key_pair, SHA256())
    )
    private = key_pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (made.public_bytes(Encoding.PEM) + private).decode()


SECRETS = {
    "default": leaf("www.example.org", VIP).bundle,
    "exact": leaf("shop.example.org").bundle,
    "wild": leaf("*.example.org", common_name="wild").bundle,
    "again": leaf("SHOP.example.org", "named.example.net").bundle,
    "by-name": leaf(common_name="only-cn.example.net").bundle,
    "rsa": with_rsa("shop.example.org", "rsa.example.net", "*.rsa.example.net"),
    "rsa-wild": with_rsa("*.mixed.example.net"),
    "mixed": leaf("one.mixed.example.net").bundle,
    "rsa-one": with_rsa("two.mixed2.example.net"),
    "mixed-wild": leaf("*.mixed2.example.net", common_name="x").bundle,
}
NAMES = [
    "www.example.org",
    "shop.example.org",
    "Shop.Example.ORG",
    "other.example.org",
    "a.b.example.org",
    "example.org",
    "named.example.net",
    "only-cn.example.net",
    "rsa.example.net",
    "x.rsa.example.net",
    "one.mixed.example.net",
    "two.mixed2.example.net",
    "three.mixed2.example.net",
    "wild",
    "unknown.example.com",
]


def tls_of(wanted: Instance, one: Listener) -> ListenerTls:
    found = {purpose: reference for reference, purpose in references_of(one)}
    return ListenerTls(
        offered=tuple(
            Offered.of(reference, wanted.secrets[reference])
            for reference, purpose in references_of(one)
            if purpose == "certificate"
        ),
        authorities=wanted.secrets.get(found.get("ca", ""), ""),
        revocations=wanted.secrets.get(found.get("crl", ""), ""),
    )


def certificate_for(machine: Machine, name: str) -> bytes:
    """Return the certificate that a client with a server name gets."""
    how = ssl.create_default_context()
    how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    with inside(machine.client):
        plain = socket.create_connection((VIP, PORT), timeout=10)
    with plain, how.wrap_socket(plain, server_hostname=name) as wrapped:
        return wrapped.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("order", [1, -1])
async def test_clients_get_the_certificate_that_is_explained(machine: Machine, web: list[Web], order: int) -> None:
    others = tuple(name for name in SECRETS if name != "default")[::order]
    one = listener(
        protocol="TERMINATED_HTTPS",
        protocol_port=PORT,
        default_tls_container_ref="default",
        sni_container_refs=others,
    )
    wanted = instance(one, *BASE, secrets=SECRETS)
    await machine.host.serve(wanted)
    tls = tls_of(wanted, one)
    by_content = {ssl.PEM_cert_to_DER_cert(text[: text.index("-----END") + 25]): name for name, text in SECRETS.items()}
    for name in NAMES:
        found = explain(wanted.tree, Request(port=PORT, scheme="https", sni=name), {}, tls=tls)
        assert found.certificate == by_content[certificate_for(machine, name)], (name, found.tls)


# --- clients' certificates ---

STRANGER = leaf(client=True, by=authority("another"), common_name="stranger")
ALICE = leaf(client=True, common_name="alice")
CHAINED = leaf(client=True, common_name="chained", by=intermediate())
EXPIRED = leaf(client=True, common_name="expired", begin=datetime.now(UTC) - timedelta(days=90))
EARLY = leaf(client=True, common_name="early", begin=datetime.now(UTC) + timedelta(days=2))
REVOKED = leaf(client=True, common_name="revoked")
CLIENTS = {each.certificate.subject.rfc4514_string(): each for each in (STRANGER, ALICE, EXPIRED, EARLY, REVOKED)}


def expected(wanted: Instance, one: Listener, client: Signed | None) -> Explanation:
    tls = tls_of(wanted, one)
    request = Request(port=PORT, scheme="https", sni="www.example.org", headers=(("Host", "www.example.org"),))
    if client is not None:
        chain = chain_of(client.pem + client.chain_pem)
        result = verified(chain, tls, datetime.now(UTC))
        request = structs.replace(request, certificate=subject_of(chain[0]), verify_result=result)
    return explain(wanted.tree, request, {}, tls=tls)


def done(machine: Machine, client: Signed | None, directory: Path) -> str:
    """Send a request; return what became of it."""
    how = ssl.create_default_context()
    how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    if client is not None:
        file = directory / "client.pem"
        file.write_text(client.bundle)
        how.load_cert_chain(file)
    connection = http.client.HTTPSConnection(VIP, PORT, timeout=10, context=how)
    try:
        response, _ = ask(machine.client, connection, "/", headers={"Host": "www.example.org"})
    except (ssl.SSLError, ConnectionError):
        return "handshake"
    return {200: "pool", 403: "reject"}[response.status]


@pytest.mark.parametrize("asks", ["NONE", "OPTIONAL", "MANDATORY"])
@pytest.mark.parametrize("listed", [False, True], ids=["no-crl", "crl"])
async def test_clients_certificates_are_judged_as_explained(
    machine: Machine, web: list[Web], tmp_path: Path, asks: str, *, listed: bool
) -> None:
    asking: dict[str, Any] = {"client_ca_tls_container_ref": "ca", "client_authentication": asks}
    if listed:
        asking["client_crl_container_ref"] = "crl"
    one = listener(protocol="TERMINATED_HTTPS", protocol_port=PORT, default_tls_container_ref="default", **asking)
    rejecting = (
        policy(1),
        rule(1, type="SSL_DN_FIELD", compare_type="EQUAL_TO", key="CN", value="alice"),
        policy(2),
        rule(2, l7policy_id=key("5", 2), type="SSL_VERIFY_RESULT", compare_type="EQUAL_TO", value="0", invert=True),
    )
    secrets = {**SECRETS, "ca": authority().pem, "crl": revoked(REVOKED)}
    wanted = instance(one, *BASE, *rejecting, secrets=secrets)
    await machine.host.serve(wanted)
    clients: list[Signed | None] = [None, *CLIENTS.values(), *(() if listed else (CHAINED,))]
    for client in clients:
        found = expected(wanted, one, client)
        name = None if client is None else client.certificate.subject.rfc4514_string()
        assert done(machine, client, tmp_path) == found.outcome, (name, found.tls, found.words)
