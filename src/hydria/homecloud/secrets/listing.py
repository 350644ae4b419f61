"""Lists of the key manager: filters, pages by limit and offset, links to the next and the previous one."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select

from hydria.http.operation import Call
from hydria.store import columns
from hydria.store.tables import rows_of

R = TypeVar("R", bound=Struct)

_USUAL, _MOST = 10, 100


def listing(
    call: Call,
    kind: type[R],
    root: str,
    shown: Callable[[Call, R], dict[str, Any]],
    conditions: Sequence[ColumnElement[bool]] = (),
) -> dict[str, Any]:
    """Return the page of the caller's project that the query asks for, the oldest first, with the total."""
    c = columns(kind)
    where = (c.project_id == (call.caller.project_id or ""), *conditions)
    table = rows_of(kind).table
    total = int(call.transaction.execute(select(func.count()).select_from(table).where(*where)).scalar_one())
    limit, offset = _number(call, "limit", _USUAL, least=1), _number(call, "offset", 0, least=0)
    limit = min(limit, _MOST)
    statement = select(table).where(*where).order_by(c.created_at, c.id).limit(limit).offset(offset)
    rows = call.transaction.load(kind, statement)
    body: dict[str, Any] = {root: [shown(call, row) for row in rows], "total": total}
    if offset + limit < total:
        body["next"] = _page(call, limit, offset + limit)
    if offset:
        body["previous"] = _page(call, limit, max(0, offset - limit))
    return body


def _number(call: Call, name: str, usual: int, *, least: int) -> int:
    given = call.query.last(name) or ""
    # Barbican takes what is no number for nothing.
    return max(least, int(given)) if given.isascii() and given.isdecimal() and len(given) < 10 else usual


def _page(call: Call, limit: int, offset: int) -> str:
    others = [pair for pair in call.query.pairs if pair[0] not in ("limit", "offset")]
    return f"{call.url}?{urlencode([*others, ('limit', limit), ('offset', offset)])}"
