"""Ciphers, protocol versions and ALPN protocols: Octavia's defaults and checks. Pure."""

import re
from collections.abc import Sequence

from hydria import trials
from hydria.model.faults import invalid_combination
from hydria.model.fields import AlpnProtocol

# OWASP's cipher string B.
CIPHERS = (
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
)
VERSIONS = ("TLSv1.2", "TLSv1.3")
ALPN: tuple[AlpnProtocol, ...] = ("h2", "http/1.1", "http/1.0")

_ALL_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CIPHERS = re.compile(r"[A-Za-z0-9\-+!:@=_.]+")


def check_ciphers(ciphers: str | None) -> None:
    """Refuse a cipher string with wrong characters, or with no cipher that OpenSSL has. Raises Invalid."""
    if ciphers and not _CIPHERS.fullmatch(ciphers):
        raise invalid_combination(
            "Invalid characters in cipher string. Only alphanumeric, -, +, !, :, @, =, _, and . are allowed."
        )
    fault = trials.ciphers_fault(ciphers or "")
    if fault is not None:
        raise invalid_combination(f"Invalid cipher string: {fault}. Name ciphers as OpenSSL does, separated by colons.")


def check_versions(versions: Sequence[str] | None) -> None:
    """Refuse an empty list, unknown versions, and a version that no host has. Raises Invalid."""
    if versions is None:
        return
    if not versions:
        raise invalid_combination(
            "Empty TLS version list. Either specify at least one TLS version or remove this parameter to use the "
            "default."
        )
    wrong = [version for version in versions if version not in _ALL_VERSIONS]
    if wrong:
        raise invalid_combination(f"Invalid TLS versions: {', '.join(wrong)}")
    if "SSLv3" in versions:
        # OpenSSL does not have it any more. In Octavia an operator can set such a minimum.
        raise invalid_combination("Requested TLS versions are less than the minimum: SSLv3 < TLSv1")


def check_alpn(protocols: Sequence[str] | None) -> None:
    """Refuse an empty list; decoding has checked its elements. Raises Invalid."""
    if protocols is not None and not protocols:
        raise invalid_combination(
            "Empty ALPN protocol list. Either specify at least one ALPN protocol or remove this parameter to use the "
            "default."
        )
