"""Making resources out of forms, one by one, with Octavia's checks; written in few statements at the end."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Self

from msgspec import UNSET, Struct, structs
from sqlalchemy import Select, Text, bindparam, select

from hydria.api.quotas import Quotas
from hydria.api.references import check_listener, check_pool
from hydria.api.resource_types import ResourceType
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
    """What children need to know of their load balancer: `generation` is that of the change that makes them.

    `vips` are its addresses, or the subnets of those that are still to be allocated.
    """

    load_balancer_id: str
    project_id: str
    generation: int
    vips: tuple[str, ...]
    vip_sg_ids: tuple[str, ...] = ()
    progress: Progress = Progress(generation=1, observed=0, failed=0, reason=None, deleted_in=None)

    @classmethod
    def of(cls, load_balancer: LoadBalancer) -> Self:
        """Return the ground that a load balancer is."""
        return cls(
            load_balancer_id=load_balancer.id,
            project_id=load_balancer.project_id,
            generation=load_balancer.generation,
            vips=load_balancer.vip_addresses,
            vip_sg_ids=load_balancer.vip_sg_ids,
            progress=Progress.of(load_balancer),
        )


class TreeBuilder:
    """The children that one call makes, put down in few statements at the end."""

    def __init__(
        self, call: Call, parent_context: ParentContext, networking: Networking, quotas: Quotas, secrets: Secrets
    ) -> None:
        self._call = call
        self._parent = parent_context
        self._networking = networking
        self._quotas = quotas
        self._secrets = secrets
        self._children: dict[str, Child] = {}
        self._subnets: set[str] = set()
        self._statuses: dict[str, OperatingStatus] = {}
        # Pools that get members or a listener in front of them; of these, those that were there before.
        self._pools: dict[str, Pool] = {}
        self._attached: set[str] = set()
        # Whether a pool that was there before has a monitor, and whether it is behind a listener, as far as is known.
        self._checked: dict[str, bool] = {}
        self._fronted: dict[str, bool] = {}

    def _make(self, kind: type[Any], form: Struct, **rest: Any) -> Any:
        parent_context = self._parent
        return build(
            kind,
            form,
            **rest,
            id=str(uuid.uuid4()),
            project_id=parent_context.project_id,
            load_balancer_id=parent_context.load_balancer_id,
            created_at=self._call.now,
            created_in=parent_context.generation,
            changed_in=parent_context.generation,
        )

    def _add(self, child: Child) -> None:
        self._children[child.id] = child

    def _made(self, kind: type[Any]) -> list[Any]:
        return [each for each in self._children.values() if isinstance(each, kind)]

    def listener(self, form: ListenerNested, default_pool: Pool | None) -> Listener:
        """Add a listener. Raises Conflict when its port is taken, Invalid for what its protocol cannot have."""
        if default_pool is not None:
            listener_checks.check_pool(form.protocol, default_pool)
        if form.protocol == "PROMETHEUS" and form.l7policies:
            raise no_children(form.protocol)
        key = default_pool.id if default_pool is not None else None
        listener: Listener = listener_checks.with_tls_defaults(self._make(Listener, form, default_pool_id=key))
        listener_checks.check(listener)
        check_listener(self._secrets, listener)
        self._check_port(listener)
        listener_checks.check_sources(listener.allowed_cidrs or (), self._parent.vips, self._parent.vip_sg_ids)
        self._add(listener)
        if default_pool is not None:
            self.front(default_pool)
        return listener

    def front(self, pool: Pool) -> None:
        """Note that a listener of this call sends to a pool."""
        self._pools[pool.id] = pool
        self._fronted[pool.id] = True
        if pool.id not in self._children:
            # Nothing was asked of its members while it stood alone.
            self._attached.add(pool.id)

    def _check_port(self, listener: Listener) -> None:
        c = columns(Listener)
        taken = self._made(Listener) + self._call.transaction.find(
            Listener,
            c.load_balancer_id == self._parent.load_balancer_id,
            c.protocol_port == listener.protocol_port,
            c.deleted_in.is_(None),
        )
        for other in taken:
            if other.protocol_port == listener.protocol_port and _space(other.protocol) == _space(listener.protocol):
                raise Conflict(
                    "Another Listener on this Load Balancer is already using protocol "
                    f"{other.protocol} and protocol_port {listener.protocol_port}"
                )

    def pool(self, form: PoolNested | PoolCreate) -> Pool:
        """Add a pool with its monitor and members. Raises Invalid for one of which only the name is known."""
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
        """Add members that the pool does not have. Raises Conflict when two are the same."""
        known: set[tuple[str, int]] = set()
        for form in forms:
            _check_twice(form, known)
            self._member(form, pool)

    def new_member(self, form: MemberBody, pool: Pool) -> Member:
        """Add a member to a pool that is there. Raises Conflict when the pool has its address and port."""
        asked = {"pool": pool.id, "ip": form.address, "port": form.protocol_port}
        taken, monitored, in_front = tuple(self._call.transaction.execute(_around_member(), asked).one())
        _check_twice(form, {(form.address, form.protocol_port)} if taken else set())
        self._checked[pool.id], self._fronted[pool.id] = bool(monitored), bool(in_front)
        return self._member(form, pool)

    def _member(self, form: MemberBody, pool: Pool) -> Member:
        """Add a member whose address and port are known to be free. Raises Invalid, Unsupported."""
        pool_checks.check_member_address(form.address)
        self._pools[pool.id] = pool
        self.check_subnet(form.subnet_id or None)
        if form.request_sriov:
            # There is no flavor that does.
            raise Invalid("The load balancer flavor does not allow SR-IOV member ports.")
        member: Member = self._make(Member, form, pool_id=pool.id)
        self._add(member)
        return member

    def _is_fronted(self, pool: Pool) -> bool:
        """Say whether a pool of datagrams is behind a listener already."""
        if pool.protocol not in DATAGRAM:
            return False
        if pool.id not in self._fronted:
            found = self._call.transaction.find(Listener, columns(Listener).default_pool_id == pool.id)
            self._fronted[pool.id] = bool(found)
        return self._fronted[pool.id]

    def check_subnet(self, subnet_id: str | None) -> None:
        """Refuse a subnet that the caller may not see; an admin may take any, as with Neutron. Raises Invalid."""
        if subnet_id is None or subnet_id in self._subnets:
            return
        caller = self._call.caller
        if self._networking.subnet(subnet_id, None if caller.is_admin else caller.project_id) is None:
            raise Invalid(f"Subnet {subnet_id} not found.")
        self._subnets.add(subnet_id)

    def health_monitor(self, form: HealthMonitorBody, pool: Pool) -> HealthMonitor:
        """Add a pool's monitor, with HTTP's defaults. Raises Invalid for what its type or pool cannot have."""
        monitor: HealthMonitor = self._make(HealthMonitor, form, pool_id=pool.id)
        monitor_checks.check(monitor, pool.protocol)
        monitor = monitor_checks.with_http_defaults(monitor)
        self._add(monitor)
        return monitor

    def l7_policy(
        self,
        form: L7PolicyNested | L7PolicyCreate,
        listener: Listener,
        redirect_pool: Pool | None,
        beside: Sequence[L7Policy] = (),
    ) -> L7Policy:
        """Add an L7 policy with its rules where it wants to be among its listener's. Raises Invalid, Unsupported.

        `beside` are those that the listener has from before.
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
        policy: L7Policy = self._make(
            L7Policy, form, **targets, action=settled["action"], listener_id=listener.id, position=position
        )
        self._number(policy, beside)
        rules = form.rules or ()
        if len(rules) > MOST_RULES:
            raise too_many_rules(policy.id)
        for rule in rules:
            self.l7_rule(rule, policy)
        return policy

    def _number(self, policy: L7Policy, there: Sequence[L7Policy]) -> None:
        """Put a policy in its place among those that are there and those that are made; those behind it move on."""
        mine = [each for each in self._made(L7Policy) if each.listener_id == policy.listener_id]
        ordered = inserted([*mine, *there], policy)
        renumber(self._call, there, ordered, self._parent.generation)
        known = {each.id for each in there}
        for each in ordered:
            if each.id not in known:
                self._add(each)

    def l7_rule(self, form: L7RuleBody, policy: L7Policy) -> L7Rule:
        """Add a rule to an L7 policy. Raises Invalid."""
        rule: L7Rule = self._make(L7Rule, form, l7policy_id=policy.id)
        l7_checks.check_rule(rule)
        self._add(rule)
        return rule

    def save(self, *, removed_members: int = 0) -> None:
        """Write the children, and what they are worth until their host speaks. Raises Forbidden over the quota.

        `spared` is how many members the same call removes.
        """
        children = list(self._children.values())
        kinds: Counter[type[Resource]] = Counter(type(each) for each in children)
        kinds[Member] -= removed_members
        self._quotas.take(self._call.transaction, self._parent.project_id, kinds)
        self._check_families()
        # Octavia looks at the monitors that are there already.
        monitored = self._monitored({each.pool_id for each in children if isinstance(each, Member)})
        statuses = {each.id: _status(each, monitored) for each in children}
        # A resource without a row is unreported.
        healths = [
            Health(id=each.id, load_balancer_id=each.load_balancer_id, operating_status=statuses[each.id])
            for each in children
            if statuses[each.id] != UNREPORTED
        ]
        self._call.transaction.insert(*children, *healths)
        self._statuses = statuses

    def _check_families(self) -> None:
        """Refuse members whose datagrams no VIP could carry, whatever brought pool, member and listener together."""
        made = self._made(Member)
        for pool in self._pools.values():
            if self._is_fronted(pool):
                addresses = [each.address for each in made if each.pool_id == pool.id]
                if pool.id in self._attached:
                    addresses += member_addresses(self._call, pool)
                pool_checks.check_families(pool.protocol, addresses, self._parent.vips)

    def load(self, kind: ResourceType, key: str) -> LoadedResource:
        """Return a child that was put down as a look at it would."""
        return LoadedResource(
            kind=kind,
            resource=self._children[key],
            progress=self._parent.progress,
            operating_status=self._statuses.get(key, UNREPORTED),
            load_balancer_id=self._parent.load_balancer_id,
        )

    def _monitored(self, pools: set[str]) -> set[str]:
        if pools <= set(self._checked):
            return {key for key in pools if self._checked[key]}
        c = columns(HealthMonitor)
        monitors = self._call.transaction.find(HealthMonitor, c.pool_id.in_(pools), c.deleted_in.is_(None))
        return {monitor.pool_id for monitor in monitors}


def _status(child: Child, monitored: set[str]) -> OperatingStatus:
    return initial_status(child, monitored=isinstance(child, Member) and child.pool_id in monitored)


_REDIRECTS = ("redirect_pool_id", "redirect_url", "redirect_prefix", "redirect_http_code")


@cache
def _around_member() -> Select[bool, bool, bool]:
    """Say of a new member's pool whether it has the member's place, a monitor, and a listener in front of it."""
    c, monitor, listener = columns(Member), columns(HealthMonitor), columns(Listener)
    pool = bindparam("pool", type_=Text)
    place = (c.address == bindparam("ip")) & (c.protocol_port == bindparam("port"))
    twice = select(c.id).where(c.pool_id == pool, place, c.deleted_in.is_(None)).exists()
    checked = select(monitor.id).where(monitor.pool_id == pool, monitor.deleted_in.is_(None)).exists()
    fronted = select(listener.id).where(listener.default_pool_id == pool).exists()
    return select(twice, checked, fronted)


def member_addresses(call: Call, pool: Pool) -> list[str]:
    """Return the addresses of a pool's members that are not asked to go."""
    c = columns(Member)
    return [each.address for each in call.transaction.find(Member, c.pool_id == pool.id, c.deleted_in.is_(None))]


def policies_of(call: Call, listener_id: str) -> list[L7Policy]:
    """Return the L7 policies of a listener that are not asked to go."""
    c = columns(L7Policy)
    return call.transaction.find(L7Policy, c.listener_id == listener_id, c.deleted_in.is_(None))


def renumber(call: Call, before: Iterable[L7Policy], ordered: Iterable[L7Policy], generation: int) -> None:
    """Write the positions that have changed."""
    was = {policy.id: policy.position for policy in before}
    moved = [policy for policy in ordered if policy.id in was and was[policy.id] != policy.position]
    call.transaction.update(*(structs.replace(each, changed_in=generation, updated_at=call.now) for each in moved))


def drop_rules(call: Call, policy_id: str, generation: int) -> None:
    """Ask the rules of an L7 policy to go with it."""
    c = columns(L7Rule)
    rules = call.transaction.find(L7Rule, c.l7policy_id == policy_id, c.deleted_in.is_(None))
    call.transaction.update(*(structs.replace(each, deleted_in=generation, updated_at=call.now) for each in rules))


def too_many_rules(policy_id: str) -> Conflict:
    """Return the refusal of one more rule."""
    return Conflict(f"Too many rules on L7 policy {policy_id}")


def _check_twice(form: MemberBody, known: set[tuple[str, int]]) -> None:
    if (form.address, form.protocol_port) in known:
        raise Conflict(
            f"Another member on this pool is already using ip {form.address} on protocol_port {form.protocol_port}"
        )
    known.add((form.address, form.protocol_port))


def _space(protocol: str) -> str:
    return protocol if protocol in DATAGRAM else "TCP"
