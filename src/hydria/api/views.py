"""From rows to bodies: a resource with its statuses and the ids of the resources that are related to it.

The number of statements does not depend on the number of resources.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, Generic

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
    R,
    ResourceType,
)
from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.base import INTERNAL
from hydria.model.status import UNREPORTED, Progress, provisioning_status
from hydria.store import Transaction, columns
from hydria.store.functions import joined_strings
from hydria.store.resources import Health
from hydria.store.statuses import pending_below_sql
from hydria.store.tables import rows_of

# Attributes of a load balancer that no body shows.
_COUNTED = {"generation", "change_id", "observed", "failed", "reason"}
HIDDEN = INTERNAL | _COUNTED | {"vip_port_owned", "topology", "ticket_day", "pool_id", "l7policy_id"}

# Ids of related resources, by their names in `_SHAPES`.
Related = dict[str, list[str]]

_PROGRESS = Progress.__struct_fields__


class LoadedResource(Struct, Generic[R], frozen=True, kw_only=True):
    """A resource as it was read, with its load balancer's progress and what its hosts report.

    `pending_below` says that a change of a resource that it has or uses is pending. `related` is None where the ids
    of related resources were not read.
    """

    kind: ResourceType[R]
    resource: R
    progress: Progress
    operating_status: str
    load_balancer_id: str
    trouble: str | None = None
    pending_below: bool = False
    related: Related | None = None

    @property
    def tag(self) -> str:
        """The entity tag: the generation of the last change of the resource; a load balancer's includes its tree."""
        if isinstance(self.resource, LoadBalancer):
            return str(self.resource.generation)
        return str(max(self.resource.changed_in, self.resource.deleted_in or 0))


@cache
def selection(kind: ResourceType[Any], *, with_related: bool = False) -> Select[Any]:
    """Return the statement that reads resources of a kind with all that their statuses are derived from.

    `with_related` adds the ids of related resources.
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


def from_row(kind: ResourceType[R], row: Row[Any], *, with_related: bool = False) -> LoadedResource[R]:
    """Return the resource of a row of `selection`, which must have had the same `with_related`."""
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
    transaction: Transaction, kind: ResourceType[R], key: str, *, with_related: bool = False
) -> LoadedResource[R] | None:
    """Return one resource, or None."""
    row = transaction.execute(_one(kind, with_related), {"key": key}).first()
    return None if row is None else from_row(kind, row, with_related=with_related)


@cache
def _one(kind: ResourceType[Any], with_related: bool) -> Select[Any]:
    return selection(kind, with_related=with_related).where(columns(kind.struct).id == bindparam("key"))


def body(transaction: Transaction, kind: ResourceType[R], loaded: LoadedResource[R]) -> dict[str, Any]:
    """Return the body of one resource, as Octavia writes it; reads the ids of related resources if they are missing."""
    related = loaded.related
    if related is None:
        row = (
            transaction.execute(_related_query(kind), {"key": loaded.resource.id}).one()
            if _related_columns(kind)
            else ()
        )
        related = _related(kind, row)
    return body_with(loaded, related)


def body_with(loaded: LoadedResource[Any], related: Related) -> dict[str, Any]:
    """Return a resource's body with the given ids of related resources."""
    resource: Resource = loaded.resource
    names, values = _shown(type(resource))
    plain = dict(zip(names, values(resource), strict=True))
    plain["tenant_id"] = resource.project_id
    plain["provisioning_status"] = provisioning_status(
        resource, loaded.progress, loaded.trouble, pending_below=loaded.pending_below
    )
    plain["operating_status"] = loaded.operating_status
    if plain["updated_at"] is None and plain["provisioning_status"] != "PENDING_CREATE":
        # Octavia writes the row, and so the time, when a resource becomes ACTIVE; here the status is derived.
        plain["updated_at"] = plain["created_at"]
    return _SHAPES[loaded.kind.root](plain, loaded, related)


@cache
def _shown(kind: type[Resource]) -> tuple[tuple[str, ...], Callable[[Resource], tuple[Any, ...]]]:
    """Return the names of the stored attributes that a body shows, and the function that reads them all."""
    names = tuple(name for name in kind.__struct_fields__ if name not in HIDDEN)
    return names, attrgetter(*names)


def _ids(values: Iterable[str]) -> list[dict[str, str]]:
    return [{"id": value} for value in values]


def _load_balancer(plain: dict[str, Any], _: LoadedResource[Any], related: Related) -> dict[str, Any]:
    return {**plain, "listeners": _ids(related.get("listeners", ())), "pools": _ids(related.get("pools", ()))}


def _listener(plain: dict[str, Any], loaded: LoadedResource[Any], related: Related) -> dict[str, Any]:
    policies = _ids(related.get("policies", ()))
    headers = plain["insert_headers"] or {}
    return {
        **plain,
        "loadbalancers": _ids([loaded.load_balancer_id]),
        "l7policies": policies,
        "insert_headers": headers,
    }


def _pool(plain: dict[str, Any], loaded: LoadedResource[Any], related: Related) -> dict[str, Any]:
    monitors = related.get("monitors", [])
    return {
        **plain,
        "loadbalancers": _ids([loaded.load_balancer_id]),
        # A listener may send to the pool by default and by its policies.
        "listeners": _ids(dict.fromkeys([*related.get("listeners", ()), *related.get("redirecting", ())])),
        "members": _ids(related.get("members", ())),
        # Octavia leaves the attribute out where there is no monitor.
        **({"healthmonitor_id": monitors[0]} if monitors else {}),
    }


def _member(plain: dict[str, Any], _: LoadedResource[Any], __: Related) -> dict[str, Any]:
    return plain


def _health_monitor(plain: dict[str, Any], loaded: LoadedResource[Any], _: Related) -> dict[str, Any]:
    version = plain["http_version"]
    return {**plain, "http_version": float(version) if version else None, "pools": _ids([loaded.resource.pool_id])}


def _l7_policy(plain: dict[str, Any], _: LoadedResource[Any], related: Related) -> dict[str, Any]:
    return {**plain, "rules": _ids(related.get("rules", ()))}


def _l7_rule(plain: dict[str, Any], _: LoadedResource[Any], __: Related) -> dict[str, Any]:
    # L7 rules are the only resources without a name.
    del plain["name"]
    return plain


_Shape = Callable[[dict[str, Any], LoadedResource[Any], Related], dict[str, Any]]
_SHAPES: dict[str, _Shape] = {
    LOAD_BALANCER.root: _load_balancer,
    LISTENER.root: _listener,
    POOL.root: _pool,
    MEMBER.root: _member,
    HEALTH_MONITOR.root: _health_monitor,
    L7_POLICY.root: _l7_policy,
    L7_RULE.root: _l7_rule,
}


def _ids_of(kind: type[Resource], owner: str, key: Column[Any], order: tuple[str, ...] = ()) -> ScalarSelect[Any]:
    """Select the ids of the resources of a kind whose column `owner` equals `key`, a column of the outer statement."""
    c = columns(kind)
    owned = select(c.id).where(c[owner] == key, c.deleted_in.is_(None)).order_by(*(c[name] for name in order))
    return _joined(owned.correlate(key.table).subquery().c.id)


def _redirecting(pool_id: Column[Any]) -> ScalarSelect[Any]:
    """Select the listeners whose policies send to a pool; a policy that is off or has no rules never matches."""
    c, rule = columns(L7Policy), columns(L7Rule)
    has_rules = select(rule.id).where(rule.l7policy_id == c.id, rule.deleted_in.is_(None)).exists()
    statement = select(c.listener_id.label("id")).where(c.redirect_pool_id == pool_id)
    statement = statement.where(c.deleted_in.is_(None), c.admin_state_up.is_(True), has_rules)
    return _joined(statement.correlate(pool_id.table).subquery().c.id)


def _joined(ids: ColumnElement[Any]) -> ScalarSelect[Any]:
    return select(joined_strings(ids)).scalar_subquery()


@cache
def _related_columns(kind: ResourceType[Any]) -> Mapping[str, ScalarSelect[Any]]:
    """Return the subqueries for the ids of related resources, joined by commas, by their names in `_SHAPES`."""
    key: Any = columns(kind.struct).id
    found: dict[str, ScalarSelect[Any]] = {}
    if kind is LOAD_BALANCER:
        found["listeners"] = _ids_of(Listener, "load_balancer_id", key)
        found["pools"] = _ids_of(Pool, "load_balancer_id", key)
    elif kind is LISTENER:
        found["policies"] = _ids_of(L7Policy, "listener_id", key, ("position",))
    elif kind is L7_POLICY:
        found["rules"] = _ids_of(L7Rule, "l7policy_id", key, ("created_at", "id"))
    elif kind is POOL:
        found["listeners"] = _ids_of(Listener, "default_pool_id", key)
        found["redirecting"] = _redirecting(key)
        found["members"] = _ids_of(Member, "pool_id", key)
        found["monitors"] = _ids_of(HealthMonitor, "pool_id", key)
    return found


def _labelled(kind: ResourceType[Any]) -> list[Label[Any]]:
    return [subquery.label(f"related_{name}") for name, subquery in _related_columns(kind).items()]


@cache
def _related_query(kind: ResourceType[Any]) -> Select[Any]:
    return select(*_labelled(kind)).where(columns(kind.struct).id == bindparam("key"))


def _related(kind: ResourceType[Any], row: Iterable[str | None]) -> Related:
    return {name: ids.split(",") if ids else [] for name, ids in zip(_related_columns(kind), row, strict=True)}
