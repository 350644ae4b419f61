"""From rows to answers: a resource with its statuses and the ids of what stands beside it.

The number of statements does not depend on how many resources are shown.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Row, Select, literal, select, union_all

from hydria.api.kinds import HEALTH_MONITOR, LISTENER, LOAD_BALANCER, MEMBER, POOL, Kind
from hydria.model import HealthMonitor, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.base import INTERNAL
from hydria.model.status import Progress, provisioning_status
from hydria.store import Transaction, columns
from hydria.store.resources import Health
from hydria.store.tables import rows_of

# What a load balancer keeps for itself.
HIDDEN = INTERNAL | {"generation", "observed", "failed", "reason", "vip_port_owned", "pool_id"}

Related = dict[str, dict[str, list[str]]]


class Seen(Struct, frozen=True, kw_only=True):
    """A resource as it was read: with its load balancer's progress and what its host says of it."""

    kind: Kind
    resource: Resource
    progress: Progress
    operating_status: str
    load_balancer_id: str


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
    row = transaction.execute(selection(kind).where(columns(kind.struct).id == key)).first()
    return None if row is None else seen(kind, row)


def bodies(transaction: Transaction, kind: Kind, found: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return the bodies of resources of one kind, as Octavia writes them."""
    related = _RELATED[kind.root](transaction, [item.resource.id for item in found]) if found else {}
    return [_body(kind, item, related.get(item.resource.id, {})) for item in found]


def body(transaction: Transaction, kind: Kind, item: Seen) -> dict[str, Any]:
    """Return the body of one resource."""
    return bodies(transaction, kind, [item])[0]


def _body(kind: Kind, item: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
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


def _listener(plain: dict[str, Any], item: Seen, _: dict[str, list[str]]) -> dict[str, Any]:
    return {**plain, "loadbalancers": _ids([item.load_balancer_id]), "l7policies": []}


def _pool(plain: dict[str, Any], item: Seen, related: dict[str, list[str]]) -> dict[str, Any]:
    return {
        **plain,
        "loadbalancers": _ids([item.load_balancer_id]),
        "listeners": _ids(related.get("listeners", ())),
        "members": _ids(related.get("members", ())),
        "healthmonitor_id": next(iter(related.get("monitors", ())), None),
    }


def _member(plain: dict[str, Any], _: Seen, __: dict[str, list[str]]) -> dict[str, Any]:
    return plain


def _health_monitor(plain: dict[str, Any], item: Seen, _: dict[str, list[str]]) -> dict[str, Any]:
    assert isinstance(item.resource, HealthMonitor)  # noqa: S101 - by the table
    version = plain["http_version"]
    return {**plain, "http_version": float(version) if version else None, "pools": _ids([item.resource.pool_id])}


_Shape = Callable[[dict[str, Any], Seen, dict[str, list[str]]], dict[str, Any]]
_SHAPES: dict[str, _Shape] = {
    LOAD_BALANCER.root: _load_balancer,
    LISTENER.root: _listener,
    POOL.root: _pool,
    MEMBER.root: _member,
    HEALTH_MONITOR.root: _health_monitor,
}


def _gather(transaction: Transaction, parts: Iterable[Select[Any]]) -> Related:
    """Collect (name, owner, id) rows of several selections in one statement."""
    found: Related = defaultdict(lambda: defaultdict(list))
    for row in transaction.execute(union_all(*parts)):
        name, owner, key = tuple(row)
        found[owner][name].append(key)
    return found


def _part(name: str, kind: type[Resource], owner: str, ids: Sequence[str]) -> Select[Any]:
    c = columns(kind)
    return select(literal(name), c[owner], c.id).where(c[owner].in_(ids), c.deleted_in.is_(None))


def _nothing(_: Transaction, __: Sequence[str]) -> Related:
    return {}


def _of_load_balancers(transaction: Transaction, ids: Sequence[str]) -> Related:
    parts = (_part("listeners", Listener, "load_balancer_id", ids), _part("pools", Pool, "load_balancer_id", ids))
    return _gather(transaction, parts)


def _of_pools(transaction: Transaction, ids: Sequence[str]) -> Related:
    parts = (
        _part("listeners", Listener, "default_pool_id", ids),
        _part("members", Member, "pool_id", ids),
        _part("monitors", HealthMonitor, "pool_id", ids),
    )
    return _gather(transaction, parts)


_RELATED: dict[str, Callable[[Transaction, Sequence[str]], Related]] = {
    LOAD_BALANCER.root: _of_load_balancers,
    LISTENER.root: _nothing,
    POOL.root: _of_pools,
    MEMBER.root: _nothing,
    HEALTH_MONITOR.root: _nothing,
}
