"""/quotas: how many resources a project may have, and the check of every create against it.

Usage is counted over the rows, under a lock of the project's quota: no counter can drift.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, func, literal, select, union_all

from hydria.api.etags import digest, digested
from hydria.api.listing import page
from hydria.api.resource_types import (
    HEALTH_MONITOR,
    L7_POLICY,
    L7_RULE,
    LISTENER,
    LOAD_BALANCER,
    MEMBER,
    POOL,
    ApiNames,
    ResourceType,
)
from hydria.errors import Forbidden, NotFound
from hydria.http.lists import Catalogue
from hydria.http.operation import Call, Operation
from hydria.model import Child, Resource
from hydria.model.base import given
from hydria.model.quota import LIMITS, UNLIMITED, WIRE_NAMES, Quota, QuotaUpdate
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of

QUOTA = ApiNames(root="quota", plural="quotas", policy="quota", title="quota", key="project_id")

# The kind that each limit counts, in the order in which Octavia checks them.
_LIMITED: tuple[tuple[ResourceType[Any], str], ...] = (
    (LOAD_BALANCER, "load_balancer"),
    (POOL, "pool"),
    (HEALTH_MONITOR, "health_monitor"),
    (MEMBER, "member"),
    (LISTENER, "listener"),
    (L7_POLICY, "l7policy"),
    (L7_RULE, "l7rule"),
)

_PATH = "/quotas/{project_id}"


class Quotas:
    """The operations on quotas, and their enforcement."""

    def __init__(self, defaults: Mapping[str, int] | None = None) -> None:
        """`defaults` are the limits of projects without their own, by `Quota`'s names; absent ones do not limit."""
        self._defaults = dict.fromkeys(LIMITS, UNLIMITED) | dict(defaults or {})

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, with paths below `/lbaas`."""
        rule = QUOTA.rule
        return (
            Operation(
                method="GET", path="/quotas", on="collection", shows=QUOTA, work=self._list, rule=rule("get_all")
            ),
            Operation(method="GET", path=_PATH, on="item", shows=QUOTA, work=self._show, rule=rule("get_one")),
            Operation(
                method="PUT",
                path=_PATH,
                on="item",
                shows=QUOTA,
                work=self._put,
                tag=self._tag,
                form=QuotaUpdate,
                root="quota",
                status=202,
                rule=rule("put"),
            ),
            Operation(
                method="DELETE",
                path=_PATH,
                on="item",
                shows=QUOTA,
                work=self._delete,
                tag=self._tag,
                status=202,
                rule=rule("delete"),
            ),
            Operation(method="GET", path=_PATH + "/default", work=self._show_default, rule=rule("get_defaults")),
        )

    def take(self, transaction: Transaction, project_id: str, wanted: Mapping[type[Resource], int]) -> None:
        """Refuse a create when the project may not have that many more of each kind. Raises Forbidden.

        Call it in the transaction of the create, before the rows are written, once for all resources. It locks the
        project's quota, so that the second of two concurrent creates counts the resources of the first.
        """
        more = {name: (kind, wanted[kind.struct]) for kind, name in _LIMITED if wanted.get(kind.struct, 0) > 0}
        limits = self._locked(transaction, project_id, more) if more else {}
        if not limits:
            return
        counts = [_count(more[name][0], name, project_id) for name in limits]
        in_use = dict(map(tuple, transaction.execute(union_all(*counts))))
        for name, limit in limits.items():
            kind, number = more[name]
            if in_use[name] + number > limit:
                raise Forbidden(f"Quota has been met for resources: {kind.title}")

    def _locked(self, transaction: Transaction, project_id: str, names: Mapping[str, Any]) -> dict[str, int]:
        """Lock a project's quota and return those of the named limits that are limited."""
        quota = transaction.hold(Quota, project_id, column="project_id")
        if quota is None:
            if all(self._defaults[name] == UNLIMITED for name in names):
                return {}
            # Only a row can be locked.
            transaction.ensure(Quota(project_id=project_id))
            quota = transaction.hold(Quota, project_id, column="project_id")
        limits = self._limits(quota or Quota(project_id=project_id))
        return {name: limits[name] for name in names if limits[name] != UNLIMITED}

    def _limits(self, quota: Quota) -> dict[str, int]:
        given_limits = {name: getattr(quota, name) for name in LIMITS}
        return {name: self._defaults[name] if limit is None else limit for name, limit in given_limits.items()}

    def _limited_body(self, quota: Quota) -> dict[str, Any]:
        return _body(structs.replace(quota, **self._limits(quota)))

    def _list(self, call: Call) -> Any:
        c = columns(Quota)
        known: dict[str, ColumnElement[Any]] = dict(c.items())
        known |= {wire: c[name] for name, wire in WIRE_NAMES.items()}
        rows, links = page(call, Catalogue(select(rows_of(Quota).table), known, c.project_id), *_scope(call))
        # Octavia shows limits that are not the project's own as null here.
        found = [rows_of(Quota).load(row) for row in rows]
        return {"quotas": [_body(quota) for quota in found], "quotas_links": links}

    def _shown(self, call: Call) -> dict[str, Any]:
        project_id = _project(call)
        quota = call.transaction.get(Quota, project_id, column="project_id")
        return self._limited_body(quota or Quota(project_id=project_id))

    def _tag(self, call: Call) -> str:
        return digest(self._shown(call))

    def _show(self, call: Call) -> Any:
        return digested("quota", self._shown(call))

    def _show_default(self, call: Call) -> Any:
        return {"quota": self._limited_body(Quota(project_id=_project(call)))}

    def _put(self, call: Call) -> Any:
        project_id = _project(call)
        changes = given(call.form)
        for name, wire in WIRE_NAMES.items():
            if wire in changes:
                changes[name] = changes.pop(wire)
        call.transaction.ensure(Quota(project_id=project_id))
        before = call.transaction.hold(Quota, project_id, column="project_id")
        if before is None:
            raise RuntimeError(f"the quota of project {project_id} is gone")
        quota = structs.replace(before, **changes)
        call.transaction.update(quota)
        return digested("quota", self._limited_body(quota))

    def _delete(self, call: Call) -> None:
        project_id = _project(call)
        if call.transaction.hold(Quota, project_id, column="project_id") is None:
            raise NotFound(f"Quotas {project_id} not found.")
        call.transaction.update(Quota(project_id=project_id))


def _project(call: Call) -> str:
    project_id = call.path["project_id"]
    call.authorise(project_id)
    return project_id


def _scope(call: Call) -> list[ColumnElement[bool]]:
    wanted = call.query.last("project_id") or call.query.last("tenant_id")
    if not call.may(QUOTA.rule("get_all-global"), wanted):
        wanted = wanted or call.caller.project_id
        call.authorise(wanted)
    return [columns(Quota).project_id == wanted] if wanted else []


def _count(kind: ResourceType[Any], name: str, project_id: str) -> Any:
    """Select how many of a kind a project has: load balancers until they are gone, others until they are deleted."""
    c = columns(kind.struct)
    statement = select(literal(name), func.count()).select_from(rows_of(kind.struct).table)
    statement = statement.where(c.project_id == project_id)
    return statement.where(c.deleted_in.is_(None)) if issubclass(kind.struct, Child) else statement


def _body(quota: Struct) -> dict[str, Any]:
    plain = structs.asdict(quota)
    plain |= {wire: plain[name] for name, wire in WIRE_NAMES.items()}
    return {**plain, "tenant_id": plain["project_id"]}
