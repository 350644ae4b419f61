"""The bodies that create trees: Octavia accepts a load balancer with everything below it in one call."""

from msgspec import UNSET

from hydria.model.fields import Algorithm, Maybe, PoolProtocol, ProjectId, Uuid
from hydria.model.health_monitor import HealthMonitorBody
from hydria.model.l7_policy import L7PolicyBody
from hydria.model.l7_rule import L7RuleBody
from hydria.model.listener import ListenerBody
from hydria.model.load_balancer import LoadBalancerBody
from hydria.model.member import MemberBody
from hydria.model.pool import PoolBody, PoolForm, SessionPersistence


class PoolNested(PoolForm, kw_only=True):
    """A pool inside a listener or load balancer: a whole one, or the name of another pool of the same body."""

    id: Maybe[Uuid] = UNSET
    protocol: Maybe[PoolProtocol] = UNSET
    lb_algorithm: Maybe[Algorithm] = UNSET
    session_persistence: Maybe[SessionPersistence] = UNSET
    healthmonitor: Maybe[HealthMonitorBody] = UNSET
    members: Maybe[list[MemberBody]] = UNSET


class PoolCreate(PoolBody, kw_only=True):
    """The body of a pool's create."""

    listener_id: Maybe[Uuid] = UNSET
    loadbalancer_id: Maybe[Uuid] = UNSET
    project_id: Maybe[ProjectId] = UNSET
    healthmonitor: Maybe[HealthMonitorBody] = UNSET
    members: Maybe[list[MemberBody]] = UNSET


class L7PolicyNested(L7PolicyBody, kw_only=True):
    """An L7 policy inside a listener; its pool is a whole one, or the name of another pool of the same body."""

    redirect_pool: Maybe[PoolNested] = UNSET
    rules: Maybe[list[L7RuleBody]] = UNSET


class L7PolicyCreate(L7PolicyBody, kw_only=True):
    """The body of an L7 policy's create."""

    listener_id: Uuid
    project_id: Maybe[ProjectId] = UNSET
    redirect_pool_id: Maybe[Uuid] = UNSET
    rules: Maybe[list[L7RuleBody]] = UNSET


class ListenerNested(ListenerBody, kw_only=True):
    """A listener inside a load balancer."""

    default_pool: Maybe[PoolNested] = UNSET
    l7policies: Maybe[list[L7PolicyNested]] = UNSET


class ListenerCreate(ListenerNested, kw_only=True):
    """The body of a listener's create."""

    loadbalancer_id: Uuid
    project_id: Maybe[ProjectId] = UNSET


class LoadBalancerCreate(LoadBalancerBody, kw_only=True):
    """The body of a load balancer's create."""

    listeners: Maybe[list[ListenerNested]] = UNSET
    pools: Maybe[list[PoolNested]] = UNSET
