"""A flavor: a kind of load balancer that an admin offers; its profile has the details."""

from msgspec import UNSET, Struct

from hydria.model.fields import Maybe, Name, Text, Uuid


class Flavor(Struct, frozen=True, kw_only=True):
    """The stored flavor; new load balancers may use it while it is `enabled`."""

    id: str
    name: str | None = None
    description: str | None = None
    enabled: bool = True
    flavor_profile_id: str


class FlavorUpdate(Struct, kw_only=True):
    """The body of an update."""

    name: Maybe[Name] = UNSET
    description: Maybe[Text] = UNSET
    enabled: Maybe[bool] = UNSET


class FlavorCreate(FlavorUpdate, kw_only=True):
    """The body of a create."""

    name: Name | None
    flavor_profile_id: Uuid
