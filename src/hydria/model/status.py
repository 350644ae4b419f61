"""Statuses are read off: these functions are the only place where one is decided. Pure.

`provisioning_status` comes from generations; operating statuses from what a host says of the servers it runs.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, Self

from msgspec import Struct

from hydria.model.base import Resource
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool
from hydria.model.tree import Tree

ProvisioningStatus = Literal["ACTIVE", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE", "ERROR"]
OperatingStatus = Literal["ONLINE", "OFFLINE", "DEGRADED", "ERROR", "DRAINING", "NO_MONITOR"]

# What a host's proxy says of one member: checked and well, checked and failing, not checked, or not known. A crowded
# as many as there are source ports. `unknown` is one whose first check has not ended.
ServerState = Literal["up", "down", "unchecked", "unknown", "crowded"]


class Progress(Struct, frozen=True, kw_only=True):
    """The fields of a load balancer that decide statuses (see `LoadBalancer`)."""

    generation: int
    observed: int
    failed: int
    reason: str | None
    deleted_in: int | None

    @classmethod
    def of(cls, load_balancer: LoadBalancer) -> Self:
        """Return the progress of a load balancer."""
        return cls(**{name: getattr(load_balancer, name) for name in cls.__struct_fields__})


def provisioning_status(
    resource: Resource, progress: Progress, trouble: str | None = None, *, pending_below: bool = False
) -> ProvisioningStatus:
    """Derive a resource's provisioning status; `progress` is that of the load balancer that it is or belongs to.

    `trouble` is why its host cannot serve a child: it is in ERROR alone, and its load balancer is ACTIVE.
    `pending_below` says that something that the resource has or uses is to change, which Octavia shows at it too.

    A failure counts until there is a newer change, which is pending again.
    """
    root = isinstance(resource, LoadBalancer)
    changed = progress.generation if root else max(resource.changed_in, resource.deleted_in or 0)
    settled = progress.observed >= changed and progress.deleted_in is None
    failing = progress.reason is not None and progress.failed >= progress.generation
    if failing and (root or not settled):
        return "ERROR"
    if resource.deleted_in is not None or progress.deleted_in is not None:
        return "PENDING_DELETE"
    if settled:
        # A failure below is not one of the parent itself.
        if pending_below and not failing:
            return "PENDING_UPDATE"
        return "ERROR" if trouble is not None and not root else "ACTIVE"
    return "PENDING_CREATE" if progress.observed < resource.created_in else "PENDING_UPDATE"


def operating_statuses(
    tree: Tree, servers: Mapping[str, ServerState], unserved: Collection[str] = ()
) -> dict[str, OperatingStatus]:
    """Derive the operating status of everything in a tree that a host serves, by id.

    `servers` says what the proxy knows of each member, by member id; `unserved` are the ids of what is not served, as
    it cannot be: that is in ERROR, and its load balancer DEGRADED. The roll-up is Octavia's: a pool is ERROR when
    none of its members works and DEGRADED when some fail or are crowded, OFFLINE when no listener uses it; the load
    balancer takes over the worst of the pools in use; what has no state of its own (a listener, a policy) is ONLINE
    has the worst status of its pools. A resource without a state (a listener, a policy) is ONLINE when switched on.
    """
    statuses: dict[str, OperatingStatus] = {}
    for member in tree.members:
        statuses[member.id] = _member(tree, member, servers.get(member.id, "unknown"))
    for each in (*tree.health_monitors, *tree.listeners, *tree.l7_policies, *tree.l7_rules):
        statuses[each.id] = _switch(each)
    for pool in tree.pools:
        statuses[pool.id] = _pool(tree, pool, statuses)
    troubled = [each for each in unserved if each in statuses]
    statuses |= dict.fromkeys(troubled, "ERROR")
    root = tree.load_balancer
    pools = [statuses[pool.id] for pool in tree.pools]
    degraded: list[OperatingStatus] = ["DEGRADED"] if troubled else []
    statuses[root.id] = "OFFLINE" if not root.admin_state_up else _worst([*pools, *degraded])
    return statuses


def unknown_statuses(tree: Tree) -> dict[str, OperatingStatus]:
    """Return the operating statuses of a tree whose host cannot be asked, by id.

    The load balancer and its listeners are in ERROR. Everything else is OFFLINE: its state is unknown.
    """
    below = (*tree.pools, *tree.members, *tree.health_monitors, *tree.l7_policies, *tree.l7_rules)
    failing: dict[str, OperatingStatus] = {
        each.id: "ERROR" if each.admin_state_up else "OFFLINE" for each in (tree.load_balancer, *tree.listeners)
    }
    return {**{each.id: "OFFLINE" for each in below}, **failing}


def _switch(resource: Resource) -> OperatingStatus:
    return "ONLINE" if resource.admin_state_up else "OFFLINE"


def _member(tree: Tree, member: Member, state: ServerState) -> OperatingStatus:
    pool = tree.pool(member.pool_id)
    if not member.admin_state_up or pool is None or not pool.admin_state_up:
        return "OFFLINE"
    if state == "down":
        return "ERROR"
    if state == "crowded":
        return "DEGRADED"
    if member.weight == 0:
        return "DRAINING"
    if state == "up":
        return "ONLINE"
    # Without a check there is no better state.
    return "NO_MONITOR" if state == "unchecked" or tree.monitor_of(pool.id) is None else "OFFLINE"


def _pool(tree: Tree, pool: Pool, statuses: Mapping[str, OperatingStatus]) -> OperatingStatus:
    if not pool.admin_state_up or not any(listener.admin_state_up for listener in tree.listeners_of(pool.id)):
        return "OFFLINE"
    members = tree.members_of(pool.id)
    # A member that is switched on and OFFLINE was not checked yet, and gets traffic.
    working = [
        member
        for member in members
        if statuses[member.id] in ("ONLINE", "NO_MONITOR", "DEGRADED")
        or (statuses[member.id] == "OFFLINE" and member.admin_state_up)
    ]
    if members and not working:
        return "ERROR"
    return "DEGRADED" if any(statuses[member.id] in ("ERROR", "DEGRADED") for member in members) else "ONLINE"


def _worst(pools: Iterable[OperatingStatus]) -> OperatingStatus:
    found = set(pools)
    if "ERROR" in found:
        return "ERROR"
    return "DEGRADED" if "DEGRADED" in found else "ONLINE"
