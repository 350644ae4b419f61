"""A load balancer with everything below it, as one value, with the look-ups that readers of a tree need. Pure."""

from msgspec import Struct

from hydria.model.health_monitor import HealthMonitor
from hydria.model.l7_policy import L7Policy
from hydria.model.l7_rule import L7Rule
from hydria.model.listener import Listener
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool


class Tree(Struct, frozen=True, kw_only=True):
    """One load balancer and all its children, each kind ordered by creation."""

    load_balancer: LoadBalancer
    listeners: tuple[Listener, ...] = ()
    pools: tuple[Pool, ...] = ()
    members: tuple[Member, ...] = ()
    health_monitors: tuple[HealthMonitor, ...] = ()
    l7_policies: tuple[L7Policy, ...] = ()
    l7_rules: tuple[L7Rule, ...] = ()

    def members_of(self, pool_id: str) -> tuple[Member, ...]:
        """Return the members of one pool."""
        return tuple(member for member in self.members if member.pool_id == pool_id)

    def monitor_of(self, pool_id: str) -> HealthMonitor | None:
        """Return the health monitor of one pool, or None."""
        return next((monitor for monitor in self.health_monitors if monitor.pool_id == pool_id), None)

    def pool(self, pool_id: str | None) -> Pool | None:
        """Return one pool, or None."""
        return next((pool for pool in self.pools if pool.id == pool_id), None)

    def listeners_of(self, pool_id: str) -> tuple[Listener, ...]:
        """Return the listeners that send to a pool, by default or by a policy that can match."""
        redirecting = {policy.listener_id for policy in self.l7_policies if pool_id == self._redirects_to(policy)}
        return tuple(each for each in self.listeners if each.default_pool_id == pool_id or each.id in redirecting)

    def pools_of(self, listener: Listener) -> tuple[Pool, ...]:
        """Return the pools that a listener sends to, the default one first."""
        redirecting = [self._redirects_to(policy) for policy in self.policies_of(listener.id)]
        found = [self.pool(key) for key in dict.fromkeys([listener.default_pool_id, *redirecting])]
        return tuple(pool for pool in found if pool is not None)

    def active_pools_of(self, listener: Listener) -> tuple[Pool, ...]:
        """Return the pools that a listener sends to and that are switched on."""
        return tuple(pool for pool in self.pools_of(listener) if pool.admin_state_up)

    def policies_of(self, listener_id: str) -> tuple[L7Policy, ...]:
        """Return the L7 policies of one listener in the order in which they are tried."""
        mine = [policy for policy in self.l7_policies if policy.listener_id == listener_id]
        return tuple(sorted(mine, key=lambda policy: policy.position))

    def rules_of(self, policy_id: str) -> tuple[L7Rule, ...]:
        """Return the rules of one L7 policy."""
        return tuple(rule for rule in self.l7_rules if rule.l7policy_id == policy_id)

    def active_rules_of(self, policy: L7Policy) -> tuple[L7Rule, ...]:
        """Return the rules that a request must meet."""
        return tuple(rule for rule in self.rules_of(policy.id) if rule.admin_state_up)

    def matches(self, policy: L7Policy) -> bool:
        """Say whether a policy can match anything: it is switched on, and a rule of it is."""
        return policy.admin_state_up and bool(self.active_rules_of(policy))

    def _redirects_to(self, policy: L7Policy) -> str | None:
        return policy.redirect_pool_id if self.matches(policy) else None
