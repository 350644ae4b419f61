"""Rows of several kinds in one UNION ALL statement: columns of the same type share a result column."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, CompoundSelect, Row, cast, literal_column, null, select, union_all

from hydria.store.tables import rows_of


class UnionSelect:
    """A statement that selects rows of several kinds, and the conversion of its rows to structs."""

    def __init__(self, where: Mapping[type[Struct], Iterable[ColumnElement[bool]]]) -> None:
        """`where` has the conditions for each kind."""
        self._kinds = tuple(where)
        by_kind = [_by_type(kind) for kind in self._kinds]
        slots = [
            (type_, number)
            for type_ in dict.fromkeys(type_ for by_type in by_kind for type_ in by_type)
            for number in range(max(len(by_type.get(type_, ())) for by_type in by_kind))
        ]
        selections, self._places = [], list[Callable[[Row[Any]], tuple[Any, ...]]]()
        for index, (kind, own) in enumerate(zip(self._kinds, by_kind, strict=True)):
            filled = [own[type_][number] if number < len(own.get(type_, ())) else None for type_, number in slots]
            shown = [
                (cast(null(), type_) if column is None else column).label(f"{type_.__name__.lower()}_{number}")
                for column, (type_, number) in zip(filled, slots, strict=True)
            ]
            selections.append(select(literal_column(str(index)).label("kind"), *shown).where(*where[kind]))
            places = {column: place for place, column in enumerate(filled, 1) if column is not None}
            self._places.append(itemgetter(*(places[column] for column in rows_of(kind).table.c)))
        self.statement: CompoundSelect[Any] = union_all(*selections)

    def load(self, rows: Iterable[Row[Any]]) -> dict[type[Struct], list[Any]]:
        """Return the structs of the statement's rows by kind, in no particular order."""
        found: dict[type[Struct], list[Any]] = {kind: [] for kind in self._kinds}
        for row in rows:
            kind, own = self._kinds[row[0]], self._places[row[0]]
            found[kind].append(rows_of(kind).load(own(row)))
        return found


def _by_type(kind: type[Struct]) -> dict[type[Any], list[Column[Any]]]:
    found: dict[type[Any], list[Column[Any]]] = {}
    for column in rows_of(kind).table.c:
        found.setdefault(type(column.type), []).append(column)
    return found
