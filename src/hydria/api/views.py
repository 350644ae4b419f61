"""From rows to answers: a resource with its statuses and the ids of what stands beside it.

The number of statements does not depend on how many resources are shown.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Label, Row, ScalarSelect, Select, bindparam, select

from hydria.api.resource_types import (
    HEALTH_MONITOR,
    L7_POLICY,
    L7_RULE,
    LISTENER,
    LOAD_BALANCER,
    MEMBER,
    POOL,
    ResourceType,
)
from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.base import INTERNAL
from hydria.model.status import UNREPORTED, Progress, provisioning_status
from hydria.store import Transaction, columns
from hydria.store.functions import joined_strings
from hydria.store.resources import Health, pending_below_sql
from hydria.store.tables import rows_of

# What a load balancer keeps for itself.
_COUNTED = {"generation", "change_id", "observed", "failed", "reason"}
HIDDEN = INTERNAL | _COUNTED | {"vip_port_owned", "pool_id", "l7policy_id"}

Related = dict[str, list[str]]

_PROGRESS = Progress.__struct_fields__


class LoadedResource(Struct, frozen=True, kw_only=True):
    """A resource as it was read: with its load balancer's progress and what its host says of it.

    `pending_below` says that something that it has or uses is to change; `related` has the ids of what stands beside
    it, None where nobody looked.
    """

    kind: ResourceType
    resource: Resource
    progress: Progress
    operating_status: str
    load_balancer_id: str
    trouble: str | None = None
    pending_below: bool = False
    related: Related | None = None


@cache
def selection(kind: ResourceType, *, with_related: bool = False) -> Select[Any]:
    """Return the statement that reads resources of a kind with what their statuses are read off.

    `whole` reads the ids of what stands beside each, too.
    """
    table, lb, health = rows_of(kind.struct).table, columns(LoadBalancer), columns(Health)
    statement = select(
        table,
        lb.id.label("lb_id"),
        *(lb[name].label(f"lb_{name}") for name in _PROGRESS),
        health.operating_status,
        health.trouble,
        pending_below_sql(kind.struct).label("pending_below"),
        *(_labelled(kind) if with_related else ()),
    )
    joined = table.outerjoin(rows_of(Health).table, health.id == table.c.id)
    if kind is not LOAD_BALANCER:
        joined = joined.join(rows_of(LoadBalancer).table, lb.id == table.c.load_balancer_id)
    return statement.select_from(joined)


def from_row(kind: ResourceType, row: Row[Any], *, with_related: bool = False) -> LoadedResource:
    """Return what a row of `selection` says, both with the same `whole`."""
    lb = len(columns(kind.struct))
    health = lb + 1 + len(_PROGRESS)
    return LoadedResource(
        kind=kind,
        resource=rows_of(kind.struct).load(row),
        load_balancer_id=row[lb],
        progress=Progress(**dict(zip(_PROGRESS, row[lb + 1 : health], strict=True))),
        operating_status=row[health] or UNREPORTED,
        trouble=row[health + 1],
        pending_below=bool(row[health + 2]),
        related=_related(kind, row[health + 3 :]) if with_related else None,
    )


def read(
    transaction: Transaction, kind: ResourceType, key: str, *, with_related: bool = False
) -> LoadedResource | None:
    """Return one resource, or None."""
    row = transaction.execute(_one(kind, with_related), {"key": key}).first()
    return None if row is None else from_row(kind, row, with_related=with_related)


@cache
def _one(kind: ResourceType, with_related: bool) -> Select[Any]:
    return selection(kind, with_related=with_related).where(columns(kind.struct).id == bindparam("key"))


def body(transaction: Transaction, kind: ResourceType, item: LoadedResource) -> dict[str, Any]:
    """Return the body of one resource, as Octavia writes it."""
    related = item.related
    if related is None:
        row = (
            transaction.execute(_related_query(kind), {"key": item.resource.id}).one() if _related_columns(kind) else ()
        )
        related = _related(kind, row)
    return dressed(kind, item, related)


def dressed(kind: ResourceType, item: LoadedResource, related: Related) -> dict[str, Any]:
    """Return a resource's body with the ids of what stands beside it, by their names in `_SHAPES`."""
    resource = item.resource
    names, values = _shown(type(resource))
    plain = dict(zip(names, values(resource), strict=True))
    plain["tenant_id"] = resource.project_id
    plain["provisioning_status"] = provisioning_status(
        resource, item.progress, item.trouble, pending_below=item.pending_below
    )
    plain["operating_status"] = item.operating_status
    if plain["updated_at"] is None and plain["provisioning_status"] != "PENDING_CREATE":
        # Octavia writes a row, and so its time, when it becomes ACTIVE; here that is read off.
        plain["updated_at"] = plain["created_at"]
    return _SHAPES[kind.root](plain, item, related)


@cache
def _shown(kind: type[Resource]) -> tuple[tuple[str, ...], Callable[[Resource], tuple[Any, ...]]]:
    """Return the names of the attributes that a body has of its resource's row, and what reads them all."""
    names = tuple(name for name in kind.__struct_fields__ if name not in HIDDEN)
    return names, attrgetter(*names)


def _ids(values: Iterable[str]) -> list[dict[str, str]]:
    return [{"id": value} for value in values]


def _load_balancer(plain: dict[str, Any], _: LoadedResource, related: Related) -> dict[str, Any]:
    return {**plain, "listeners": _ids(related.get("listeners", ())), "pools": _ids(related.get("pools", ()))}


def _listener(plain: dict[str, Any], item: LoadedResource, related: Related) -> dict[str, Any]:
    policies = _ids(related.get("policies", ()))
    headers = plain["insert_headers"] or {}
    beside = {"loadbalancers": _ids([item.load_balancer_id]), "l7policies": policies}
    return {**plain, **beside, "insert_headers": headers}


def _pool(plain: dict[str, Any], item: LoadedResource, related: Related) -> dict[str, Any]:
    monitors = related.get("monitors", [])
    return {
        **plain,
        "loadbalancers": _ids([item.load_balancer_id]),
        # A listener may send to it by default and by its policies.
        "listeners": _ids(dict.fromkeys([*related.get("listeners", ()), *related.get("redirecting", ())])),
        "members": _ids(related.get("members", ())),
        # Octavia leaves it out where there is none.
        **({"healthmonitor_id": monitors[0]} if monitors else {}),
    }


def _member(plain: dict[str, Any], _: LoadedResource, __: Related) -> dict[str, Any]:
    return plain


def _health_monitor(plain: dict[str, Any], item: LoadedResource, _: Related) -> dict[str, Any]:
    assert isinstance(item.resource, HealthMonitor)  # noqa: S101 - by the table
    version = plain["http_version"]
    return {**plain, "http_version": float(version) if version else None, "pools": _ids([item.resource.pool_id])}


def _l7_policy(plain: dict[str, Any], _: LoadedResource, related: Related) -> dict[str, Any]:
    return {**plain, "rules": _ids(related.get("rules", ()))}


def _l7_rule(plain: dict[str, Any], _: LoadedResource, __: Related) -> dict[str, Any]:
    # The one kind of resource without a name.
    del plain["name"]
    return plain


_Shape = Callable[[dict[str, Any], LoadedResource, Related], dict[str, Any]]
_SHAPES: dict[str, _Shape] = {
    LOAD_BALANCER.root: _load_balancer,
    LISTENER.root: _listener,
    POOL.root: _pool,
    MEMBER.root: _member,
    HEALTH_MONITOR.root: _health_monitor,
    L7_POLICY.root: _l7_policy,
    L7_RULE.root: _l7_rule,
}


def _ids_of(kind: type[Resource], owner: str, of: Column[Any], order: tuple[str, ...] = ()) -> ScalarSelect[Any]:
    """Select the ids of those of a kind whose `owner` is the resource that a row is of, one after another."""
    c = columns(kind)
    mine = select(c.id).where(c[owner] == of, c.deleted_in.is_(None)).order_by(*(c[name] for name in order))
    return _joined(mine.correlate(of.table).subquery().c.id)


def _redirecting(pool_id: Column[Any]) -> ScalarSelect[Any]:
    """Select the listeners of policies that send to a pool and can match."""
    c, rule = columns(L7Policy), columns(L7Rule)
    ruled = select(rule.id).where(rule.l7policy_id == c.id, rule.deleted_in.is_(None)).exists()
    statement = select(c.listener_id.label("id")).where(c.redirect_pool_id == pool_id)
    statement = statement.where(c.deleted_in.is_(None), c.admin_state_up.is_(True), ruled)
    return _joined(statement.correlate(pool_id.table).subquery().c.id)


def _joined(ids: ColumnElement[Any]) -> ScalarSelect[Any]:
    return select(joined_strings(ids)).scalar_subquery()


@cache
def _related_columns(kind: ResourceType) -> Mapping[str, ScalarSelect[Any]]:
    """Say in SQL what stands beside a resource: for each name in `_SHAPES`, ids with commas between them."""
    key: Any = columns(kind.struct).id
    said: dict[str, ScalarSelect[Any]] = {}
    if kind is LOAD_BALANCER:
        said["listeners"] = _ids_of(Listener, "load_balancer_id", key)
        said["pools"] = _ids_of(Pool, "load_balancer_id", key)
    elif kind is LISTENER:
        said["policies"] = _ids_of(L7Policy, "listener_id", key, ("position",))
    elif kind is L7_POLICY:
        said["rules"] = _ids_of(L7Rule, "l7policy_id", key, ("created_at", "id"))
    elif kind is POOL:
        said["listeners"] = _ids_of(Listener, "default_pool_id", key)
        said["redirecting"] = _redirecting(key)
        said["members"] = _ids_of(Member, "pool_id", key)
        said["monitors"] = _ids_of(HealthMonitor, "pool_id", key)
    return said


def _labelled(kind: ResourceType) -> list[Label[Any]]:
    return [said.label(f"related_{name}") for name, said in _related_columns(kind).items()]


@cache
def _related_query(kind: ResourceType) -> Select[Any]:
    return select(*_labelled(kind)).where(columns(kind.struct).id == bindparam("key"))


def _related(kind: ResourceType, told: Iterable[str | None]) -> Related:
    """Return the ids of what stands beside a resource by their names in `_SHAPES`."""
    return {name: ids.split(",") if ids else [] for name, ids in zip(_related_columns(kind), told, strict=True)}
