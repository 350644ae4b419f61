"""Rows of several kinds in one statement: each has its columns where the others have theirs of the same type."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, CompoundSelect, Row, cast, literal_column, null, select, union_all

from hydria.store.tables import rows_of


class UnionSelect:
    """The statement that selects rows of all kinds, and the way from its rows to structs."""

    def __init__(self, where: Mapping[type[Struct], Iterable[ColumnElement[bool]]]) -> None:
        """`where` has the conditions for each kind."""
        self._kinds = tuple(where)
        mine = [_by_type(kind) for kind in self._kinds]
        slots = [
            (type_, number)
            for type_ in dict.fromkeys(type_ for each in mine for type_ in each)
            for number in range(max(len(each.get(type_, ())) for each in mine))
        ]
        selections, self._places = [], list[Callable[[Row[Any]], tuple[Any, ...]]]()
        for index, (kind, has) in enumerate(zip(self._kinds, mine, strict=True)):
            filled = [has[type_][number] if number < len(has.get(type_, ())) else None for type_, number in slots]
            shown = [
                (cast(null(), type_) if column is None else column).label(f"{type_.__name__.lower()}_{number}")
                for column, (type_, number) in zip(filled, slots, strict=True)
            ]
            selections.append(select(literal_column(str(index)).label("kind"), *shown).where(*where[kind]))
            places = {column: place for place, column in enumerate(filled, 1) if column is not None}
            self._places.append(itemgetter(*(places[column] for column in rows_of(kind).table.c)))
        self.statement: CompoundSelect[Any] = union_all(*selections)

    def load(self, rows: Iterable[Row[Any]]) -> dict[type[Struct], list[Any]]:
        """Return the structs of the statement's rows by their kind, in no order."""
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
