"""The create forms of a tree: Octavia takes a load balancer with everything below it in one call."""

from typing import Any

from msgspec import UNSET

from hydria.model.fields import Maybe, PoolProtocol, ProjectId, Uuid
from hydria.model.health_monitor import HealthMonitorAlone
from hydria.model.listener import ListenerAlone
from hydria.model.load_balancer import LoadBalancerAlone
from hydria.model.member import MemberCreate
from hydria.model.pool import PoolAlone, PoolUpdate


class PoolNested(PoolUpdate, kw_only=True):
    """A pool inside a listener or load balancer: whole, or only the name of one that stands beside it."""

    protocol: Maybe[PoolProtocol] = UNSET
    healthmonitor: Maybe[HealthMonitorAlone] = UNSET
    members: Maybe[list[MemberCreate]] = UNSET


class PoolCreate(PoolAlone, kw_only=True):
    """The wire form of a new pool."""

    listener_id: Maybe[Uuid] = UNSET
    loadbalancer_id: Maybe[Uuid] = UNSET
    project_id: Maybe[ProjectId] = UNSET
    healthmonitor: Maybe[HealthMonitorAlone] = UNSET
    members: Maybe[list[MemberCreate]] = UNSET


class ListenerNested(ListenerAlone, kw_only=True):
    """A listener inside a load balancer."""

    default_pool: Maybe[PoolNested] = UNSET
    # Only the empty list so far; the provider refuses others.
    l7policies: Maybe[list[Any]] = UNSET


class ListenerCreate(ListenerNested, kw_only=True):
    """The wire form of a new listener."""

    loadbalancer_id: Uuid
    project_id: Maybe[ProjectId] = UNSET


class LoadBalancerCreate(LoadBalancerAlone, kw_only=True):
    """The wire form of a new load balancer."""

    listeners: Maybe[list[ListenerNested]] = UNSET
    pools: Maybe[list[PoolNested]] = UNSET
