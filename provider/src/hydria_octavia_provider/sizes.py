"""Flavors and availability zones: Octavia gives the driver their data, Hydria wants a flavor or a zone of its own.

A resource is made for each data that is in use. Its name is made from the data, so that it is found again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydria_octavia_provider.api import Api, Refused

# Hydria's provider.
_PROVIDER = "amphora"


@dataclass(frozen=True)
class Size:
    """A kind of resource with a profile that has the data. `key` is how a load balancer names it."""

    root: str
    path: str
    profile_root: str
    profile_path: str
    reference: str
    data: str
    key: str
    capabilities: str


FLAVOR = Size(
    root="flavor",
    path="flavors",
    profile_root="flavorprofile",
    profile_path="flavorprofiles",
    reference="flavor_profile_id",
    data="flavor_data",
    key="id",
    capabilities="flavor_capabilities",
)
ZONE = Size(
    root="availability_zone",
    path="availabilityzones",
    profile_root="availability_zone_profile",
    profile_path="availabilityzoneprofiles",
    reference="availability_zone_profile_id",
    data="availability_zone_data",
    key="name",
    capabilities="availability_zone_capabilities",
)


def key_of(api: Api, size: Size, data: Mapping[str, Any]) -> str:
    """Return the key of Hydria's flavor or zone with this data; make it if it is missing. Raises Refused."""
    text = json.dumps(data, sort_keys=True)
    name = f"octavia-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    found = _named(api, size, name)
    if found is None:
        profile = _profile(api, size, name, text)
        body = {"name": name, "description": "Of Octavia's provider driver.", "enabled": True, size.reference: profile}
        try:
            found = api.create(size.path, size.root, body)
        except Refused as refusal:
            # Another call may have made it meanwhile.
            found = _named(api, size, name)
            if refusal.status != 409 or found is None:
                raise
    return str(found[size.key])


def check(api: Api, size: Size, data: Mapping[str, Any]) -> None:
    """Refuse data that Hydria does not support. Raises Refused."""
    body = {"name": "check", "provider_name": _PROVIDER, size.data: json.dumps(data)}
    api.try_create(size.profile_path, size.profile_root, body)


def capabilities(api: Api, size: Size) -> dict[str, str]:
    """Return the descriptions of what data may have, by name."""
    found = api.get(f"providers/{_PROVIDER}/{size.capabilities}")
    return {each["name"]: each["description"] for each in found[size.capabilities]}


def _named(api: Api, size: Size, name: str) -> Mapping[str, Any] | None:
    return next(iter(api.list(size.path, name=name)), None)


def _profile(api: Api, size: Size, name: str, text: str) -> str:
    for each in api.list(size.profile_path, name=name):
        return str(each["id"])
    body = {"name": name, "provider_name": _PROVIDER, size.data: text}
    return str(api.create(size.profile_path, size.profile_root, body)["id"])
