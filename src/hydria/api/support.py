"""What the provider `amphora` does, and the refusal of all else: nothing is accepted and then ignored."""

from typing import Any

from msgspec import Struct

from hydria.errors import Invalid, Unsupported
from hydria.model import availability_zone_profile, flavor_profile
from hydria.model.base import given
from hydria.model.capability import misfit

PROVIDERS = {
    "amphora": "A network namespace with its own HAProxy.",
    "octavia": "Another name of the provider amphora, as in Octavia.",
}

# Attributes that this version stores no effect for; empty values of them are fine.
_LATER = frozenset({
    "additional_vips", "allowed_cidrs", "alpn_protocols", "ca_tls_container_ref",
    "client_ca_tls_container_ref", "client_crl_container_ref", "crl_container_ref", "default_tls_container_ref",
    "hsts_include_subdomains", "hsts_max_age", "hsts_preload", "insert_headers", "l7policies",
    "request_sriov", "session_persistence", "sni_container_refs", "tls_ciphers", "tls_container_ref", "tls_enabled",
    "tls_versions", "vip_qos_policy_id", "vip_sg_ids",
})  # fmt: skip

_VALUES = {
    "protocol": frozenset({"HTTP", "HTTPS", "TCP"}),
    "type": frozenset({"HTTP", "HTTPS", "TCP", "TLS-HELLO"}),
    "client_authentication": frozenset({"NONE"}),
}


def check(form: Struct) -> None:
    """Refuse what the provider cannot do. Raises Unsupported, with Octavia's sentence."""
    for name, value in given(form).items():
        if name in _LATER and not (value is None or value is False or value in ([], {}, "")):
            raise _unsupported(name)
        if name in _VALUES and value is not None and value not in _VALUES[name]:
            raise _unsupported(f"{name} {value}")


def check_provider(name: str | None) -> str:
    """Return the provider's name, or the default. Raises Invalid for one that is not there."""
    if name is None:
        return "amphora"
    if name not in PROVIDERS:
        raise Invalid(f"Provider '{name}' is not enabled.")
    return name


def check_flavor_data(provider: str, data: Any) -> None:
    """Refuse what a provider cannot make of a flavor profile. Raises Unsupported."""
    _check_data(provider, misfit(data, flavor_profile.CAPABILITIES))


def check_zone_data(provider: str, data: Any) -> None:
    """Refuse what a provider cannot make of an availability zone profile. Raises Unsupported."""
    _check_data(provider, misfit(data, availability_zone_profile.CAPABILITIES))


def _check_data(provider: str, defect: str | None) -> None:
    if defect is not None:
        raise Unsupported(f"Provider '{provider}' does not support a requested option: {defect}")


def _unsupported(option: str) -> Unsupported:
    return Unsupported(f"Provider 'amphora' does not support a requested option: {option}")
