"""Certificates of a small authority for tests, made on demand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

_BEGIN = datetime.now(UTC) - timedelta(days=1)
_DAYS = timedelta(days=30)


class Signed(Struct, frozen=True):
    """A certificate with its key and its intermediates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        return pem(self.certificate)

    @property
    def chain_pem(self) -> str:
        return "".join(pem(each) for each in self.chain)

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def bundle(self) -> str:
        """Leaf, intermediates and private key, as in `Instance.secrets`."""
        return self.pem + self.chain_pem + self.key_pem

    def locked_key_pem(self, passphrase: str) -> str:
        locked = BestAvailableEncryption(passphrase.encode())
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()

    def pkcs12(self, passphrase: str | None = None) -> bytes:
        locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"test", self.key, self.certificate, list(self.chain), locked)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def authority(name: str = "root") -> Signed:
    """Return a self-signed authority, always the same one for a name."""
    return _authority(name)


@cache
def _authority(name: str) -> Signed:
    return _signed(name, None, ca=True)


@cache
def intermediate(name: str = "between") -> Signed:
    """Return an intermediate authority, signed by the root."""
    signed = _signed(name, authority(), ca=True)
    return Signed(signed.certificate, signed.key, (signed.certificate,))


def leaf(
    *names: str,
    by: Signed | None = None,
    client: bool = False,
    common_name: str | None = None,
    begin: datetime = _BEGIN,
) -> Signed:
    """Return a certificate for host names or addresses, valid for 30 days; `client` makes a client certificate."""
    issuer = by or authority()
    name = common_name or (names[0] if names else "client")
    signed = _signed(name, issuer, names=names, client=client, begin=begin)
    return Signed(signed.certificate, signed.key, issuer.chain)


def revoked(*certificates: Signed, by: Signed | None = None) -> str:
    """Return a revocation list with these certificates, as PEM."""
    issuer = by or authority()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(_BEGIN)
        .next_update(_BEGIN + _DAYS)
    )
    for each in certificates:
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number).revocation_date(_BEGIN)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.PEM).decode()


def _signed(
    name: str,
    issuer: Signed | None,
    *,
    names: Sequence[str] = (),
    ca: bool = False,
    client: bool = False,
    begin: datetime = _BEGIN,
) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _DAYS)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
    return Signed(builder.sign(issuer.key if issuer else key, SHA256()), key)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
