"""What load balancers find behind references: bundles, containers, authorities, revocation lists."""

import uuid

import pytest

from hydria.certificates import check_issued
from hydria.errors import Invalid, NotFound
from tests.homecloud.secrets.barbican import OTHER, Barbican
from tests.support import certificates

LEAF = certificates.leaf("www.example.org", by=certificates.intermediate())


async def test_a_bundle(barbican: Barbican) -> None:
    reference = await barbican.store(LEAF.pkcs12())
    assert barbican.pem(reference) == LEAF.bundle
    # The server's address may have changed since; only the id counts.
    assert barbican.pem(reference.replace("barbican", "elsewhere")) == LEAF.bundle


async def test_a_bundle_in_pem(barbican: Barbican) -> None:
    assert barbican.pem(await barbican.store(LEAF.key_pem + LEAF.pem + LEAF.chain_pem)) == LEAF.bundle


async def test_a_container(barbican: Barbican) -> None:
    container = await barbican.contain(
        "certificate",
        certificate=await barbican.store(LEAF.pem),
        private_key=await barbican.store(LEAF.locked_key_pem("sesame")),
        private_key_passphrase=await barbican.store("sesame"),
        intermediates=await barbican.store(LEAF.chain_pem),
    )
    assert barbican.pem(container) == LEAF.bundle


async def test_authorities_and_revocations(barbican: Barbican) -> None:
    authority = certificates.authority()
    both = authority.pem + certificates.authority("second").pem
    assert barbican.pem(await barbican.store(both), "ca") == both
    listed = certificates.revoked(LEAF, by=authority)
    assert barbican.pem(await barbican.store(listed), "crl") == listed
    check_issued(listed, both)
    with pytest.raises(Invalid, match="not valid for client certificate authority"):
        check_issued(listed, certificates.authority("second").pem)


async def test_missing_secrets(barbican: Barbican) -> None:
    reference = await barbican.store(LEAF.pkcs12())
    for lost in (f"http://barbican/v1/secrets/{uuid.uuid4()}", "nonsense", await barbican.store(name="empty")):
        with pytest.raises(NotFound):
            barbican.pem(lost)
    with pytest.raises(NotFound):
        barbican.pem(reference, project_id=OTHER)
    with pytest.raises(NotFound):
        barbican.pem(await barbican.contain("certificate", certificate=await barbican.store(LEAF.pem)))


async def test_malformed_secrets(barbican: Barbican) -> None:
    for content, what in (
        (b"no bundle", "PKCS12 bundle is unreadable"),
        (LEAF.pkcs12("sesame"), "does not require a pass phrase"),
        (LEAF.pem, "unreadable"),
        (certificates.leaf("a.example").pem + LEAF.key_pem, "not that of the certificate"),
    ):
        with pytest.raises(Invalid, match=what):
            barbican.pem(await barbican.store(content))
    with pytest.raises(Invalid, match="CA certificate is invalid"):
        barbican.pem(await barbican.store("x"), "ca")
    with pytest.raises(Invalid, match="revocation list is invalid"):
        barbican.pem(await barbican.store(LEAF.pem), "crl")
