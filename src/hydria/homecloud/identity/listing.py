"""Lists as Keystone gives them: a few filters, sorted by name, everything on one page."""

from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from sqlalchemy import select

from hydria.http import lists
from hydria.http.lists import Catalogue, Condition, Filters
from hydria.http.operation import Call
from hydria.http.text import truth
from hydria.store import columns
from hydria.store.tables import rows_of

S = TypeVar("S", bound=Struct)


def matching(call: Call, kind: type[S], names: tuple[str, ...], *where: Condition) -> list[S]:
    """Return the rows that meet the query's filters of these names, sorted by name; other filters are ignored."""
    c, table = columns(kind), rows_of(kind).table
    catalogue = Catalogue(select(table), {name: c[name] for name in names}, c.id, c.tags if "tags" in c else None)
    return call.transaction.find(kind, *where, *lists.conditions(call.query, catalogue, _FILTERS), order_by=(c.name,))


def listing(call: Call, key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of a list."""
    query = f"?{urlencode(call.query.pairs)}" if call.query.pairs else ""
    return {"links": {"next": None, "self": call.url + query, "previous": None}, key: items}


def wanted(call: Call, key: str) -> bool | None:
    """Return a filter that is true or false, or None where it is not given; without a value it is true."""
    value = call.query.last(key)
    return None if value is None else _truth(value)


def flag(call: Call, key: str) -> bool:
    """Return the value of a boolean filter; False when it is missing."""
    return bool(wanted(call, key))


def _truth(value: str) -> bool:
    return truth(value) is not False


_FILTERS = Filters(truth=_truth, single=True)
