"""Lists as Neutron gives them: filters on any attribute, tags, sort keys, pages with links, chosen fields."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Boolean, ColumnElement, Integer, Text, and_, cast, false, func, not_, or_, select

from hydria.homecloud.network.faults import bad_request, fault, invalid_input
from hydria.homecloud.network.kinds import Column, Kind
from hydria.homecloud.network.rows import Row
from hydria.http.operation import Call
from hydria.store import columns
from hydria.store.functions import contains_all, contains_any, is_among, quoted
from hydria.store.tables import as_stored, rows_of

_RESERVED = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})
_TAGS = frozenset({"tags", "tags-any", "not-tags", "not-tags-any"})

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")

# A sort key's column and whether it descends.
Order = list[tuple[Column, bool]]


def listing(call: Call, kind: Kind) -> dict[str, Any]:
    """Answer a list request: what the caller may see of what is asked for, and links to the pages beside it."""
    order, limit = _order(call, kind), _limit(call)
    reverse = (call.query.last("page_reverse") or "").lower() in _TRUE
    marker = call.query.last("marker")
    statement = select(rows_of(kind.row).table).where(kind.visible(call.caller), *_filters(call, kind))
    if limit is not None:
        if marker is not None:
            statement = statement.where(_after(call, kind, order, marker, reverse))
        statement = statement.limit(limit)
    statement = statement.order_by(*(c.desc() if down is not reverse else c.asc() for c, down in order))
    rows = call.transaction.load(kind.row, statement)
    if reverse and limit is not None:
        rows.reverse()
    answer: dict[str, Any] = {kind.plural: shown(call, kind, rows)}
    links = _links(call, rows, limit, reverse)
    return answer | {f"{kind.plural}_links": links} if links else answer


def shown(call: Call, kind: Kind, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the bodies of rows, with the fields that `fields` asks for, all without it."""
    return [chosen(call, body) for body in kind.view(call.transaction, rows, call.caller)]


def chosen(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body that `fields` asks for, all without it."""
    wanted = {name for name in call.query.all("fields") if name}
    return {name: value for name, value in body.items() if name in wanted} if wanted else body


def _filters(call: Call, kind: Kind) -> list[ColumnElement[bool]]:
    conditions, unknown = [], []
    for key in call.query.names():
        values = call.query.all(key)
        if key in _RESERVED:
            continue
        if key in _TAGS and "tags" in columns(kind.row):
            conditions.append(_tagged(columns(kind.row).tags, key, values))
        elif key in kind.matches:
            conditions.append(kind.matches[key](values))
        elif key in kind.attributes:
            conditions.append(_any_of(kind.attributes[key], values))
        else:
            unknown.append(key)
    if unknown:
        raise fault("HTTPBadRequest", msg=f"{unknown} is invalid attribute for filtering")
    return conditions


def _any_of(column: Column, values: Sequence[str]) -> ColumnElement[bool]:
    if isinstance(column.type, Boolean):
        return or_(*(column if each else not_(column) for each in sorted({_truth(value) for value in values})))
    if isinstance(column.type, Integer):
        return is_among(cast(column, Text), values)
    # What is not there is found by the empty text.
    return is_among(func.coalesce(column, ""), [as_stored(column, value) for value in values])


def _truth(value: str) -> bool:
    text = value.strip().lower()
    if text not in _TRUE + _FALSE:
        raise invalid_input(f"'{value[:40]}' cannot be converted to boolean")
    return text in _TRUE


def _tagged(column: Column, key: str, values: Sequence[str]) -> ColumnElement[bool]:
    tags = quoted([tag for value in values for tag in value.split(",") if tag])
    if not tags:
        return false()
    found = contains_any(column, tags) if key.endswith("-any") else contains_all(column, tags)
    return not_(found) if key.startswith("not-") else found


def _order(call: Call, kind: Kind) -> Order:
    """Return the columns to sort by, always ending in the id so that the order is total."""
    keys, directions = call.query.all("sort_key"), call.query.all("sort_dir")
    if len(keys) != len(directions):
        raise fault("HTTPBadRequest", msg="The number of sort_keys and sort_dirs must be same")
    unknown = [key for key in keys if key not in kind.attributes]
    if unknown:
        raise fault("HTTPBadRequest", msg=f"{unknown} is invalid attribute for sort_keys")
    wrong = [direction for direction in directions if direction not in ("asc", "desc")]
    if wrong:
        text = f"{wrong} is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
        raise fault("HTTPBadRequest", msg=text)
    # A key that comes again sorts nothing more.
    first: dict[str, str] = {}
    for key, direction in zip(keys, directions, strict=True):
        first.setdefault(key, direction)
    asked = list(first.items()) or [("created_at", "asc")]
    return [(_sortable(kind.attributes[key]), direction == "desc") for key, direction in [*asked, ("id", "asc")]]


def _sortable(column: Column) -> Column:
    # Nulls sort as the empty value, so that a marker can stand on one.
    return func.coalesce(column, 0 if isinstance(column.type, Integer | Boolean) else "")


def _limit(call: Call) -> int | None:
    value = call.query.last("limit")
    if not value:
        return None
    try:
        limit = int(value)
    except ValueError:
        limit = -1
    if not 0 <= limit < 2**31:
        raise bad_request("limit", f"Limit must be an integer 0 or greater and not '{value[:40]}'")
    return limit or None


def _after(call: Call, kind: Kind, order: Order, marker: str, reverse: bool) -> ColumnElement[bool]:
    """Say that a row stands behind the marker (before it in reverse)."""
    wanted = select(*(column for column, _ in order)).where(columns(kind.row).id == marker, kind.visible(call.caller))
    values = call.transaction.execute(wanted).first()
    if values is None:
        raise fault(kind.missing, id=marker)
    steps = []
    for index, (column, descending) in enumerate(order):
        beyond = column < values[index] if descending is not reverse else column > values[index]
        same = [each == value for (each, _), value in zip(order[:index], values, strict=False)]
        steps.append(and_(*same, beyond))
    return or_(*steps)


def _links(call: Call, rows: Sequence[Row], limit: int | None, reverse: bool) -> list[dict[str, str]]:
    """Link to the pages beside this one; as in Neutron, a full page may have an empty one beside it."""
    if limit is None or not rows:
        return []
    links = []
    if len(rows) == limit or reverse:
        links.append(_link(call, "next", rows[-1].id, reverse=False))
    if len(rows) == limit or not reverse:
        links.append(_link(call, "previous", rows[0].id, reverse=True))
    return links


def _link(call: Call, rel: str, marker: str, *, reverse: bool) -> dict[str, str]:
    kept = [(key, value) for key, value in call.query.pairs if key not in ("marker", "page_reverse")]
    pairs = [*kept, ("marker", marker), *([("page_reverse", "True")] if reverse else [])]
    return {"rel": rel, "href": f"{call.url}?{urlencode(pairs)}"}
