"""Lists as Octavia has them: filters on any attribute, tags, sort keys, pages with links, selected fields."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, Row, case, func, select

from hydria.api.resource_types import L7_RULE, LOAD_BALANCER, MEMBER, POOL, ResourceType
from hydria.api.views import HIDDEN, body, from_row, selection
from hydria.errors import Invalid
from hydria.http import lists
from hydria.http.lists import Catalogue, Column, Condition, Filters, Pages
from hydria.http.operation import Call, Query, denied
from hydria.http.text import truth
from hydria.model import HealthMonitor, LoadBalancer, Pool
from hydria.store import columns
from hydria.store.statuses import operating_status_sql, provisioning_status_sql
from hydria.store.tables import rows_of

_INTERNAL = HIDDEN - {"load_balancer_id", "pool_id", "l7policy_id"}


def listing(call: Call, kind: ResourceType[Any], *where: ColumnElement[bool]) -> dict[str, Any]:
    """Answer a list request: the page of resources that the caller may see, and links to the pages next to it."""
    c = columns(kind.struct)
    catalogue = Catalogue(selection(kind, with_related=True), _known(kind), c.id, c.tags)
    rows, links = page(call, catalogue, *where, *_scope(call, kind))
    shown = [body(call.transaction, kind, from_row(kind, row, with_related=True)) for row in rows]
    return {kind.plural: each_chosen(shown, call), f"{kind.plural}_links": links}


def page(call: Call, catalogue: Catalogue, *where: Condition) -> tuple[Sequence[Row[Any]], list[dict[str, str]]]:
    """Return the rows of the page that a list request asks for, and the links to the pages next to it."""
    return lists.page(call, catalogue, _FILTERS, _PAGES, *where)


def chosen(body: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
    """Return the attributes of a body that the query's `fields` name, or all without `fields`."""
    return each_chosen([body], call)[0]


def each_chosen(bodies: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Mapping[str, Any]]:
    """Return bodies with the attributes that the query's `fields` name, or all without `fields`."""
    return lists.with_fields(bodies, set(call.query.all("fields")))


@cache
def _known(kind: ResourceType[Any]) -> Mapping[str, Column]:
    """Return the columns that lists can be filtered and sorted by, by their attribute names."""
    scalars = rows_of(kind.struct).scalars - _INTERNAL
    known: dict[str, Column] = {name: column for name, column in columns(kind.struct).items() if name in scalars}
    status = known["provisioning_status"] = provisioning_status_sql(kind.struct)
    # As bodies show the time.
    settled = func.coalesce(known["updated_at"], known["created_at"])
    known["updated_at"] = case((status == "PENDING_CREATE", known["updated_at"]), else_=settled)
    known["operating_status"] = operating_status_sql()
    if kind is not LOAD_BALANCER:
        known["loadbalancer_id"] = columns(LoadBalancer).id
    if kind is L7_RULE:
        del known["name"]
    if kind is POOL:
        c = columns(HealthMonitor)
        below = (c.pool_id == columns(Pool).id) & c.deleted_in.is_(None)
        known["healthmonitor_id"] = select(c.id).where(below).correlate(rows_of(Pool).table).scalar_subquery()
    return known


def _scope(call: Call, kind: ResourceType[Any]) -> list[ColumnElement[bool]]:
    """Limit a list to the caller's project, or to the project asked for where the caller may see all."""
    wanted = call.query.last("project_id") or call.query.last("tenant_id")
    c = columns(kind.struct)
    if kind in (MEMBER, L7_RULE) or call.may(kind.rule("get_all-global"), wanted):
        return [c.project_id == wanted] if wanted else []
    project = wanted or call.caller.project_id
    if not call.may(kind.rule("get_all"), project):
        raise denied()
    return [c.project_id == project]


def _order(query: Query, catalogue: Catalogue) -> list[tuple[str, bool]]:
    """Return names of columns and whether they descend, always ending in the key so that the order is total."""
    asked = [part.partition(":")[::2] for part in _split(query, "sort")]
    if not asked:
        directions = _split(query, "sort_dir")
        asked = list(zip_longest(keys := _split(query, "sort_key"), directions[: len(keys)], fillvalue=""))
    # A repeated key has no effect.
    first: dict[str, str] = {}
    for key, direction in asked:
        first.setdefault(key, direction)
    known = catalogue.known
    for key in ("created_at", catalogue.key.name):
        if key in known:
            first.setdefault(key, "")
    return [(_known_key(key, known), _descends(direction or "asc")) for key, direction in first.items()]


def _split(query: Query, name: str) -> list[str]:
    return [part for value in query.all(name) if value for part in value.split(",")]


def _known_key(key: str, known: Mapping[str, Column]) -> str:
    if key not in known:
        raise Invalid(f"Supplied sort key '{key}' is not valid.")
    return key


def _descends(direction: str) -> bool:
    if direction.lower() not in ("asc", "desc"):
        raise Invalid(f"Supplied sort direction '{direction}' is not valid.")
    return direction.lower() == "desc"


def _limit(query: Query) -> int | None:
    value = query.last("limit")
    if value in (None, "infinite"):
        return None
    try:
        limit = int(value)
    except ValueError:
        raise Invalid(f"Supplied pagination limit '{value}' is not valid.") from None
    return limit if 0 < limit < 2**31 else None


_FILTERS = Filters(
    truth=lambda value: truth(value) is True,
    # Tags are ignored where there are none.
    reserved=lists.TAGS | frozenset({
        "fields", "limit", "marker", "page_reverse", "sort", "sort_key", "sort_dir", "project_id", "tenant_id",
    }),
    unknown=lambda _names: Invalid("One or more arguments are either duplicate or invalid"),
)  # fmt: skip

_PAGES = Pages(
    order=_order,
    limit=_limit,
    reverse=lambda query: query.last("page_reverse") in ("true", "True", "1"),
    unknown_marker=lambda marker: Invalid(f"Supplied pagination marker '{marker}' is not valid."),
    peeks=True,
)
