"""Lists as Neutron gives them: filters on any attribute, tags, sort keys, pages with links, chosen fields."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from msgspec import structs
from sqlalchemy import select

from hydria.errors import Refusal
from hydria.homecloud.network.faults import bad_request, fault, invalid_input
from hydria.homecloud.network.kinds import Kind
from hydria.homecloud.network.rows import Row
from hydria.http import lists
from hydria.http.lists import Catalogue, Filters, Pages
from hydria.http.operation import Call, Query
from hydria.http.text import TRUE, truth
from hydria.store import columns
from hydria.store.tables import rows_of


def listing(call: Call, kind: Kind) -> dict[str, Any]:
    """Answer a list request: what the caller may see of what is asked for, and links to the pages next to it."""
    c, rows = columns(kind.row), rows_of(kind.row)
    statement = select(rows.table).where(kind.visible(call.caller))
    tags = c.tags if "tags" in c else None
    catalogue = Catalogue(statement, kind.attributes, c.id, tags, kind.matches)
    found, links = lists.page(call, catalogue, _FILTERS, _pages(kind.missing))
    answer: dict[str, Any] = {kind.plural: shown(call, kind, [rows.load(row) for row in found])}
    return answer | {f"{kind.plural}_links": links} if links else answer


def shown(call: Call, kind: Kind, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the bodies of rows, with the fields that `fields` asks for, all without it."""
    return [chosen(call, body) for body in kind.view(call.transaction, rows, call.caller)]


def chosen(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body that `fields` asks for, all without it."""
    wanted = {name for name in call.query.all("fields") if name}
    return dict(lists.with_fields([body], wanted)[0])


def _truth(value: str) -> bool:
    meant = truth(value)
    if meant is None:
        raise invalid_input(f"'{value[:40]}' cannot be converted to boolean")
    return meant


def _unknown(names: list[str]) -> Refusal:
    return fault("HTTPBadRequest", msg=f"{names} is invalid attribute for filtering")


def _order(query: Query, catalogue: Catalogue) -> list[tuple[str, bool]]:
    """Return names of columns and whether they descend, always ending in the id so that the order is total."""
    keys, directions = query.all("sort_key"), query.all("sort_dir")
    if len(keys) != len(directions):
        raise fault("HTTPBadRequest", msg="The number of sort_keys and sort_dirs must be same")
    unknown = [key for key in keys if key not in catalogue.known]
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
    return [(key, direction == "desc") for key, direction in [*asked, ("id", "asc")]]


def _limit(query: Query) -> int | None:
    value = query.last("limit")
    if not value:
        return None
    try:
        limit = int(value)
    except ValueError:
        limit = -1
    if not 0 <= limit < 2**31:
        raise bad_request("limit", f"Limit must be an integer 0 or greater and not '{value[:40]}'")
    return limit or None


_FILTERS = Filters(
    truth=_truth,
    reserved=frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"}),
    unknown=_unknown,
    blank_tags=False,
    blank_is_null=True,
)

_PAGES = Pages(
    order=_order,
    limit=_limit,
    reverse=lambda query: (query.last("page_reverse") or "").lower() in TRUE,
    unknown_marker=lambda marker: fault("HTTPBadRequest", msg=marker),
    peeks=False,
)


@cache
def _pages(missing: str) -> Pages:
    return structs.replace(_PAGES, unknown_marker=lambda marker: fault(missing, id=marker))
