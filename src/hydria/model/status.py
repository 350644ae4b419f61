"""Statuses are read off: these functions are the only place where one is decided. Pure.

`provisioning_status` comes from generations; operating statuses from what a host says of the servers it runs.
"""

from collections.abc import Mapping
from typing import Literal, Self

from msgspec import Struct

from hydria.model.base import Resource
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool
from hydria.model.tree import Tree

ProvisioningStatus = Literal["ACTIVE", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE", "ERROR"]
OperatingStatus = Literal["ONLINE", "OFFLINE", "DEGRADED", "ERROR", "DRAINING", "NO_MONITOR"]

# What a host's proxy says of one member: checked and well, checked and failing, not checked, or not known.
ServerState = Literal["up", "down", "unchecked", "unknown"]


class Progress(Struct, frozen=True, kw_only=True):
    """How far a load balancer has come: what of it decides statuses (see `LoadBalancer`)."""

    generation: int
    observed: int
    failed: int
    reason: str | None
    deleted_in: int | None

    @classmethod
    def of(cls, load_balancer: LoadBalancer) -> Self:
        """Return the progress of a load balancer."""
        return cls(**{name: getattr(load_balancer, name) for name in cls.__struct_fields__})


def provisioning_status(resource: Resource, progress: Progress) -> ProvisioningStatus:
    """Derive a resource's provisioning status; `progress` is that of the load balancer that it is or belongs to.

    A failure counts until a newer change is asked for: then the change is pending again, and is tried.
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
        return "ACTIVE"
    return "PENDING_CREATE" if progress.observed < resource.created_in else "PENDING_UPDATE"


def operating_statuses(tree: Tree, servers: Mapping[str, ServerState]) -> dict[str, OperatingStatus]:
    """Derive the operating status of everything in a tree that a host serves, by id.

    `servers` says what the proxy knows of each member, by member id. The roll-up is Octavia's: a pool is ERROR when
    all of its members fail and DEGRADED when some do; listeners and the load balancer take over the worst below them.
    """
    statuses: dict[str, OperatingStatus] = {}
    for member in tree.members:
        pool = tree.pool(member.pool_id)
        statuses[member.id] = _member(member, pool, servers.get(member.id, "unknown"))
    for monitor in tree.health_monitors:
        statuses[monitor.id] = "ONLINE" if monitor.admin_state_up else "OFFLINE"
    for pool in tree.pools:
        statuses[pool.id] = _pool(pool, [statuses[member.id] for member in tree.members_of(pool.id)])
    for listener in tree.listeners:
        below = statuses.get(listener.default_pool_id or "")
        statuses[listener.id] = _above(listener.admin_state_up, [below] if below else [])
    root = tree.load_balancer
    below_root = [statuses[child.id] for child in (*tree.listeners, *tree.pools) if child.admin_state_up]
    statuses[root.id] = _above(root.admin_state_up and bool(tree.listeners), below_root)
    return statuses


def _member(member: Member, pool: Pool | None, state: ServerState) -> OperatingStatus:
    if not member.admin_state_up or pool is None or not pool.admin_state_up:
        return "OFFLINE"
    if member.weight == 0 and state != "down":
        return "DRAINING"
    if state == "up":
        return "ONLINE"
    if state == "down":
        return "ERROR"
    return "NO_MONITOR" if state == "unchecked" else "OFFLINE"


def _pool(pool: Pool, members: list[OperatingStatus]) -> OperatingStatus:
    if not pool.admin_state_up:
        return "OFFLINE"
    counted = [status for status in members if status != "OFFLINE"]
    failing = counted.count("ERROR")
    if counted and failing == len(counted):
        return "ERROR"
    return "DEGRADED" if failing else "ONLINE"


def _above(enabled: bool, below: list[OperatingStatus]) -> OperatingStatus:
    """Roll up what is below a listener or load balancer: failing members degrade it, all failing is an error."""
    if not enabled:
        return "OFFLINE"
    if "ERROR" in below:
        return "ERROR"
    return "DEGRADED" if "DEGRADED" in below else "ONLINE"
