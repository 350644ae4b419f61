"""The authority of the servers' certificates for agents. Agents trust it alone, by the fingerprint of the invitation.

Its key is in the database, sealed, so that all servers of a database sign by it. The certificates name no address:
every server of the database is trusted equally, and its addresses may change.
"""

import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from hydria.protocols import Vault
from hydria.store import Transaction
from hydria.store.hosts import AgentAuthority

_AUTHORITY_DAYS = 50 * 365
_LEAF_DAYS = 90
# A certificate is renewed when it has less than this left.
RENEW_BEFORE = timedelta(days=30)
# Clocks of hosts may be behind.
_EARLIER = timedelta(days=1)


class Leaf(Struct, frozen=True, kw_only=True):
    """A server's certificate with its private key, as PEM, and the end of its validity."""

    pem: str
    not_after: datetime


def certificate(transaction: Transaction, vault: Vault, now: datetime) -> str:
    """Return the authority's certificate as PEM; make the authority the first time."""
    return _authority(transaction, vault, now).certificate


def known_certificate(transaction: Transaction) -> str | None:
    """Return the authority's certificate as PEM, or None when there is no authority yet."""
    found = transaction.get(AgentAuthority, "agents")
    return None if found is None else found.certificate


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of a certificate, hexadecimal."""
    return hashlib.sha256(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)).hexdigest()


def sign_leaf(transaction: Transaction, vault: Vault, now: datetime) -> Leaf:
    """Return a new certificate of a server. Raises Unavailable when the authority's key was sealed by another key."""
    authority = _authority(transaction, vault, now)
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    signer = load_pem_private_key(vault.open(authority.sealed), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of the agents' authority is of another kind")
    key = ec.generate_private_key(ec.SECP256R1())
    not_after = now + timedelta(days=_LEAF_DAYS)
    leaf = (
        _builder("Hydria server", now, not_after)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, SHA256())
    )
    pem = leaf.public_bytes(Encoding.PEM).decode() + _private_pem(key).decode()
    return Leaf(pem=pem, not_after=not_after)


def _authority(transaction: Transaction, vault: Vault, now: datetime) -> AgentAuthority:
    found = transaction.get(AgentAuthority, "agents")
    if found is not None:
        return found
    key = ec.generate_private_key(ec.SECP256R1())
    name = "Hydria agents"
    made = (
        _builder(name, now, now + timedelta(days=_AUTHORITY_DAYS))
        .issuer_name(_name(name))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs_certificates(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    fresh = AgentAuthority(certificate=made.public_bytes(Encoding.PEM).decode(), sealed=vault.seal(_private_pem(key)))
    if transaction.ensure(fresh):
        return fresh
    # Another server was faster.
    return _authority(transaction, vault, now)


def _builder(name: str, now: datetime, not_after: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(not_after)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
