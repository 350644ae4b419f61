"""From rows to answers: a resource with its statuses and the ids of what stands beside it.

The number of statements does not depend on how many resources are shown.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Executable, Row, Select, bindparam, literal, select, union_all

from hydria.api.kinds import HEALTH_MONITOR, L7_POLICY, L7_RULE, LISTENER, LOAD_BALANCER, MEMBER, POOL, Kind
from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.base import INTERNAL
from hydria.model.status import Progress, provisioning_status
from hydria.store import Transaction, columns
from hydria.store.resources import Health
from hydria.store.tables import rows_of

# What a load balancer keeps for itself.
HIDDEN = INTERNAL | {"generation", "observed", "failed", "reason", "vip_port_owned", "pool_id", "l7policy_id"}

Related = dict[str, dict[str, list[str]]]


class Seen(Struct, frozen=True, kw_only=True):
    """A resource as it was read: with its load balancer's progress and what its host says of it."""

    kind: Kind
    resource: Resource
    progress: Progress
    operating_status: str
    load_balancer_id: str


@cache
def selection(kind: Kind) -> Select[Any]:
    """Return the statement that reads resources of a kind with what their statuses are read off."""
    table, lb, health = rows_of(kind.struct).table, columns(LoadBalancer), columns(Health)
    statement = select(
        table,
        lb.id.label("lb_id"),
        *(lb[name].label(f"lb_{name}") for name in Progress.__struct_fields__),
        health.operating_status,
    )
    joined = table.outerjoin(rows_of(Health).table, health.id == table.c.id)
    if kind is not LOAD_BALANCER:
        joined = joined.join(rows_of(LoadBalancer).table, lb.id == table.c.load_balancer_id)
    return statement.select_from(joined)


def seen(kind: Kind, row: Row[Any]) -> Seen:
    """Return what a row of `selection` says."""
    values = row._mapping
    return Seen(
        kind=kind,
        resource=rows_of(kind.struct).load(values),  # type: ignore[arg-type]
        progress=Progress(**{name: values[f"lb_{name}"] for name in Progress.__struct_fields__}),
        operating_status=values["operating_status"] or "OFFLINE",
        load_balancer_id=values["lb_id"],
    )


def read(transaction: Transaction, kind: Kind, key: str) -> Seen | None:
    """Return one resource, or None."""
    row = transaction.execute(_one(kind), {"key": key}).first()
    return None if row is None else seen(kind, row)


@cache
def _one(kind: Kind) -> Select[Any]:
    return selection(kind).where(columns(kind.struct).id == bindparam("key"))


def bodies(transaction: Transaction, kind: Kind, found: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return the bodies of resources of one kind, as Octavia writes them."""
    related = _related(transaction, kind, [item.resource.id for item in found])
    return [dressed(kind, item, related.get(item.resource.id, {})) for item in found]


def body(transaction: Transaction, kind: Kind, item: Seen) -> dict[str, Any]:
    """Return the body of one resource."""
    return bodies(transaction, kind, [item])[0]


def dressed(kind: Kind, item: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
    """Return a resource's body with the ids of what stands beside it, by their names in `_SHAPES`."""
    resource = item.resource
    plain = {name: getattr(resource, name) for name in resource.__struct_fields__ if name not in HIDDEN}
    plain = msgspec.to_builtins(plain)
    plain["tenant_id"] = resource.project_id
    plain["provisioning_status"] = provisioning_status(resource, item.progress)
    plain["operating_status"] = item.operating_status
    if plain["updated_at"] is None and plain["provisioning_status"] != "PENDING_CREATE":
        # Octavia writes a row, and so its time, when it becomes ACTIVE; here that is read off.
        plain["updated_at"] = plain["created_at"]
    return _SHAPES[kind.root](plain, item, related)


def _ids(values: Iterable[str]) -> list[dict[str, str]]:
    return [{"id": value} for value in values]


def _load_balancer(plain: dict[str, Any], _: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
    return {**plain, "listeners": _ids(related.get("listeners", ())), "pools": _ids(related.get("pools", ()))}


def _listener(plain: dict[str, Any], item: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
    policies = _ids(related.get("policies", ()))
    headers = plain["insert_headers"] or {}
    beside = {"loadbalancers": _ids([item.load_balancer_id]), "l7policies": policies}
    return {**plain, **beside, "insert_headers": headers}


def _pool(plain: dict[str, Any], item: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
    monitors = related.get("monitors", [])
    return {
        **plain,
        "loadbalancers": _ids([item.load_balancer_id]),
        # A listener may send to it by default and by its policies.
        "listeners": _ids(dict.fromkeys(related.get("listeners", ()))),
        "members": _ids(related.get("members", ())),
        # Octavia leaves it out where there is none.
        **({"healthmonitor_id": monitors[0]} if monitors else {}),
    }


def _member(plain: dict[str, Any], _: Seen, __: dict[str, list[str]]) -> dict[str, Any]:
    return plain


def _health_monitor(plain: dict[str, Any], item: Seen, _: dict[str, list[str]]) -> dict[str, Any]:
    assert isinstance(item.resource, HealthMonitor)  # noqa: S101 - by the table
    version = plain["http_version"]
    return {**plain, "http_version": float(version) if version else None, "pools": _ids([item.resource.pool_id])}


def _l7_policy(plain: dict[str, Any], _: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
    return {**plain, "rules": _ids(related.get("rules", ()))}


def _l7_rule(plain: dict[str, Any], _: Seen, __: dict[str, list[str]]) -> dict[str, Any]:
    # The one kind of resource without a name.
    del plain["name"]
    return plain


_Shape = Callable[[dict[str, Any], Seen, dict[str, list[str]]], dict[str, Any]]
_SHAPES: dict[str, _Shape] = {
    LOAD_BALANCER.root: _load_balancer,
    LISTENER.root: _listener,
    POOL.root: _pool,
    MEMBER.root: _member,
    HEALTH_MONITOR.root: _health_monitor,
    L7_POLICY.root: _l7_policy,
    L7_RULE.root: _l7_rule,
}


def _part(name: str, kind: type[Resource], owner: str) -> Select[Any]:
    c = columns(kind)
    among = c[owner].in_(bindparam("ids", expanding=True))
    return select(literal(name), c[owner], c.id).where(among, c.deleted_in.is_(None))


def _redirecting() -> Select[Any]:
    """Select the listeners of policies that send to a pool and can match."""
    c, rule = columns(L7Policy), columns(L7Rule)
    among = c.redirect_pool_id.in_(bindparam("ids", expanding=True))
    ruled = select(rule.id).where(rule.l7policy_id == c.id, rule.deleted_in.is_(None)).exists()
    statement = select(literal("listeners"), c.redirect_pool_id, c.listener_id)
    return statement.where(among, c.deleted_in.is_(None), c.admin_state_up.is_(True), ruled)


_BESIDE: dict[str, Executable] = {
    LOAD_BALANCER.root: union_all(
        _part("listeners", Listener, "load_balancer_id"), _part("pools", Pool, "load_balancer_id")
    ),
    LISTENER.root: _part("policies", L7Policy, "listener_id").order_by(columns(L7Policy).position),
    L7_POLICY.root: _part("rules", L7Rule, "l7policy_id").order_by(columns(L7Rule).created_at, columns(L7Rule).id),
    POOL.root: union_all(
        _part("listeners", Listener, "default_pool_id"),
        _redirecting(),
        _part("members", Member, "pool_id"),
        _part("monitors", HealthMonitor, "pool_id"),
    ),
}


def _related(transaction: Transaction, kind: Kind, ids: Sequence[str]) -> Related:
    """Return the ids of what stands beside resources, by their own ids and by names."""
    found: Related = defaultdict(lambda: defaultdict(list))
    if ids and kind.root in _BESIDE:
        for row in transaction.execute(_BESIDE[kind.root], {"ids": ids}):
            name, owner, key = tuple(row)
            found[owner][name].append(key)
    return found
