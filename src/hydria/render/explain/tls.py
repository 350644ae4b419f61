"""TLS between a client and a listener: which certificate it gets by its server name, and whether its own is accepted.

Decided as HAProxy and OpenSSL decide it. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from hydria.errors import Invalid
from hydria.model.sentences import Sentence, say

# OpenSSL's results of verifying a certificate, as `ssl_c_verify` has them.
OK, NO_CRL, NOT_YET, EXPIRED, SELF_SIGNED, UNKNOWN_ISSUER, REVOKED = 0, 3, 9, 10, 18, 20, 23
_RESULTS: Mapping[int, str] = {
    NO_CRL: "no_crl",
    NOT_YET: "not_yet_valid",
    EXPIRED: "expired",
    SELF_SIGNED: "self_signed",
    UNKNOWN_ISSUER: "unknown_issuer",
    REVOKED: "revoked",
}

# OpenSSL's short names of a subject's fields, by their object identifiers.
_FIELDS: Mapping[str, str] = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}


class Offered(Struct, frozen=True):
    """A certificate of a listener: its reference, the names in it in small letters, and whether its key is ECDSA."""

    reference: str
    names: tuple[str, ...]
    elliptic: bool

    @classmethod
    def of(cls, reference: str, pem: str) -> "Offered":
        """Return the certificate at the beginning of a PEM text. Raises ValueError."""
        found = x509.load_pem_x509_certificates(pem.encode())[0]
        names = [str(each.value) for each in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        try:
            alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            pass
        else:
            names = [*alternatives.get_values_for_type(x509.DNSName), *names]
        elliptic = isinstance(found.public_key(), ec.EllipticCurvePublicKey)
        return cls(reference, tuple(dict.fromkeys(each.lower() for each in names)), elliptic)


class ListenerTls(Struct, frozen=True, kw_only=True):
    """The certificates of a listener, the default one first, and the PEM texts by which clients' ones are verified."""

    offered: tuple[Offered, ...] = ()
    authorities: str = ""
    revocations: str = ""


class Shown(Struct, frozen=True):
    """The certificate that a client gets, None where that is not known, and why."""

    reference: str | None
    sentence: Sentence


def shown(offered: Sequence[Offered], sni: str) -> Shown | None:
    """Return which certificate a client with a server name gets; None for a listener without any."""
    if not offered:
        return None
    name = sni.lower()
    wildcard = f"*.{name.partition('.')[2]}"
    exact = [each for each in offered if name in each.names]
    close = [each for each in offered if wildcard in each.names]
    # By the kind of the key first, because clients of today can use both.
    for elliptic in (True, False):
        for code, found in (("sni_exact", exact), ("sni_wildcard", close)):
            fitting = [each for each in found if each.elliptic == elliptic]
            if fitting:
                return Shown(fitting[0].reference, say(code, sni=sni, reference=fitting[0].reference))
    return Shown(offered[0].reference, say("sni_default", sni=sni, reference=offered[0].reference))


def verified(chain: Sequence[x509.Certificate], tls: ListenerTls, now: datetime) -> int:
    """Return OpenSSL's result for a client's certificate, which is followed by its intermediates."""
    trusted = x509.load_pem_x509_certificates(tls.authorities.encode()) if tls.authorities else []
    lists = _lists(tls.revocations)
    current, others = chain[0], list(chain[1:])
    while True:
        if (result := _timely(current, now)) != OK:
            return result
        if any(current == each for each in trusted):
            return OK
        issuer = _issuer(current, trusted) or _issuer(current, others)
        if issuer is None:
            alone = current.subject == current.issuer and current is chain[0]
            return SELF_SIGNED if alone else UNKNOWN_ISSUER
        if tls.revocations and (result := _revoked(current, issuer, lists)) != OK:
            return result
        if issuer in trusted and issuer.subject == issuer.issuer:
            return _timely(issuer, now)
        others = [each for each in others if each != issuer]
        current = issuer


def refused(result: int) -> Sentence:
    """Return why a client's certificate is not accepted."""
    return say("client_certificate_refused", result=result, reason=say(_RESULTS.get(result, "not_verified")))


def chain_of(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text. Raises Invalid."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise Invalid("The client's certificate is no PEM text of certificates.") from None
    return found


def subject_of(certificate: x509.Certificate) -> dict[str, str]:
    """Return the fields of a certificate's subject, by OpenSSL's names; of several values the first one."""
    found: dict[str, str] = {}
    for each in certificate.subject:
        found.setdefault(_FIELDS.get(each.oid.dotted_string, each.oid.dotted_string), str(each.value))
    return found


def _lists(pem: str) -> list[x509.CertificateRevocationList]:
    end = "-----END X509 CRL-----"
    parts = (f"{part}{end}\n" for part in pem.split(end)[:-1])
    return [x509.load_pem_x509_crl(part.strip().encode()) for part in parts]


def _timely(certificate: x509.Certificate, now: datetime) -> int:
    if certificate.not_valid_before_utc > now:
        return NOT_YET
    return EXPIRED if certificate.not_valid_after_utc < now else OK


def _issuer(certificate: x509.Certificate, among: Iterable[x509.Certificate]) -> x509.Certificate | None:
    for each in among:
        try:
            certificate.verify_directly_issued_by(each)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return each
    return None


def _revoked(
    certificate: x509.Certificate, issuer: x509.Certificate, lists: Iterable[x509.CertificateRevocationList]
) -> int:
    fitting = [each for each in lists if each.issuer == issuer.subject]
    if not fitting:
        return NO_CRL
    number = certificate.serial_number
    found = any(each.get_revoked_certificate_by_serial_number(number) is not None for each in fitting)
    return REVOKED if found else OK
