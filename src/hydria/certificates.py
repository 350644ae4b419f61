"""Converts certificates, CA certificates and revocation lists of users to PEM text for a proxy. Pure.

Raises Invalid, with Octavia's sentences where it has some.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

from hydria.errors import Invalid, NotFound


def from_pkcs12(bundle: bytes) -> str:
    """Return leaf, intermediates and private key of a PKCS12 bundle without a passphrase, as PEM."""
    try:
        found = pkcs12.load_pkcs12(bundle, None)
    except (TypeError, ValueError) as error:
        raise Invalid(
            "The PKCS12 bundle is unreadable. Please check the PKCS12 bundle validity. In addition, make sure it does "
            f"not require a pass phrase. Error: {error}"
        ) from None
    if found.cert is None or found.key is None:
        raise _invalid("The PKCS12 bundle holds no certificate with its private key.")
    intermediates = [entry.certificate for entry in found.additional_certs]
    return _bundle(found.cert.certificate, intermediates, found.key)


def from_payload(payload: bytes) -> str:
    """Return leaf, intermediates and private key of one secret as PEM: it is PEM of all of them, or PKCS12."""
    if payload.lstrip().startswith(b"-----BEGIN"):
        return from_parts(payload, payload, None, None)
    return from_pkcs12(payload)


def from_container(key: str, parts: Mapping[str | None, bytes]) -> str:
    """Return leaf, intermediates and private key of a container as PEM, from its secrets by name. Raises NotFound."""
    if "certificate" not in parts or "private_key" not in parts:
        raise NotFound(f"The container {key} has no certificate with its private key.")
    return from_parts(
        parts["certificate"], parts["private_key"], parts.get("intermediates"), parts.get("private_key_passphrase")
    )


def from_parts(certificate: bytes, private_key: bytes, intermediates: bytes | None, passphrase: bytes | None) -> str:
    """Return leaf, intermediates and private key as PEM; `intermediates` are PEM, or PKCS7 in PEM or DER."""
    try:
        leaf, *others = x509.load_pem_x509_certificates(certificate)
        key = load_pem_private_key(private_key, passphrase or None)
        others += _chain(intermediates) if intermediates else []
    except (TypeError, ValueError) as error:
        raise _invalid(f"The certificate or its private key is unreadable. Error: {error}") from None
    return _bundle(leaf, others, key)


def authorities(text: bytes) -> str:
    """Return the CA certificates for client authentication as PEM."""
    try:
        found = x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise _invalid(
            "The client authentication CA certificate is invalid. It must be a valid x509 PEM format certificate. "
            f"Error: {error}"
        ) from None
    return "".join(_pem(certificate) for certificate in found)


def revocations(text: bytes) -> str:
    """Return a certificate revocation list as PEM."""
    try:
        return x509.load_pem_x509_crl(text).public_bytes(Encoding.PEM).decode()
    except ValueError as error:
        raise _invalid(
            "The client authentication certificate revocation list is invalid. It must be a valid x509 PEM format "
            f"certificate revocation list. Error: {error}"
        ) from None


def check_issued(revocation_list: str, authority: str) -> None:
    """Raise Invalid when none of the CA certificates has signed the revocation list."""
    crl = x509.load_pem_x509_crl(revocation_list.encode())
    for certificate in x509.load_pem_x509_certificates(authority.encode()):
        try:
            if crl.is_signature_valid(certificate.public_key()):  # type: ignore[arg-type]
                return
        except (TypeError, ValueError):
            continue
    raise _invalid("The CRL specified is not valid for client certificate authority reference supplied.")


def self_signed(names: Sequence[str], now: datetime) -> str:
    """Return a self-signed certificate for host names with its private key, until an authority issues one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "no certificate yet")])
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(alternatives, critical=False)
        .sign(key, SHA256())
    )
    return _bundle(made, (), key)


def _chain(intermediates: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN CERTIFICATE-----" in intermediates:
        return x509.load_pem_x509_certificates(intermediates)
    if b"-----BEGIN PKCS7-----" in intermediates:
        return pkcs7.load_pem_pkcs7_certificates(intermediates)
    return pkcs7.load_der_pkcs7_certificates(intermediates)


def _bundle(leaf: x509.Certificate, others: Sequence[x509.Certificate], key: PrivateKeyTypes) -> str:
    if _public(leaf.public_key()) != _public(key.public_key()):  # type: ignore[arg-type]
        raise _invalid("The private key is not that of the certificate.")
    if not _has_name(leaf):
        raise Invalid("No CN or DNSName(s) found in certificate. The certificate is invalid.")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return "".join(_pem(certificate) for certificate in (leaf, *others)) + private


def _has_name(leaf: x509.Certificate) -> bool:
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return bool(leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME))
    return bool(list(alternatives)) or bool(leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME))


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _invalid(detail: str) -> Invalid:
    return Invalid(f"Validation failure: {detail}")
