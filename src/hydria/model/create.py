"""The create forms of a tree: Octavia takes a load balancer with everything below it in one call."""

from msgspec import UNSET

from hydria.model.fields import Algorithm, Maybe, PoolProtocol, ProjectId, Uuid
from hydria.model.health_monitor import HealthMonitorAlone
from hydria.model.l7_policy import L7PolicyAlone
from hydria.model.l7_rule import L7RuleAlone
from hydria.model.listener import ListenerAlone
from hydria.model.load_balancer import LoadBalancerAlone
from hydria.model.member import MemberAlone
from hydria.model.pool import PoolAlone, PoolForm, SessionPersistence


class PoolNested(PoolForm, kw_only=True):
    """A pool inside a listener or load balancer: whole, or only the name of one that stands beside it."""

    protocol: Maybe[PoolProtocol] = UNSET
    lb_algorithm: Maybe[Algorithm] = UNSET
    session_persistence: Maybe[SessionPersistence] = UNSET
    healthmonitor: Maybe[HealthMonitorAlone] = UNSET
    members: Maybe[list[MemberAlone]] = UNSET


class PoolCreate(PoolAlone, kw_only=True):
    """The wire form of a new pool."""

    listener_id: Maybe[Uuid] = UNSET
    loadbalancer_id: Maybe[Uuid] = UNSET
    project_id: Maybe[ProjectId] = UNSET
    healthmonitor: Maybe[HealthMonitorAlone] = UNSET
    members: Maybe[list[MemberAlone]] = UNSET


class L7PolicyNested(L7PolicyAlone, kw_only=True):
    """An L7 policy inside a listener; its pool is whole, or only the name of one that stands beside it."""

    redirect_pool: Maybe[PoolNested] = UNSET
    rules: Maybe[list[L7RuleAlone]] = UNSET


class L7PolicyCreate(L7PolicyAlone, kw_only=True):
    """The wire form of a new L7 policy."""

    listener_id: Uuid
    project_id: Maybe[ProjectId] = UNSET
    redirect_pool_id: Maybe[Uuid] = UNSET
    rules: Maybe[list[L7RuleAlone]] = UNSET


class ListenerNested(ListenerAlone, kw_only=True):
    """A listener inside a load balancer."""

    default_pool: Maybe[PoolNested] = UNSET
    l7policies: Maybe[list[L7PolicyNested]] = UNSET


class ListenerCreate(ListenerNested, kw_only=True):
    """The wire form of a new listener."""

    loadbalancer_id: Uuid
    project_id: Maybe[ProjectId] = UNSET


class LoadBalancerCreate(LoadBalancerAlone, kw_only=True):
    """The wire form of a new load balancer."""

    listeners: Maybe[list[ListenerNested]] = UNSET
    pools: Maybe[list[PoolNested]] = UNSET
