"""A project's quota: how many resources of each kind it may have."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct

from hydria.model.fields import Maybe

Limit = Annotated[int, Meta(ge=-1, le=2000000000)]

UNLIMITED = -1


class Quota(Struct, frozen=True, kw_only=True):
    """The stored quota; -1 is no limit, None is the default of the settings."""

    project_id: str
    load_balancer: int | None = None
    listener: int | None = None
    member: int | None = None
    pool: int | None = None
    health_monitor: int | None = None
    l7policy: int | None = None
    l7rule: int | None = None


# The names of the limits.
LIMITS = tuple(name for name in Quota.__struct_fields__ if name != "project_id")


class QuotaUpdate(Struct, kw_only=True):
    """The body of an update. Two limits also have an old name; the new one wins."""

    loadbalancer: Maybe[Limit] = UNSET
    load_balancer: Maybe[Limit] = UNSET
    listener: Maybe[Limit] = UNSET
    member: Maybe[Limit] = UNSET
    pool: Maybe[Limit] = UNSET
    healthmonitor: Maybe[Limit] = UNSET
    health_monitor: Maybe[Limit] = UNSET
    l7policy: Maybe[Limit] = UNSET
    l7rule: Maybe[Limit] = UNSET


# The names of limits in bodies, where they differ.
WIRE_NAMES = {"load_balancer": "loadbalancer", "health_monitor": "healthmonitor"}
