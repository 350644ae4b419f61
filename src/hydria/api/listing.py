"""Lists as Octavia gives them: filters on any attribute, tags, sort keys, pages with links, chosen fields."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from sqlalchemy import Boolean, ColumnElement, Integer, Row, Select, Text, and_, case, cast, func, not_, or_, select

from hydria.api.resource_types import L7_RULE, LOAD_BALANCER, MEMBER, POOL, ResourceType
from hydria.api.views import HIDDEN, body, from_row, selection
from hydria.errors import Invalid
from hydria.http.operation import Call, denied
from hydria.model import HealthMonitor, LoadBalancer, Pool
from hydria.store import columns
from hydria.store.functions import contains_all, contains_any, is_among, quoted
from hydria.store.resources import Health, provisioning_status_sql
from hydria.store.tables import as_stored, rows_of

_RESERVED = {"fields", "limit", "marker", "page_reverse", "sort", "sort_key", "sort_dir", "project_id", "tenant_id"}
_TAGS = {"tags", "tags-any", "not-tags", "not-tags-any"}

_INTERNAL = HIDDEN - {"load_balancer_id", "pool_id", "l7policy_id"}

Column = ColumnElement[Any]
T = TypeVar("T")


class Catalogue(Struct, frozen=True):
    """What a list is taken from: a statement of all rows, and its columns by the names that clients know them by.

    `key` is the column that a marker names; `tags` the column with the tags, where there are any.
    """

    statement: Select[Any]
    known: Mapping[str, Column]
    key: Column
    tags: Column | None = None


def listing(call: Call, kind: ResourceType, *where: ColumnElement[bool]) -> dict[str, Any]:
    """Answer a list request: the page of resources that the caller may see, and links to the pages beside it."""
    c = columns(kind.struct)
    catalogue = Catalogue(selection(kind, with_related=True), _known(kind), c.id, c.tags)
    rows, links = page(call, catalogue, *where, *_scope(call, kind))
    shown = [body(call.transaction, kind, from_row(kind, row, with_related=True)) for row in rows]
    return {kind.plural: each_chosen(shown, call), f"{kind.plural}_links": links}


def page(
    call: Call, catalogue: Catalogue, *where: ColumnElement[bool]
) -> tuple[Sequence[Row[Any]], list[dict[str, str]]]:
    """Return the rows of the page that a list request asks for, and the links to the pages beside it."""
    statement = catalogue.statement.where(*where, *_filters(call, catalogue))
    order = _order(call, catalogue)
    limit, reverse = _limit(call), call.query.last("page_reverse") in ("true", "True", "1")
    marker = call.query.last("marker")
    if marker is not None:
        statement = statement.where(_after(call, catalogue, order, marker, reverse))
    statement = _page(statement, order, limit, reverse)
    rows: Sequence[Row[Any]] = call.transaction.execute(statement).all()
    more, rows = _cut(rows[::-1] if reverse else rows, limit, reverse)
    ends = [str(row._mapping[catalogue.key.name]) for row in (*rows[:1], *rows[-1:])]
    return rows, _links(call, ends, more, reverse)


def chosen(body: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
    """Return the fields of a body that `fields` asks for, all without it."""
    return each_chosen([body], call)[0]


def each_chosen(bodies: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Mapping[str, Any]]:
    """Return bodies with the fields that `fields` asks for, all without it."""
    wanted = set(call.query.all("fields"))
    if not wanted:
        return bodies
    return [{name: value for name, value in body.items() if name in wanted} for body in bodies]


@cache
def _known(kind: ResourceType) -> Mapping[str, Column]:
    """Return the columns by the names that clients know them by."""
    scalars = rows_of(kind.struct).scalars - _INTERNAL
    known: dict[str, Column] = {name: column for name, column in columns(kind.struct).items() if name in scalars}
    status = known["provisioning_status"] = provisioning_status_sql(kind.struct)
    # As bodies show it.
    settled = func.coalesce(known["updated_at"], known["created_at"])
    known["updated_at"] = case((status == "PENDING_CREATE", known["updated_at"]), else_=settled)
    known["operating_status"] = func.coalesce(columns(Health).operating_status, "OFFLINE")
    if kind is not LOAD_BALANCER:
        known["loadbalancer_id"] = columns(LoadBalancer).id
    if kind is L7_RULE:
        del known["name"]
    if kind is POOL:
        c = columns(HealthMonitor)
        below = (c.pool_id == columns(Pool).id) & c.deleted_in.is_(None)
        known["healthmonitor_id"] = select(c.id).where(below).correlate(rows_of(Pool).table).scalar_subquery()
    return known


def _scope(call: Call, kind: ResourceType) -> list[ColumnElement[bool]]:
    """Show callers their own project, and those who may see all what they ask for."""
    wanted = call.query.last("project_id") or call.query.last("tenant_id")
    c = columns(kind.struct)
    if kind in (MEMBER, L7_RULE) or call.may(kind.rule("get_all-global"), wanted):
        return [c.project_id == wanted] if wanted else []
    project = wanted or call.caller.project_id
    if not call.may(kind.rule("get_all"), project):
        raise denied()
    return [c.project_id == project]


def _filters(call: Call, catalogue: Catalogue) -> list[ColumnElement[bool]]:
    conditions = []
    for key in call.query.names():
        values = call.query.all(key)
        if key in _TAGS:
            if catalogue.tags is not None:
                conditions.append(_tagged(catalogue.tags, key, values))
        elif key in _RESERVED:
            continue
        elif key in catalogue.known:
            conditions.append(_any_of(catalogue.known[key], values))
        else:
            raise Invalid("One or more arguments are either duplicate or invalid")
    return conditions


def _any_of(column: Column, values: Sequence[str]) -> ColumnElement[bool]:
    if isinstance(column.type, Boolean):
        asked = {value.strip().lower() in ("true", "t", "yes", "y", "on", "1") for value in values}
        return or_(*(column.is_(each) for each in sorted(asked)))
    if isinstance(column.type, Integer):
        # Octavia finds nothing by what is no number, and so do we.
        numbers = [str(number) for value in values if (number := _number(value)) is not None]
        return is_among(cast(column, Text), numbers)
    return is_among(column, list(dict.fromkeys(text for each in values for text in (each, as_stored(column, each)))))


def _number(value: str) -> int | None:
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _tagged(column: Column, key: str, values: Iterable[str]) -> ColumnElement[bool]:
    tags = quoted([tag for value in values for tag in value.split(",")])
    found = contains_any(column, tags) if key.endswith("-any") else contains_all(column, tags)
    return not_(found) if key.startswith("not-") else found


def _order(call: Call, catalogue: Catalogue) -> list[tuple[str, Column, bool]]:
    """Return (name, column, descending), always ending in the key so that the order is total."""
    asked = [part.partition(":")[::2] for part in _split(call, "sort")]
    if not asked:
        directions = _split(call, "sort_dir")
        asked = list(zip_longest(keys := _split(call, "sort_key"), directions[: len(keys)], fillvalue=""))
    # A key that comes again sorts nothing more.
    first: dict[str, str] = {}
    for key, direction in asked:
        first.setdefault(key, direction)
    asked, named = list(first.items()), first.keys()
    known = catalogue.known
    asked += [(key, "") for key in ("created_at", catalogue.key.name) if key not in named and key in known]
    return [(key, *_sort_column(key, direction or "asc", known)) for key, direction in asked]


def _split(call: Call, name: str) -> list[str]:
    return [part for value in call.query.all(name) if value for part in value.split(",")]


def _sort_column(key: str, direction: str, known: Mapping[str, Column]) -> tuple[Column, bool]:
    if key not in known:
        raise Invalid(f"Supplied sort key '{key}' is not valid.")
    if direction.lower() not in ("asc", "desc"):
        raise Invalid(f"Supplied sort direction '{direction}' is not valid.")
    column = known[key]
    ever_null = getattr(column, "nullable", True)
    if isinstance(column.type, Boolean):
        column = cast(column, Integer)
    if ever_null:
        # Nulls sort as the empty value, so that a marker can stand on one.
        column = func.coalesce(column, 0 if isinstance(column.type, Integer) else "")
    return column, direction.lower() == "desc"


def _limit(call: Call) -> int | None:
    value = call.query.last("limit")
    if value in (None, "infinite"):
        return None
    try:
        limit = int(value)
    except ValueError:
        raise Invalid(f"Supplied pagination limit '{value}' is not valid.") from None
    return limit if 0 < limit < 2**31 else None


def _after(
    call: Call, catalogue: Catalogue, order: list[tuple[str, Column, bool]], marker: str, reverse: bool
) -> ColumnElement[bool]:
    """Say that a row stands behind the marker (before it in reverse) in a lexicographic order."""
    statement = catalogue.statement.where(catalogue.key == marker).with_only_columns(*(c for _, c, _ in order))
    values = call.transaction.execute(statement).first()
    if values is None:
        raise Invalid(f"Supplied pagination marker '{marker}' is not valid.")
    steps = []
    for index, (_, column, descending) in enumerate(order):
        beyond = column < values[index] if descending is not reverse else column > values[index]
        same = [each == value for (_, each, _), value in zip(order[:index], values, strict=False)]
        steps.append(and_(*same, beyond))
    _, first, descending = order[0]
    # Which is said by the steps too, but an index can only follow this.
    near = first <= values[0] if descending is not reverse else first >= values[0]
    return and_(near, or_(*steps))


def _page(
    statement: Select[Any], order: list[tuple[str, Column, bool]], limit: int | None, reverse: bool
) -> Select[Any]:
    statement = statement.order_by(*(c.desc() if down is not reverse else c.asc() for _, c, down in order))
    return statement if limit is None else statement.limit(limit + 1)


def _cut(found: Sequence[T], limit: int | None, reverse: bool) -> tuple[bool, Sequence[T]]:
    if limit is None or len(found) <= limit:
        return False, found
    return True, found[1:] if reverse else found[:limit]


def _links(call: Call, ends: list[str], more: bool, reverse: bool) -> list[dict[str, str]]:
    """Link to the pages beside the one between two keys, as far as there are any."""
    if not ends:
        return []
    marked = call.query.last("marker") is not None
    links = []
    if more if not reverse else marked:
        links.append(_link(call, "next", ends[-1], reverse=False))
    if marked if not reverse else more:
        links.append(_link(call, "previous", ends[0], reverse=True))
    return links


def _link(call: Call, rel: str, marker: str, *, reverse: bool) -> dict[str, str]:
    kept = [(key, value) for key, value in call.query.pairs if key not in ("marker", "page_reverse")]
    pairs = [*kept, ("marker", marker), *([("page_reverse", "True")] if reverse else [])]
    return {"rel": rel, "href": f"{call.url}?{urlencode(pairs)}"}
