"""The names of each kind of resource: on the wire, in policy rules and in sentences."""

from typing import Generic, TypeVar

from msgspec import Struct

from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource

R = TypeVar("R", bound=Resource)


class ApiNames(Struct, frozen=True, kw_only=True):
    """The names of one kind of resource.

    `root` and `plural` wrap bodies, `policy` is in rule names, `title` in sentences. `key` is the attribute that
    an item's path ends in.
    """

    root: str
    plural: str
    policy: str
    title: str
    key: str = "id"

    def rule(self, action: str) -> str:
        """Return the name of an action's policy rule."""
        return f"os_load-balancer_api:{self.policy}:{action}"


class ResourceType(ApiNames, Generic[R], frozen=True, kw_only=True):
    """One kind of resource in a load balancer's tree."""

    struct: type[R]


LOAD_BALANCER = ResourceType(
    struct=LoadBalancer, root="loadbalancer", plural="loadbalancers", policy="loadbalancer", title="Load Balancer"
)
LISTENER = ResourceType(struct=Listener, root="listener", plural="listeners", policy="listener", title="Listener")
POOL = ResourceType(struct=Pool, root="pool", plural="pools", policy="pool", title="Pool")
MEMBER = ResourceType(struct=Member, root="member", plural="members", policy="member", title="Member")
HEALTH_MONITOR = ResourceType(
    struct=HealthMonitor, root="healthmonitor", plural="healthmonitors", policy="healthmonitor", title="Health Monitor"
)
L7_POLICY = ResourceType(struct=L7Policy, root="l7policy", plural="l7policies", policy="l7policy", title="L7 Policy")
L7_RULE = ResourceType(struct=L7Rule, root="rule", plural="rules", policy="l7rule", title="L7 Rule")
