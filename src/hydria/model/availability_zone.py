"""An availability zone: a place for load balancers that an admin offers; its profile has the details."""

from msgspec import UNSET, Struct

from hydria.model.fields import Maybe, Name, Text, Uuid


class AvailabilityZone(Struct, frozen=True, kw_only=True):
    """The stored zone, whose name is its id; new load balancers may use it while it is `enabled`."""

    name: str
    description: str | None = None
    enabled: bool = True
    availability_zone_profile_id: str


class AvailabilityZoneUpdate(Struct, kw_only=True):
    """The body of an update."""

    description: Maybe[Text] = UNSET
    enabled: Maybe[bool] = UNSET


class AvailabilityZoneCreate(AvailabilityZoneUpdate, kw_only=True):
    """The body of a create."""

    name: Name
    availability_zone_profile_id: Uuid
