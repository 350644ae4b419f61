"""Tables made from structs: one column for each field, so that a new field is written down once.

Scalar fields are columns of their own type. Lists, maps and structs are stored as JSON text.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Float, Index, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from hydria.model.addresses import CANONICAL

S = TypeVar("S", bound=Struct)

_Columns = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
_Indexed = tuple[ColumnElement[Any], ColumnElement[bool] | None]

metadata = MetaData()

_SCALARS: dict[Any, type[Any]] = {str: Text, int: BigInteger, bool: Boolean, float: Float}


class Rows(Generic[S]):
    """One kind of struct, its table, and the conversion between struct and row."""

    def __init__(self, kind: type[S], table: Table, packed: Mapping[str, Any]) -> None:
        self.kind = kind
        self.table = table
        self._names = tuple(table.c.keys())
        self._packed = packed
        # The columns that hold a scalar, not JSON.
        self.scalars = frozenset(self._names) - frozenset(packed)
        self._decoders = {name: msgspec.json.Decoder(hint) for name, hint in packed.items()}

    def dump(self, item: S) -> dict[str, Any]:
        """Return the row of a struct."""
        row = {name: getattr(item, name) for name in self._names}
        for name in self._packed:
            row[name] = msgspec.json.encode(row[name]).decode()
        return row

    def load(self, row: Iterable[Any]) -> S:
        """Return the struct of a row that begins with the table's columns, in their order."""
        values = dict(zip(self._names, row, strict=False))
        for name, decoder in self._decoders.items():
            values[name] = decoder.decode(values[name])
        return self.kind(**values)


_registered: dict[type[Struct], Rows[Any]] = {}


def register(
    kind: type[S],
    name: str,
    *,
    key: tuple[str, ...] = ("id",),
    unique: tuple[tuple[str, ...], ...] = (),
    index: tuple[tuple[str, ...], ...] = (),
    special: Mapping[str, Callable[[_Columns], _Indexed]] = MappingProxyType({}),
) -> Rows[S]:
    """Define the table of a kind of struct; `unique` and `index` are groups of column names.

    `special` are indexes by name: what is indexed, and the condition of the rows that are in the index, None for all. A
    statement uses such an index if it contains the same expressions.
    """
    packed: dict[str, Any] = {}
    table_columns: list[Column[Any]] = []
    for field, hint in get_type_hints(kind, include_extras=True).items():
        bare, nullable = _bare(hint)
        scalar = _SCALARS.get(bare)
        if scalar is None:
            packed[field] = hint
        is_key = field in key
        table_columns.append(
            Column(
                field,
                scalar or Text,
                primary_key=is_key,
                nullable=nullable and not is_key and scalar is not None,
                info={"format": format_of(hint)},
            )
        )
    constraints = [UniqueConstraint(*group, name=f"uq_{name}_{'_'.join(group)}") for group in unique]
    indexes = [Index(f"ix_{name}_{'_'.join(group)}", *group) for group in index]
    table = Table(name, metadata, *table_columns, *constraints, *indexes)
    for label, choose in special.items():
        indexed, condition = choose(table.c)
        Index(f"ix_{name}_{label}", indexed, sqlite_where=condition, postgresql_where=condition)
    rows = Rows(kind, table, packed)
    _registered[kind] = rows
    return rows


def rows_of(kind: type[S]) -> Rows[S]:
    """Return the registered rows of a kind of struct."""
    return _registered[kind]


def columns(kind: type[Struct]) -> ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]:
    """Return the columns of a kind of struct, for conditions: `columns(Pool).load_balancer_id == id`."""
    return _registered[kind].table.c


def as_stored(column: ColumnElement[Any], text: str) -> str:
    """Return a text in the form that the column stores, for comparisons: addresses have one canonical form.

    A text that is not an address is returned unchanged and matches no row.
    """
    canonical = CANONICAL.get(getattr(column, "info", {}).get("format") or "")
    if canonical is None:
        return text
    try:
        return canonical(text)
    except ValueError:
        return text


def format_of(hint: Any) -> str | None:
    """Return the format in a type hint's metadata (`hydria.model.fields`), or None."""
    if get_origin(hint) is Annotated:
        named = ((bound.extra or {}).get("format") for bound in hint.__metadata__ if isinstance(bound, msgspec.Meta))
        return next((name for name in named if name is not None), None)
    if get_origin(hint) in (Union, UnionType):
        return next((name for name in map(format_of, get_args(hint)) if name is not None), None)
    return None


def _bare(hint: Any) -> tuple[Any, bool]:
    """Return the stored type of a type hint, without bounds, and whether it may be None."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0]), False
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        if len(kinds) == 1:
            return _bare(kinds[0])[0], True
    return hint, False
