"""The statuses of Octavia's resources in SQL, derived from generations and reported health."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, bindparam, case, false, func, or_, select, union_all

from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.status import UNREPORTED
from hydria.store.resources import Health
from hydria.store.tables import columns, rows_of
from hydria.store.transaction import Transaction


def operating_status_sql() -> ColumnElement[str]:
    """Return the operating status of a resource in SQL; the statement joins its `Health` from outside."""
    return func.coalesce(columns(Health).operating_status, UNREPORTED)


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
