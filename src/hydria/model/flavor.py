"""A flavor: what an admin offers load balancers to be like; its profile says what that means."""

from msgspec import UNSET, Struct

from hydria.model.fields import Maybe, Name, Text, Uuid


class Flavor(Struct, frozen=True, kw_only=True):
    """The stored flavor; new load balancers get it while it is `enabled`."""

    id: str
    name: str | None = None
    description: str | None = None
    enabled: bool = True
    flavor_profile_id: str


class FlavorUpdate(Struct, kw_only=True):
    """The wire form of a change."""

    name: Maybe[Name] = UNSET
    description: Maybe[Text] = UNSET
    enabled: Maybe[bool] = UNSET


class FlavorCreate(FlavorUpdate, kw_only=True):
    """The wire form of a new flavor."""

    name: Name | None
    flavor_profile_id: Uuid
