"""Builds resources from forms, one by one, with Octavia's checks, and saves them in few statements at the end."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Self

from msgspec import UNSET, Struct, structs
from sqlalchemy import Select, Text, bindparam, select

from hydria.api.chosen_ids import id_taken, new_id
from hydria.api.quotas import Quotas
from hydria.api.references import check_listener, check_pool
from hydria.api.resource_types import R, ResourceType
from hydria.api.views import LoadedResource
from hydria.errors import Conflict, Invalid
from hydria.http.operation import Call
from hydria.model import (
    Child,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    Resource,
    l7_checks,
    listener_checks,
    monitor_checks,
    pool_checks,
)
from hydria.model.base import build, given
from hydria.model.create import L7PolicyCreate, L7PolicyNested, ListenerNested, PoolCreate, PoolNested
from hydria.model.faults import invalid_combination, no_children
from hydria.model.fields import DATAGRAM
from hydria.model.health_monitor import HealthMonitorBody
from hydria.model.l7_policy import LAST
from hydria.model.l7_positions import inserted
from hydria.model.l7_rule import MOST_RULES, L7RuleBody
from hydria.model.member import MemberBody
from hydria.model.status import UNREPORTED, OperatingStatus, Progress, initial_status
from hydria.protocols import Networking, Secrets
from hydria.store import columns
from hydria.store.resources import Health


class ParentContext(Struct, frozen=True, kw_only=True):
    """The load balancer as its new children see it; `generation` is that of the change that creates them.

    `vips` are its addresses, or the subnets of addresses that are still to be allocated.
    """

    load_balancer_id: str
    project_id: str
    generation: int
    vips: tuple[str, ...]
    vip_sg_ids: tuple[str, ...] = ()
    progress: Progress = Progress(generation=1, observed=0, failed=0, reason=None, deleted_in=None)

    @classmethod
    def of(cls, load_balancer: LoadBalancer) -> Self:
        """Return the context of a load balancer that exists."""
        return cls(
            load_balancer_id=load_balancer.id,
            project_id=load_balancer.project_id,
            generation=load_balancer.generation,
            vips=load_balancer.vip_addresses,
            vip_sg_ids=load_balancer.vip_sg_ids,
            progress=Progress.of(load_balancer),
        )


class TreeBuilder:
    """The children that one call creates below `parent`. `save` writes them."""

    def __init__(
        self, call: Call, parent: ParentContext, networking: Networking, quotas: Quotas, secrets: Secrets
    ) -> None:
        self.parent = parent
        self._call = call
        self._networking = networking
        self._quotas = quotas
        self._secrets = secrets
        self._children: dict[str, Child] = {}
        self._checked_subnets: set[str] = set()
        self._statuses: dict[str, OperatingStatus] = {}
        # The pools that get members or a listener, and the ids of those that existed before and get a listener.
        self._pools: dict[str, Pool] = {}
        self._attached: set[str] = set()
        # Whether pools that existed before have a monitor and a listener, by id, as read from the database.
        self._has_monitor: dict[str, bool] = {}
        self._has_listener: dict[str, bool] = {}

    def _make(self, kind: type[R], form: Struct, **rest: Any) -> R:
        parent = self.parent
        key = new_id(self._call, kind, form, parent.project_id)
        if key in self._children:
            raise id_taken()
        return build(
            kind,
            form,
            **rest,
            id=key,
            project_id=parent.project_id,
            load_balancer_id=parent.load_balancer_id,
            created_at=self._call.now,
            created_in=parent.generation,
            changed_in=parent.generation,
        )

    def _add(self, child: Child) -> None:
        self._children[child.id] = child

    def _made(self, kind: type[R]) -> list[R]:
        return [child for child in self._children.values() if isinstance(child, kind)]

    def listener(self, form: ListenerNested, default_pool: Pool | None) -> Listener:
        """Add a listener. Raises Conflict when its port is taken, Invalid for what its protocol does not allow."""
        if default_pool is not None:
            listener_checks.check_pool(form.protocol, default_pool)
        if form.protocol == "PROMETHEUS" and form.l7policies:
            raise no_children(form.protocol)
        key = default_pool.id if default_pool is not None else None
        listener = listener_checks.with_tls_defaults(self._make(Listener, form, default_pool_id=key))
        listener_checks.check(listener)
        check_listener(self._secrets, listener)
        self._check_port(listener)
        listener_checks.check_sources(listener.allowed_cidrs or (), self.parent.vips, self.parent.vip_sg_ids)
        self._add(listener)
        if default_pool is not None:
            self.attach(default_pool)
        return listener

    def attach(self, pool: Pool) -> None:
        """Note that a listener gets a pool as its default pool."""
        self._pools[pool.id] = pool
        self._has_listener[pool.id] = True
        if pool.id not in self._children:
            # The addresses of its members are not checked while it has no listener.
            self._attached.add(pool.id)

    def _check_port(self, listener: Listener) -> None:
        c = columns(Listener)
        others = self._made(Listener) + self._call.transaction.find(
            Listener,
            c.load_balancer_id == self.parent.load_balancer_id,
            c.protocol_port == listener.protocol_port,
            c.deleted_in.is_(None),
        )
        for other in others:
            if other.protocol_port == listener.protocol_port and _space(other.protocol) == _space(listener.protocol):
                raise Conflict(
                    "Another Listener on this Load Balancer is already using protocol "
                    f"{other.protocol} and protocol_port {listener.protocol_port}"
                )

    def pool(self, form: PoolNested | PoolCreate) -> Pool:
        """Add a pool with its monitor and members. Raises Invalid for a form that only names a pool."""
        for attribute in ("protocol", "lb_algorithm"):
            if getattr(form, attribute) in (UNSET, None):
                raise invalid_combination(
                    f"Pool definition for '{form.name or ''}' missing required attribute: {attribute}"
                )
        pool = pool_checks.with_tls_defaults(self._make(Pool, form))
        pool_checks.check(pool)
        check_pool(self._secrets, pool)
        self._add(pool)
        if isinstance(form.healthmonitor, Struct):
            self.health_monitor(form.healthmonitor, pool)
        self.members(form.members or (), pool)
        return pool

    def members(self, forms: Iterable[MemberBody], pool: Pool) -> None:
        """Add members that the pool does not have. Raises Conflict when two have the same address and port."""
        known: set[tuple[str, int]] = set()
        for form in forms:
            _check_duplicate(form, known)
            self._member(form, pool)

    def new_member(self, form: MemberBody, pool: Pool) -> Member:
        """Add a member to an existing pool. Raises Conflict when the pool has a member of its address and port."""
        keys = {"pool": pool.id, "ip": form.address, "port": form.protocol_port}
        taken, has_monitor, has_listener = tuple(self._call.transaction.execute(_pool_of_new_member(), keys).one())
        _check_duplicate(form, {(form.address, form.protocol_port)} if taken else set())
        self._has_monitor[pool.id], self._has_listener[pool.id] = bool(has_monitor), bool(has_listener)
        return self._member(form, pool)

    def _member(self, form: MemberBody, pool: Pool) -> Member:
        """Add a member whose address and port are free. Raises Invalid, Unsupported."""
        pool_checks.check_member_address(form.address)
        self._pools[pool.id] = pool
        self.check_subnet(form.subnet_id or None)
        if form.request_sriov:
            # No flavor supports SR-IOV member ports.
            raise Invalid("The load balancer flavor does not allow SR-IOV member ports.")
        member = self._make(Member, form, pool_id=pool.id)
        self._add(member)
        return member

    def _serves_datagrams(self, pool: Pool) -> bool:
        """Return whether a pool is a datagram listener's default pool."""
        if pool.protocol not in DATAGRAM:
            return False
        if pool.id not in self._has_listener:
            found = self._call.transaction.find(Listener, columns(Listener).default_pool_id == pool.id)
            self._has_listener[pool.id] = bool(found)
        return self._has_listener[pool.id]

    def check_subnet(self, subnet_id: str | None) -> None:
        """Refuse a subnet that the caller may not see; admins see all, as in Neutron. Raises Invalid."""
        if subnet_id is None or subnet_id in self._checked_subnets:
            return
        caller = self._call.caller
        if self._networking.subnet(subnet_id, None if caller.is_admin else caller.project_id) is None:
            raise Invalid(f"Subnet {subnet_id} not found.")
        self._checked_subnets.add(subnet_id)

    def health_monitor(self, form: HealthMonitorBody, pool: Pool) -> HealthMonitor:
        """Add a pool's monitor, with HTTP's defaults. Raises Invalid for what its type or pool does not allow."""
        monitor = self._make(HealthMonitor, form, pool_id=pool.id)
        monitor_checks.check(monitor, pool.protocol)
        monitor = monitor_checks.with_http_defaults(monitor)
        self._add(monitor)
        return monitor

    def l7_policy(
        self,
        form: L7PolicyNested | L7PolicyCreate,
        listener: Listener,
        redirect_pool: Pool | None,
        existing: Sequence[L7Policy] = (),
    ) -> L7Policy:
        """Add an L7 policy with its rules, at its position among its listener's. Raises Invalid, Unsupported.

        `existing` are the policies that the listener has already.
        """
        if listener.protocol == "PROMETHEUS":
            raise no_children(listener.protocol)
        if redirect_pool is not None:
            listener_checks.check_pool(listener.protocol, redirect_pool)
        pool_id = redirect_pool.id if redirect_pool is not None else None
        l7_checks.check_listener(listener.protocol)
        settled = l7_checks.settle({**given(form), "redirect_pool_id": pool_id})
        targets = {name: settled.get(name) for name in _REDIRECTS}
        position = form.position or LAST
        policy = self._make(
            L7Policy, form, **targets, action=settled["action"], listener_id=listener.id, position=position
        )
        self._insert(policy, existing)
        rules = form.rules or ()
        if len(rules) > MOST_RULES:
            raise too_many_rules(policy.id)
        for rule in rules:
            self.l7_rule(rule, policy)
        return policy

    def _insert(self, policy: L7Policy, existing: Sequence[L7Policy]) -> None:
        """Insert a policy at its position among the existing and the new ones; those behind it move down."""
        new = [other for other in self._made(L7Policy) if other.listener_id == policy.listener_id]
        ordered = inserted([*new, *existing], policy)
        renumber(self._call, existing, ordered, self.parent.generation)
        stored = {other.id for other in existing}
        for other in ordered:
            if other.id not in stored:
                self._add(other)

    def l7_rule(self, form: L7RuleBody, policy: L7Policy) -> L7Rule:
        """Add a rule to an L7 policy. Raises Invalid."""
        rule = self._make(L7Rule, form, l7policy_id=policy.id)
        l7_checks.check_rule(rule)
        self._add(rule)
        return rule

    def save(self, *, removed_members: int = 0) -> None:
        """Insert the new resources and their initial operating statuses. Raises Forbidden over the quota.

        `removed_members` is how many members the same call deletes.
        """
        children = list(self._children.values())
        counts: Counter[type[Resource]] = Counter(type(child) for child in children)
        counts[Member] -= removed_members
        self._quotas.take(self._call.transaction, self.parent.project_id, counts)
        self._check_families()
        members = self._made(Member)
        # Octavia gives a new member its status by the monitor that the pool has before the call.
        monitored = self._monitored({member.pool_id for member in members})
        statuses = {child.id: _status(child, monitored) for child in children}
        # A resource without a row is unreported.
        healths = [
            Health(id=child.id, load_balancer_id=child.load_balancer_id, operating_status=statuses[child.id])
            for child in children
            if statuses[child.id] != UNREPORTED
        ]
        self._call.transaction.insert(*children, *healths)
        self._statuses = statuses

    def _check_families(self) -> None:
        """Refuse members whose address family no VIP has, in pools of datagrams. Raises Invalid."""
        for pool in self._pools.values():
            if self._serves_datagrams(pool):
                addresses = [member.address for member in self._made(Member) if member.pool_id == pool.id]
                if pool.id in self._attached:
                    addresses += member_addresses(self._call, pool)
                pool_checks.check_families(pool.protocol, addresses, self.parent.vips)

    def load(self, kind: ResourceType[R], key: str) -> LoadedResource[R]:
        """Return a saved child as if it had been read."""
        (resource,) = (child for child in self._made(kind.struct) if child.id == key)
        return LoadedResource(
            kind=kind,
            resource=resource,
            progress=self.parent.progress,
            operating_status=self._statuses.get(key, UNREPORTED),
            load_balancer_id=self.parent.load_balancer_id,
        )

    def _monitored(self, pools: set[str]) -> set[str]:
        if pools <= set(self._has_monitor):
            return {key for key in pools if self._has_monitor[key]}
        c = columns(HealthMonitor)
        monitors = self._call.transaction.find(HealthMonitor, c.pool_id.in_(pools), c.deleted_in.is_(None))
        return {monitor.pool_id for monitor in monitors}


def _status(child: Child, monitored: set[str]) -> OperatingStatus:
    return initial_status(child, monitored=isinstance(child, Member) and child.pool_id in monitored)


_REDIRECTS = ("redirect_pool_id", "redirect_url", "redirect_prefix", "redirect_http_code")


@cache
def _pool_of_new_member() -> Select[bool, bool, bool]:
    """Return the query whether a pool has a member of an address and port, a monitor, and a listener."""
    c, monitor, listener = columns(Member), columns(HealthMonitor), columns(Listener)
    pool = bindparam("pool", type_=Text)
    same = (c.address == bindparam("ip")) & (c.protocol_port == bindparam("port"))
    taken = select(c.id).where(c.pool_id == pool, same, c.deleted_in.is_(None)).exists()
    has_monitor = select(monitor.id).where(monitor.pool_id == pool, monitor.deleted_in.is_(None)).exists()
    has_listener = select(listener.id).where(listener.default_pool_id == pool).exists()
    return select(taken, has_monitor, has_listener)


def member_addresses(call: Call, pool: Pool) -> list[str]:
    """Return the addresses of a pool's members that are not being deleted."""
    c = columns(Member)
    return [member.address for member in call.transaction.find(Member, c.pool_id == pool.id, c.deleted_in.is_(None))]


def policies_of(call: Call, listener_id: str) -> list[L7Policy]:
    """Return the L7 policies of a listener that are not being deleted."""
    c = columns(L7Policy)
    return call.transaction.find(L7Policy, c.listener_id == listener_id, c.deleted_in.is_(None))


def renumber(call: Call, before: Iterable[L7Policy], ordered: Iterable[L7Policy], generation: int) -> None:
    """Save the stored policies whose positions have changed."""
    stored = {policy.id: policy.position for policy in before}
    moved = [policy for policy in ordered if policy.id in stored and stored[policy.id] != policy.position]
    call.transaction.update(*(structs.replace(policy, changed_in=generation, updated_at=call.now) for policy in moved))


def delete_rules(call: Call, policy_id: str, generation: int) -> None:
    """Mark the rules of an L7 policy for deletion."""
    c = columns(L7Rule)
    rules = call.transaction.find(L7Rule, c.l7policy_id == policy_id, c.deleted_in.is_(None))
    call.transaction.update(*(structs.replace(rule, deleted_in=generation, updated_at=call.now) for rule in rules))


def too_many_rules(policy_id: str) -> Conflict:
    """Return the refusal of one more rule."""
    return Conflict(f"Too many rules on L7 policy {policy_id}")


def _check_duplicate(form: MemberBody, known: set[tuple[str, int]]) -> None:
    if (form.address, form.protocol_port) in known:
        raise Conflict(
            f"Another member on this pool is already using ip {form.address} on protocol_port {form.protocol_port}"
        )
    known.add((form.address, form.protocol_port))


def _space(protocol: str) -> str:
    """Return the name of the port space that a protocol uses."""
    return protocol if protocol in DATAGRAM else "TCP"
