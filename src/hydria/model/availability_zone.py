"""An availability zone: where an admin offers load balancers to be; its profile says what that means."""

from msgspec import UNSET, Struct

from hydria.model.fields import Maybe, Name, Text, Uuid


class AvailabilityZone(Struct, frozen=True, kw_only=True):
    """The stored zone, known by its name; new load balancers may be put there while it is `enabled`."""

    name: str
    description: str | None = None
    enabled: bool = True
    availability_zone_profile_id: str


class AvailabilityZoneUpdate(Struct, kw_only=True):
    """The wire form of a change."""

    description: Maybe[Text] = UNSET
    enabled: Maybe[bool] = UNSET


class AvailabilityZoneCreate(AvailabilityZoneUpdate, kw_only=True):
    """The wire form of a new zone."""

    name: Name
    availability_zone_profile_id: Uuid
