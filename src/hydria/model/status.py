"""Statuses are derived: these functions are the only place where one is decided. Pure.

`provisioning_status` comes from generations, operating statuses from what the hosts of all amphorae observe.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Literal, Self

from msgspec import Struct

from hydria.model.base import Child, Resource
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool
from hydria.model.tree import Tree

ProvisioningStatus = Literal["ACTIVE", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE", "ERROR"]
OperatingStatus = Literal["ONLINE", "OFFLINE", "DEGRADED", "ERROR", "DRAINING", "NO_MONITOR"]

# The operating status of whatever no host has reported yet.
UNREPORTED: OperatingStatus = "OFFLINE"

# What an amphora sees of one member: its checks pass, they fail, nothing checks it, or no check has ended yet. A
# crowded member works, but some new flows do not reach it, because its flows use all source ports.
ServerState = Literal["up", "down", "unchecked", "unknown", "crowded"]


class CheckResult(Struct, frozen=True, kw_only=True):
    """What the last check of a failing member saw.

    `result` is HAProxy's word for it (`L4TOUT`, `L7STS`, …), `code` the status that the member answered, `text` what
    HAProxy says about it, and `latency_ms` how long the check took. `since` is when the member failed first (UTC,
    seconds since the epoch).
    """

    result: str
    code: int | None = None
    text: str = ""
    latency_ms: int | None = None
    since: int = 0


class AmphoraHealth(Struct, frozen=True, kw_only=True):
    """What the host of one amphora reported last.

    `generation` is the one that it serves. `reachable` is False when the amphora cannot be asked; then nothing else is
    known. `servers` are by member id; `unserved` are the ids of what is not served at all, and `troubles` the reasons
    why something is not served as it should be, by id. `checks` are by the ids of members that are down.
    """

    amphora_id: str
    load_balancer_id: str
    generation: int = 0
    reachable: bool = True
    servers: dict[str, ServerState] = {}
    unserved: tuple[str, ...] = ()
    troubles: dict[str, str] = {}
    checks: dict[str, CheckResult] = {}


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


def initial_status(resource: Resource, *, monitored: bool) -> OperatingStatus:
    """Return the operating status of a resource that no host has reported; `monitored` says if a member's pool is."""
    return "NO_MONITOR" if isinstance(resource, Member) and not monitored else UNREPORTED


def operating_statuses(tree: Tree, amphorae: Sequence[AmphoraHealth]) -> dict[str, OperatingStatus]:
    """Derive the operating status of everything in a tree from what all its amphorae report, by id.

    A member that some amphorae reach and others do not is DEGRADED. The rest is Octavia's: a pool is ERROR when none
    of its members works, DEGRADED when some fail, and OFFLINE when no listener uses it; the load balancer takes over
    the worst of the pools in use; what has no state of its own (a listener, a policy) is ONLINE when it is switched
    on. What one amphora does not serve is ERROR, and its load balancer DEGRADED, as it is when one of several
    amphorae cannot be asked.
    """
    reachable = [each for each in amphorae if each.reachable]
    if not reachable:
        return _unreachable(tree)
    statuses: dict[str, OperatingStatus] = {}
    for member in tree.members:
        seen = {each.servers.get(member.id, "unknown") for each in reachable}
        statuses[member.id] = _member(tree, member, seen)
    for child in (*tree.health_monitors, *tree.listeners, *tree.l7_policies, *tree.l7_rules):
        statuses[child.id] = _switch(child)
    for pool in tree.pools:
        statuses[pool.id] = _pool(tree, pool, statuses)
    unserved = [key for each in reachable for key in each.unserved if key in statuses]
    statuses |= dict.fromkeys(unserved, "ERROR")
    root = tree.load_balancer
    pools = [statuses[pool.id] for pool in tree.pools]
    degraded: list[OperatingStatus] = ["DEGRADED"] if unserved or len(reachable) < len(amphorae) else []
    statuses[root.id] = "OFFLINE" if not root.admin_state_up else _worst([*pools, *degraded])
    return statuses | _unreported(tree, max(each.generation for each in reachable))


def unmeasured_statuses(tree: Tree) -> dict[str, OperatingStatus]:
    """Return the operating statuses that need no data plane, by id: as in Octavia's noop mode all others stay."""
    switched = (*tree.health_monitors, *tree.l7_policies, *tree.l7_rules)
    unmonitored = [member for member in tree.members if tree.monitor_of(member.pool_id) is None]
    found = {each.id: _switch(each) for each in switched}
    return found | {member.id: initial_status(member, monitored=False) for member in unmonitored}


def _unreported(tree: Tree, served: int) -> dict[str, OperatingStatus]:
    """Return the statuses of what was created after the generation that is served."""
    return {
        child.id: initial_status(
            child, monitored=isinstance(child, Member) and tree.monitor_of(child.pool_id) is not None
        )
        for child in _children(tree)
        if child.created_in > served
    }


def _unreachable(tree: Tree) -> dict[str, OperatingStatus]:
    """Return the statuses of a tree none of whose amphorae can be asked.

    The load balancer and its listeners are in ERROR. Everything else is OFFLINE: its state is unknown.
    """
    failing: dict[str, OperatingStatus] = {
        each.id: "ERROR" if each.admin_state_up else "OFFLINE" for each in (tree.load_balancer, *tree.listeners)
    }
    return {**{child.id: UNREPORTED for child in _children(tree)}, **failing}


def _children(tree: Tree) -> tuple[Child, ...]:
    children = (*tree.listeners, *tree.pools, *tree.members, *tree.health_monitors)
    return (*children, *tree.l7_policies, *tree.l7_rules)


def _switch(resource: Resource) -> OperatingStatus:
    return "ONLINE" if resource.admin_state_up else "OFFLINE"


def _member(tree: Tree, member: Member, seen: Set[ServerState]) -> OperatingStatus:
    """Return the status of a member that is in these states for the amphorae."""
    pool = tree.pool(member.pool_id)
    if not member.admin_state_up or pool is None or not pool.admin_state_up:
        return "OFFLINE"
    known = seen - {"unknown"}
    if known == {"down"}:
        return "ERROR"
    if known & {"down", "crowded"}:
        return "DEGRADED"
    if member.weight == 0:
        return "DRAINING"
    if "up" in known:
        return "ONLINE"
    # A member that nothing checks cannot be better known.
    return initial_status(member, monitored="unchecked" not in known and tree.monitor_of(pool.id) is not None)


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
