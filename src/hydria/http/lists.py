"""Lists of all four APIs: filters, tags, order, pages between markers with links, chosen fields.

A `Catalogue` says what there is to list. `Filters` and `Pages` say what differs between the APIs.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from sqlalchemy import Boolean, ColumnElement, Integer, Row, Select, Text, and_, cast, false, func, not_, or_

from hydria.errors import Refusal
from hydria.http.operation import Call, Query
from hydria.store.functions import contains_all, contains_any, is_among, quoted
from hydria.store.tables import as_stored

Column = ColumnElement[Any]
Condition = ColumnElement[bool]

TAGS = frozenset({"tags", "tags-any", "not-tags", "not-tags-any"})
# What the query of a page has besides filters and order.
_PLACE = frozenset({"marker", "page_reverse"})


class Catalogue(Struct, frozen=True):
    """The source of a list: a statement of all rows, and its columns by their names for clients.

    `key` is the column that a marker names; `tags` the column with the tags, where there are any. `matches` are
    filters that are more than a comparison, by name.
    """

    statement: Select[Any]
    known: Mapping[str, Column]
    key: Column
    tags: Column | None = None
    matches: Mapping[str, Callable[[Sequence[str]], Condition]] = {}


class Filters(Struct, frozen=True, kw_only=True):
    """How an API reads filters.

    `truth` reads the value of a boolean. `unknown` makes the refusal of names that are neither known nor `reserved`;
    without it they are ignored. `single` takes the last of several values only;
    `skips_blank` ignores filters without a value. `blank_tags` takes an empty tag as a tag; without it, a tag filter
    that names none finds nothing. `blank_is_null` lets an empty value find null.
    """

    truth: Callable[[str], bool]
    reserved: frozenset[str] = frozenset()
    unknown: Callable[[list[str]], Refusal] | None = None
    single: bool = False
    skips_blank: bool = False
    blank_tags: bool = True
    blank_is_null: bool = False


class Pages(Struct, frozen=True, kw_only=True):
    """How an API cuts a list into pages.

    `order` returns names of columns and whether they descend, in a total order. `limit` returns the size of a page,
    None for all rows. `reverse` says that the page before the marker is asked for. `unknown_marker` makes the refusal
    of a marker that is not there. An API that `peeks` reads one row more than it shows, and links only to pages that
    exist. One that does not links to a page that may be empty; without a limit it takes no marker, and leaves the rows
    of a reverse page as they are read.
    """

    order: Callable[[Query, Catalogue], list[tuple[str, bool]]]
    limit: Callable[[Query], int | None]
    reverse: Callable[[Query], bool]
    unknown_marker: Callable[[str], Refusal]
    peeks: bool


def conditions(query: Query, catalogue: Catalogue, style: Filters) -> list[Condition]:
    """Return the conditions that a query's filters are. Raises what `style` refuses."""
    found, unknown = [], []
    for key in query.names():
        values = query.all(key)[-1:] if style.single else query.all(key)
        if key in TAGS and catalogue.tags is not None:
            found.append(_tagged(catalogue.tags, key, values, style))
        elif key in style.reserved or (style.skips_blank and not any(values)):
            continue
        elif key in catalogue.matches:
            found.append(catalogue.matches[key](values))
        elif key in catalogue.known:
            found.append(_any_of(catalogue.known[key], values, style))
        else:
            unknown.append(key)
    if unknown and style.unknown is not None:
        raise style.unknown(unknown)
    return found


def page(
    call: Call, catalogue: Catalogue, filters: Filters, pages: Pages, *where: Condition
) -> tuple[Sequence[Row[Any]], list[dict[str, str]]]:
    """Return the rows of the page that a list request asks for, and the links to the pages next to it."""
    query = call.query
    statement = catalogue.statement.where(*where, *conditions(query, catalogue, filters))
    order = [(_sortable(catalogue.known[name]), descending) for name, descending in pages.order(query, catalogue)]
    limit, reverse = pages.limit(query), pages.reverse(query)
    marker = query.last("marker") if pages.peeks or limit is not None else None
    if marker is not None:
        statement = statement.where(_after(call, catalogue, pages, order, marker))
    statement = statement.order_by(*(c.desc() if down is not reverse else c.asc() for c, down in order))
    if limit is not None:
        statement = statement.limit(limit + pages.peeks)
    rows: Sequence[Row[Any]] = call.transaction.execute(statement).all()
    more = limit is not None and len(rows) >= limit + pages.peeks
    rows = rows[:limit]
    if reverse and (pages.peeks or limit is not None):
        rows = rows[::-1]
    # In the direction of reading, and against it.
    ahead, behind = more, marker is not None if pages.peeks else limit is not None
    if not rows:
        return rows, []
    first, last = (str(row._mapping[catalogue.key.name]) for row in (rows[0], rows[-1]))
    links = []
    if behind if reverse else ahead:
        links.append({"rel": "next", "href": address(call, _PLACE, ("marker", last))})
    if ahead if reverse else behind:
        links.append({"rel": "previous", "href": address(call, _PLACE, ("marker", first), ("page_reverse", "True"))})
    return rows, links


def address(call: Call, without: Collection[str], *pairs: tuple[str, Any]) -> str:
    """Return the address that was asked for, with other pairs in its query."""
    kept = [pair for pair in call.query.pairs if pair[0] not in without]
    return f"{call.url}?{urlencode([*kept, *pairs])}"


def with_fields(bodies: Sequence[Mapping[str, Any]], wanted: Collection[str]) -> Sequence[Mapping[str, Any]]:
    """Return bodies with the wanted fields only, unchanged where none is named."""
    if not wanted:
        return bodies
    return [{name: value for name, value in body.items() if name in wanted} for body in bodies]


def _any_of(column: Column, values: Sequence[str], style: Filters) -> Condition:
    if isinstance(column.type, Boolean):
        return or_(*(column if each else not_(column) for each in sorted({style.truth(value) for value in values})))
    if isinstance(column.type, Integer):
        # A value that is not a number matches no row.
        numbers = [str(number) for value in values if (number := _number(value)) is not None]
        return is_among(cast(column, Text), numbers)
    texts = list(dict.fromkeys(text for each in values for text in (each, as_stored(column, each))))
    found = is_among(column, texts)
    return or_(column.is_(None), found) if style.blank_is_null and "" in texts else found


def _number(value: str) -> int | None:
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _tagged(column: Column, key: str, values: Iterable[str], style: Filters) -> Condition:
    tags = quoted([tag for value in values for tag in value.split(",") if tag or style.blank_tags])
    if not tags:
        return false()
    found = contains_any(column, tags) if key.endswith("-any") else contains_all(column, tags)
    return not_(found) if key.startswith("not-") else found


def _sortable(column: Column) -> Column:
    ever_null = getattr(column, "nullable", True)
    if isinstance(column.type, Boolean):
        column = cast(column, Integer)
    if ever_null:
        # Nulls sort as the empty value, so that a marker can stand on one.
        column = func.coalesce(column, 0 if isinstance(column.type, Integer) else "")
    return column


def _after(
    call: Call, catalogue: Catalogue, pages: Pages, order: Sequence[tuple[Column, bool]], marker: str
) -> Condition:
    """Return the condition that a row follows the marker (precedes it in reverse) in a lexicographic order."""
    reverse = pages.reverse(call.query)
    statement = catalogue.statement.where(catalogue.key == marker).with_only_columns(*(c for c, _ in order))
    values = call.transaction.execute(statement).first()
    if values is None:
        raise pages.unknown_marker(marker)
    steps = []
    for index, (column, descending) in enumerate(order):
        beyond = column < values[index] if descending is not reverse else column > values[index]
        same = [each == value for (each, _), value in zip(order[:index], values, strict=False)]
        steps.append(and_(*same, beyond))
    first, descending = order[0]
    # The steps say this, too, but an index can only follow this form of it.
    near = first <= values[0] if descending is not reverse else first >= values[0]
    return and_(near, or_(*steps))
