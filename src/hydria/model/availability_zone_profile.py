"""An availability zone profile: provider options for every load balancer of a zone."""

from msgspec import UNSET, Struct

from hydria.model.capability import Capability
from hydria.model.fields import Maybe, Name
from hydria.model.flavor_profile import ProfileData

CAPABILITIES = {
    "compute_zone": Capability(description="The compute availability zone."),
    "volume_zone": Capability(description="Where the volumes of amphorae are."),
    "management_network": Capability(description="ID of the network on which amphorae are managed."),
    "valid_vip_networks": Capability(
        description="IDs of the networks that VIPs may be on; no other ones may.", type="array"
    ),
}


class AvailabilityZoneProfile(Struct, frozen=True, kw_only=True):
    """The stored profile; `availability_zone_data` is a JSON object as text, exactly as it was given."""

    id: str
    name: str | None = None
    provider_name: str
    availability_zone_data: str


class AvailabilityZoneProfileUpdate(Struct, kw_only=True):
    """The body of an update."""

    name: Maybe[Name] = UNSET
    provider_name: Maybe[Name] = UNSET
    availability_zone_data: Maybe[ProfileData] = UNSET


class AvailabilityZoneProfileCreate(Struct, kw_only=True):
    """The body of a create."""

    name: Name | None
    provider_name: Name | None
    availability_zone_data: ProfileData | None
