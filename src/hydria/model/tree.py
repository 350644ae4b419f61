"""A load balancer with everything below it as one value, and what of it is served. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from hydria.model.fields import DATAGRAM
from hydria.model.health_monitor import HealthMonitor
from hydria.model.l7_policy import L7Policy
from hydria.model.l7_rule import L7Rule
from hydria.model.listener import Listener
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool
from hydria.model.references import Purpose, needed_references


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

    def active_pool(self, pool_id: str | None) -> Pool | None:
        """Return one pool, or None where there is none or it is switched off."""
        pool = self.pool(pool_id)
        return pool if pool is not None and pool.admin_state_up else None

    def live(self) -> "Live":
        """Return what is served of the tree."""
        root = self.load_balancer
        listeners = tuple(listener for listener in self.listeners if is_live(listener, balancer_up=root.admin_state_up))
        pools = {
            listener.id: tuple(pool for pool in self.pools_of(listener) if pool.admin_state_up)
            for listener in listeners
        }
        return Live(tree=self, listeners=listeners, pools=pools)

    def listeners_of(self, pool_id: str) -> tuple[Listener, ...]:
        """Return the listeners that send to a pool, by default or by a policy that can match."""
        redirecting = {policy.listener_id for policy in self.l7_policies if pool_id == self._redirects_to(policy)}
        return tuple(
            listener for listener in self.listeners if listener.default_pool_id == pool_id or listener.id in redirecting
        )

    def pools_of(self, listener: Listener) -> tuple[Pool, ...]:
        """Return the pools that a listener sends to, the default one first."""
        redirecting = [self._redirects_to(policy) for policy in self.policies_of(listener.id)]
        found = [self.pool(key) for key in dict.fromkeys([listener.default_pool_id, *redirecting])]
        return tuple(pool for pool in found if pool is not None)

    def policies_of(self, listener_id: str) -> tuple[L7Policy, ...]:
        """Return the L7 policies of one listener in the order of their positions."""
        policies = [policy for policy in self.l7_policies if policy.listener_id == listener_id]
        return tuple(sorted(policies, key=lambda policy: policy.position))

    def rules_of(self, policy_id: str) -> tuple[L7Rule, ...]:
        """Return the rules of one L7 policy."""
        return tuple(rule for rule in self.l7_rules if rule.l7policy_id == policy_id)

    def active_rules_of(self, policy: L7Policy) -> tuple[L7Rule, ...]:
        """Return the rules of a policy that are switched on: a request must match all of them."""
        return tuple(rule for rule in self.rules_of(policy.id) if rule.admin_state_up)

    def matches(self, policy: L7Policy) -> bool:
        """Say whether a policy can match a request: it is switched on, and so is one of its rules."""
        return policy.admin_state_up and bool(self.active_rules_of(policy))

    def _redirects_to(self, policy: L7Policy) -> str | None:
        return policy.redirect_pool_id if self.matches(policy) else None


class Live(Struct, frozen=True, kw_only=True):
    """The served part of a tree: the live listeners, and the live pools that each of them sends to.

    This is the only place that decides it. Renderings, checks, secrets and limits take listeners and pools from here,
    so that they agree. HAProxy serves some listeners, nftables rules the others, which are those of datagrams.
    """

    tree: Tree
    listeners: tuple[Listener, ...]
    # The pools that are switched on, by listener id, the default one first.
    pools: Mapping[str, tuple[Pool, ...]]

    @property
    def haproxy_listeners(self) -> tuple[Listener, ...]:
        """The listeners that HAProxy serves."""
        return tuple(listener for listener in self.listeners if listener.protocol not in DATAGRAM)

    @property
    def datagram_listeners(self) -> tuple[Listener, ...]:
        """The listeners that nftables rules serve."""
        return tuple(listener for listener in self.listeners if listener.protocol in DATAGRAM)

    @property
    def counted_datagram_listeners(self) -> tuple[Listener, ...]:
        """The datagram listeners that have counters: one that is switched off keeps what it counted."""
        return tuple(listener for listener in self.tree.listeners if listener.protocol in DATAGRAM)

    @property
    def haproxy_pools(self) -> tuple[Pool, ...]:
        """The pools behind HAProxy's listeners, each once."""
        return self._pools_behind(self.haproxy_listeners)

    @property
    def datagram_pools(self) -> tuple[Pool, ...]:
        """The pools behind datagram listeners, each once."""
        return self._pools_behind(self.datagram_listeners)

    @property
    def haproxy_resources(self) -> tuple[Listener | Pool, ...]:
        """HAProxy's listeners, then the pools behind them."""
        return (*self.haproxy_listeners, *self.haproxy_pools)

    def references(self) -> Iterator[tuple[str, Purpose]]:
        """Yield the references to secrets that HAProxy needs, each with what it is; one may come again."""
        for resource in self.haproxy_resources:
            yield from needed_references(resource)

    @property
    def needs_haproxy(self) -> bool:
        """Whether the amphora runs a HAProxy, which may be idle: until there are only datagram listeners.

        Switches do not count: a listener that is switched on does not wait for a process to start.
        """
        listeners = self.tree.listeners
        return not listeners or any(listener.protocol not in DATAGRAM for listener in listeners)

    @property
    def tcp_ports(self) -> frozenset[int]:
        """The VIP's ports on which HAProxy may have connections.

        They include those of listeners that are switched off, where connections from before go on.
        """
        return frozenset(
            listener.protocol_port for listener in self.tree.listeners if listener.protocol not in DATAGRAM
        )

    @property
    def haproxy_sockets(self) -> int:
        """How many sockets HAProxy has besides those of clients' connections: to listen, and to check members."""
        listeners = self.haproxy_listeners
        monitored = [
            pool for listener in listeners for pool in self.pools[listener.id] if self.tree.monitor_of(pool.id)
        ]
        checked = sum(len(self.tree.members_of(pool.id)) for pool in monitored)
        return checked + len(listeners) * len(self.tree.load_balancer.vip_addresses)

    def _pools_behind(self, listeners: Iterable[Listener]) -> tuple[Pool, ...]:
        return tuple({pool.id: pool for listener in listeners for pool in self.pools[listener.id]}.values())


def is_live(listener: Listener, *, balancer_up: bool) -> bool:
    """Say whether a listener is served; `balancer_up` is its load balancer's switch."""
    return listener.admin_state_up and balancer_up
