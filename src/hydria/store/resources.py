"""The tables of Octavia's resources and of hosts' reports, and the statements that several packages use."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    union_all,
)

from hydria.contract import Counters
from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource, Tree
from hydria.model.availability_zone import AvailabilityZone
from hydria.model.availability_zone_profile import AvailabilityZoneProfile
from hydria.model.flavor import Flavor
from hydria.model.flavor_profile import FlavorProfile
from hydria.model.quota import Quota
from hydria.model.status import UNREPORTED, AmphoraHealth
from hydria.store.tables import columns, register, rows_of
from hydria.store.transaction import Transaction
from hydria.store.union_select import UnionSelect


class Amphora(Struct, frozen=True, kw_only=True):
    """One instance of a load balancer on one host; `served` is the generation that the host last confirmed.

    `host` is the host's id. `change_id` is the load balancer's of generation `served`, None when the agent did not
    report it. `attempted` is the generation that the host last failed to serve, `reason` its error. `leaving` means
    that the amphora must be removed from its host.
    """

    id: str
    load_balancer_id: str
    host: str
    created_at: str
    updated_at: str | None = None
    served: int = 0
    change_id: int | None = None
    attempted: int = 0
    reason: str | None = None
    leaving: bool = False


class AmphoraPort(Struct, frozen=True, kw_only=True):
    """A port of its own that an amphora has on a subnet of its members; the VIP's port is not among them."""

    amphora_id: str
    subnet_id: str
    port_id: str


class KnownHost(Struct, frozen=True, kw_only=True):
    """A host whose agent has polled; `seen_at` is the time of its last poll (UTC, seconds since the epoch).

    `id` is the identity that the host keeps when it is renamed. A host whose agent is older than these identities has
    its `name` as `id`, until a newer agent claims it (`hydria.controller.hosts`).
    """

    id: str
    name: str = ""
    seen_at: int
    # The newest topology that the host made completely.
    wired: int = 0


class Orphan(Struct, frozen=True, kw_only=True):
    """An amphora, network, router or part of a router that a host has and the database does not know.

    `kind` is `amphora`, `network` or `router`. `data` is what the host remembers: an `Instance` without secrets, a
    `Network` or a `Router` of the contract, or None. `leaving` means that an operator asked for its removal.
    """

    id: str
    kind: str
    host: str
    data: dict[str, Any] | None
    found_at: str
    leaving: bool = False


class Health(Struct, frozen=True, kw_only=True):
    """The operating status of one resource, derived from the health of all amphorae. Without a row: UNREPORTED.

    `trouble` is the reason why a host cannot serve the resource as configured.
    """

    id: str
    load_balancer_id: str
    operating_status: str
    trouble: str | None = None


class Traffic(Struct, frozen=True, kw_only=True):
    """The last reported counters of one listener on one amphora.

    An empty `amphora_id` stands for the sum over all removed amphorae.
    """

    amphora_id: str
    listener_id: str
    load_balancer_id: str
    counters: Counters


CHILDREN = (Listener, Pool, Member, HealthMonitor, L7Policy, L7Rule)

# The default order of lists: with this index the database reads only the rows of the page.
_LISTED = ("project_id", "created_at", "id")

register(LoadBalancer, "load_balancers", index=(_LISTED, ("created_at", "id"), ("vip_port_id",)))
register(Listener, "listeners", index=(("load_balancer_id",), _LISTED, ("default_pool_id",)))
register(Pool, "pools", index=(("load_balancer_id",), _LISTED))
register(Member, "members", index=(("load_balancer_id",), ("pool_id",), ("project_id",)))
register(HealthMonitor, "health_monitors", index=(("load_balancer_id",), ("pool_id",), _LISTED))
register(L7Policy, "l7_policies", index=(("load_balancer_id",), ("listener_id",), ("redirect_pool_id",), _LISTED))
register(L7Rule, "l7_rules", index=(("load_balancer_id",), ("l7policy_id",), ("project_id",)))
register(FlavorProfile, "flavor_profiles")
register(Flavor, "flavors", unique=(("name",),), index=(("flavor_profile_id",),))
register(AvailabilityZoneProfile, "availability_zone_profiles")
register(AvailabilityZone, "availability_zones", key=("name",), index=(("availability_zone_profile_id",),))
register(Quota, "quotas", key=("project_id",))
register(Amphora, "amphorae", index=(("load_balancer_id",), ("host",)))
register(AmphoraPort, "amphora_ports", key=("amphora_id", "subnet_id"))
register(KnownHost, "hosts")
register(Orphan, "orphans", key=("id", "host"), index=(("host",),))
register(AmphoraHealth, "amphora_health", key=("amphora_id",), index=(("load_balancer_id",),))
register(Health, "health", index=(("load_balancer_id",),))
register(Traffic, "traffic", key=("amphora_id", "listener_id"), index=(("load_balancer_id",),))


def tree(transaction: Transaction, load_balancer: LoadBalancer) -> Tree:
    """Load everything below a load balancer that is not being deleted."""
    union = _select_children()
    children = union.load(transaction.execute(union.statement, {"key": load_balancer.id}))
    for found in children.values():
        found.sort(key=lambda child: (child.created_at, child.id))
    return Tree(
        load_balancer=load_balancer,
        listeners=tuple(children[Listener]),
        pools=tuple(children[Pool]),
        members=tuple(children[Member]),
        health_monitors=tuple(children[HealthMonitor]),
        l7_policies=tuple(children[L7Policy]),
        l7_rules=tuple(children[L7Rule]),
    )


@cache
def _select_children() -> UnionSelect:
    tables = {kind: columns(kind) for kind in CHILDREN}
    return UnionSelect({k: (c.load_balancer_id == bindparam("key"), c.deleted_in.is_(None)) for k, c in tables.items()})


def health_of(transaction: Transaction, load_balancer_id: str) -> dict[str, Health]:
    """Return the health rows of a load balancer and of everything below it, by resource id."""
    return {health.id: health for health in transaction.load(Health, _health(), {"key": load_balancer_id})}


@cache
def _health() -> Select[Any]:
    return select(rows_of(Health).table).where(columns(Health).load_balancer_id == bindparam("key"))


def operating_status_sql() -> ColumnElement[str]:
    """Return the operating status of a resource in SQL; the statement joins its `Health` from outside."""
    return func.coalesce(columns(Health).operating_status, UNREPORTED)


def ids_of(transaction: Transaction, load_balancer_id: str) -> frozenset[str]:
    """Return the ids of a load balancer and of everything below it."""
    below = (select(columns(kind).id).where(columns(kind).load_balancer_id == bindparam("key")) for kind in CHILDREN)
    root = select(columns(LoadBalancer).id).where(columns(LoadBalancer).id == bindparam("key"))
    return frozenset(key for (key,) in transaction.execute(union_all(root, *below), {"key": load_balancer_id}))


def host_name_sql(host: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an SQL expression for the name of the host with this id; the id when it has no name."""
    c = columns(KnownHost)
    return func.coalesce(select(func.nullif(c.name, "")).where(c.id == host).scalar_subquery(), host)


def flavor_data(transaction: Transaction, flavor_id: str | None) -> dict[str, Any]:
    """Return the data of a flavor's profile; empty without a flavor."""
    if flavor_id is None:
        return {}
    flavor, profile = columns(Flavor), columns(FlavorProfile)
    statement = select(profile.flavor_data).where(profile.id == flavor.flavor_profile_id, flavor.id == flavor_id)
    return _data(transaction, statement)


def zone_data(transaction: Transaction, name: str | None) -> dict[str, Any]:
    """Return the data of an availability zone's profile; empty without a zone."""
    if name is None:
        return {}
    zone, profile = columns(AvailabilityZone), columns(AvailabilityZoneProfile)
    statement = select(profile.availability_zone_data)
    return _data(transaction, statement.where(profile.id == zone.availability_zone_profile_id, zone.name == name))


def _data(transaction: Transaction, statement: Select[Any]) -> dict[str, Any]:
    row = transaction.execute(statement).first()
    return {} if row is None else msgspec.json.decode(row[0], type=dict[str, Any])


def pending_below_sql(kind: type[Resource]) -> ColumnElement[bool]:
    """Return the condition that a resource below or used by a child has a pending change.

    The child's statement must join its load balancer. As in Octavia, a change of a member or health monitor makes its
    pool and the listeners that use the pool pending, and a change of an L7 rule its policy and the policy's listener.
    """
    lb = columns(LoadBalancer)
    below = _BELOW[kind]() if kind in _BELOW else ()
    if not below:
        return false()
    # Skip the subqueries when the load balancer has no pending change.
    return case((lb.observed >= lb.generation, false()), else_=or_(*below))


def _below_policy() -> Sequence[ColumnElement[bool]]:
    return (_newer(L7Rule, columns(L7Rule).l7policy_id == columns(L7Policy).id, L7Policy),)


def _below_pool() -> Sequence[ColumnElement[bool]]:
    key = columns(Pool).id
    return tuple(_newer(kind, columns(kind).pool_id == key, Pool) for kind in (Member, HealthMonitor))


def _below_listener() -> Sequence[ColumnElement[bool]]:
    c, policy, rule, pool = columns(Listener), columns(L7Policy), columns(L7Rule), columns(Pool)
    mine = policy.listener_id == c.id
    policies = select(policy.id).where(mine).correlate(rows_of(Listener).table)
    ruled = select(rule.id).where(rule.l7policy_id == policy.id, rule.deleted_in.is_(None)).exists()
    sending = select(policy.redirect_pool_id).where(
        mine, policy.deleted_in.is_(None), policy.admin_state_up.is_(True), policy.redirect_pool_id.is_not(None), ruled
    )
    sending = sending.correlate(rows_of(Listener).table)

    def used(pool_id: ColumnElement[Any]) -> ColumnElement[bool]:
        return (pool_id == c.default_pool_id) | pool_id.in_(sending)

    return (
        _newer(L7Policy, mine, Listener),
        _newer(L7Rule, rule.l7policy_id.in_(policies), Listener),
        _newer(Pool, used(pool.id), Listener),
        *(_newer(kind, used(columns(kind).pool_id), Listener) for kind in (Member, HealthMonitor)),
    )


def _newer(kind: type[Resource], where: ColumnElement[bool], above: type[Resource]) -> ColumnElement[bool]:
    """Return the condition that a matching row of a kind has a change newer than the observed generation."""
    c, lb = columns(kind), columns(LoadBalancer)
    late = (c.changed_in > lb.observed) | (c.deleted_in > lb.observed)
    return select(c.id).where(where, late).correlate(rows_of(above).table, rows_of(LoadBalancer).table).exists()


_BELOW: dict[type[Resource], Callable[[], Sequence[ColumnElement[bool]]]] = {
    Listener: _below_listener,
    Pool: _below_pool,
    L7Policy: _below_policy,
}


def pending_parents(transaction: Transaction, load_balancer_id: str) -> frozenset[str]:
    """Return the ids of the children of a load balancer that are pending by `pending_below_sql`."""
    found = transaction.execute(_pending_parents(), {"key": load_balancer_id})
    return frozenset(key for (key,) in found)


@cache
def _pending_parents() -> CompoundSelect[Any]:
    lb = columns(LoadBalancer)
    return union_all(
        *(
            select(columns(kind).id)
            .join(rows_of(LoadBalancer).table, lb.id == columns(kind).load_balancer_id)
            .where(lb.id == bindparam("key"), pending_below_sql(kind))
            for kind in _BELOW
        )
    )


def provisioning_status_sql(kind: type[Resource]) -> ColumnElement[str]:
    """Return `hydria.model.status.provisioning_status` in SQL. A child's statement joins load balancer and health."""
    lb, c = columns(LoadBalancer), columns(kind)
    root = kind is LoadBalancer
    settled: ColumnElement[bool] = lb.deleted_in.is_(None)
    if root:
        settled &= lb.observed >= lb.generation
    else:
        settled &= (lb.observed >= c.changed_in) & or_(c.deleted_in.is_(None), lb.observed >= c.deleted_in)
    failing = lb.reason.is_not(None) & (lb.failed >= lb.generation)
    return case(
        (failing if root else failing & ~settled, "ERROR"),
        (c.deleted_in.is_not(None) | lb.deleted_in.is_not(None), "PENDING_DELETE"),
        (settled & pending_below_sql(kind) & ~failing, "PENDING_UPDATE"),
        *(() if root else ((settled & columns(Health).trouble.is_not(None), "ERROR"),)),
        (settled, "ACTIVE"),
        (lb.observed < c.created_in, "PENDING_CREATE"),
        else_="PENDING_UPDATE",
    )
