"""The providers, and which data of flavor and availability zone profiles they support."""

from typing import Any

from hydria.errors import Invalid, Unsupported
from hydria.model import availability_zone_profile, flavor_profile
from hydria.model.capability import violation

PROVIDERS = {
    # Octavia's texts, which its own tests compare.
    "amphora": "The Octavia Amphora driver.",
    "octavia": "Deprecated alias of the Octavia Amphora driver.",
}


def check_provider(name: str | None) -> str:
    """Return the provider's name, or the default. Raises Invalid for an unknown one."""
    if name is None:
        return "amphora"
    if name not in PROVIDERS:
        raise Invalid(f"Provider '{name}' is not enabled.")
    return name


def check_flavor_data(provider: str, data: Any) -> None:
    """Refuse flavor data that a provider does not support. Raises Unsupported."""
    _check_data(provider, violation(data, flavor_profile.CAPABILITIES))


def check_zone_data(provider: str, data: Any) -> None:
    """Refuse availability zone data that a provider does not support. Raises Unsupported."""
    _check_data(provider, violation(data, availability_zone_profile.CAPABILITIES))


def _check_data(provider: str, defect: str | None) -> None:
    if defect is not None:
        raise Unsupported(f"Provider '{provider}' does not support a requested option: {defect}")
