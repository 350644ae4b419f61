"""Lists of the key manager: filters, pages by limit and offset, links to the next and the previous one."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import func, select

from hydria.http import lists
from hydria.http.lists import Catalogue, Column, Condition, Filters
from hydria.http.operation import Call
from hydria.http.text import truth
from hydria.store import columns
from hydria.store.tables import rows_of

R = TypeVar("R", bound=Struct)

_USUAL, _MOST = 10, 100
_PLACE = frozenset({"limit", "offset"})
_FILTERS = Filters(truth=lambda value: truth(value) is True, single=True, skips_blank=True)


def listing(
    call: Call,
    kind: type[R],
    root: str,
    shown: Callable[[Call, R], dict[str, Any]],
    known: Mapping[str, Column],
    *where: Condition,
) -> dict[str, Any]:
    """Return the page of the caller's project that the query asks for, the oldest first, with the total.

    `known` are the columns by the names of the filters; other filters are ignored.
    """
    c = columns(kind)
    mine = select(rows_of(kind).table).where(c.project_id == (call.caller.project_id or ""), *where)
    mine = mine.where(*lists.conditions(call.query, Catalogue(mine, known, c.id), _FILTERS))
    total = int(call.transaction.execute(mine.with_only_columns(func.count())).scalar_one())
    limit, offset = _number(call, "limit", _USUAL, least=1), _number(call, "offset", 0, least=0)
    limit = min(limit, _MOST)
    rows = call.transaction.load(kind, mine.order_by(c.created_at, c.id).limit(limit).offset(offset))
    body: dict[str, Any] = {root: [shown(call, row) for row in rows], "total": total}
    if offset + limit < total:
        body["next"] = _link(call, limit, offset + limit)
    if offset:
        body["previous"] = _link(call, limit, max(0, offset - limit))
    return body


def _number(call: Call, name: str, usual: int, *, least: int) -> int:
    given = call.query.last(name) or ""
    # Barbican ignores what is no number.
    return max(least, int(given)) if given.isascii() and given.isdecimal() and len(given) < 10 else usual


def _link(call: Call, limit: int, offset: int) -> str:
    return lists.address(call, _PLACE, ("limit", limit), ("offset", offset))
