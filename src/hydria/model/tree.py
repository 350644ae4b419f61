"""A load balancer with everything below it, as one value, with the look-ups that readers of a tree need. Pure."""

from msgspec import Struct

from hydria.model.health_monitor import HealthMonitor
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
        """Return the listeners that send to a pool by default."""
        return tuple(listener for listener in self.listeners if listener.default_pool_id == pool_id)
