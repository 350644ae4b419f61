"""Transactions over SQLite (embedded) or PostgreSQL. `work` is a function of a transaction and may run again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Insert,
    Select,
    Update,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql import Executable

from hydria.errors import Unavailable
from hydria.store.tables import rows_of

S = TypeVar("S", bound=Struct)
R = TypeVar("R")

Listener = Callable[[frozenset[str]], None]

# How often a serialisation failure is tried again before the caller is told.
_ATTEMPTS = 5


_ADDING: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Transaction:
    """Rows of one transaction, as structs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.hints: set[str] = set()

    def get(self, kind: type[S], key: str, *, column: str = "id") -> S | None:
        """Return the struct with this key, or None."""
        row = self._connection.execute(_selecting(kind, column), {"key": key}).mappings().first()
        return None if row is None else rows_of(kind).load(row)  # type: ignore[arg-type]

    def hold(self, kind: type[S], key: str, *, column: str = "id", shared: bool = False) -> S | None:
        """Return the struct with this key, or None; nobody else changes it before this transaction ends.

        `shared` lets others hold it too, who also only rely on it.
        """
        statement = _selecting(kind, column).with_for_update(read=shared)
        row = self._connection.execute(statement, {"key": key}).mappings().first()
        return None if row is None else rows_of(kind).load(row)  # type: ignore[arg-type]

    def find(self, kind: type[S], *where: ColumnElement[bool], order_by: tuple[Any, ...] = ()) -> list[S]:
        """Return the structs that meet all conditions."""
        rows = rows_of(kind)
        statement = select(rows.table).where(*where).order_by(*order_by)
        return [rows.load(row) for row in self._connection.execute(statement).mappings()]  # type: ignore[arg-type]

    def insert(self, *items: Struct) -> None:
        """Add structs; those of one kind go in one statement."""
        by_kind: dict[type[Struct], list[dict[str, Any]]] = {}
        for item in items:
            by_kind.setdefault(type(item), []).append(rows_of(type(item)).dump(item))
        for kind, dumped in by_kind.items():
            self._connection.execute(_inserting(kind), dumped)

    def ensure(self, item: Struct) -> bool:
        """Add a struct unless a row has what is its own alone, its key above all; say whether it was added.

        A row that is being added elsewhere is waited for.
        """
        rows = rows_of(type(item))
        add = _ADDING[self._connection.dialect.name](rows.table).values(rows.dump(item))
        return bool(self._connection.execute(add.on_conflict_do_nothing()).rowcount)

    def update(self, item: Struct) -> None:
        """Replace the row with the struct's key."""
        rows = rows_of(type(item))
        row = rows.dump(item)
        keys = {f"key_{column.name}": row[column.name] for column in rows.table.primary_key}
        self._connection.execute(_updating(type(item)), row | keys)

    def delete(self, kind: type[Struct], *where: ColumnElement[bool]) -> int:
        """Remove the rows that meet all conditions; returns how many."""
        if not where:
            raise ValueError("a delete names its rows")
        return int(self._connection.execute(delete(rows_of(kind).table).where(*where)).rowcount)

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run any statement of SQLAlchemy Core."""
        result = self._connection.execute(statement, parameters)
        assert isinstance(result, CursorResult)  # noqa: S101 - Core statements give nothing else
        return result

    def hint(self, topic: str) -> None:
        """Wake whoever listens for a topic once this transaction is committed; hints may be lost."""
        self.hints.add(topic)


# Writing a statement down costs as much as running it: those that are always the same are kept.


@cache
def _selecting(kind: type[Struct], column: str) -> Select[Any]:
    table = rows_of(kind).table
    return select(table).where(table.c[column] == bindparam("key"))


@cache
def _inserting(kind: type[Struct]) -> Insert:
    return insert(rows_of(kind).table)


@cache
def _updating(kind: type[Struct]) -> Update:
    table = rows_of(kind).table
    return update(table).where(*(column == bindparam(f"key_{column.name}") for column in table.primary_key))


class Database:
    """One database. `embedded` says that it answers without waiting for another process."""

    def __init__(self, url: str, *, synchronous: str = "full") -> None:
        """Open the database at an SQLAlchemy URL; `synchronous` is SQLite's pragma."""
        self.embedded = url.startswith("sqlite")
        self.engine: Engine = create_engine(url)
        self._listeners: list[Listener] = []
        if self.embedded:
            _prepare_sqlite(self.engine, synchronous)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with the hints of every transaction that committed some."""
        self._listeners.append(listener)

    def transact(self, work: Callable[[Transaction], R]) -> R:
        """Run `work` in a transaction that may write. Raises Unavailable when the database stays busy."""
        for _ in range(_ATTEMPTS):
            try:
                with self._begin(writing=True) as transaction:
                    result = work(transaction)
            except OperationalError as error:
                if not _passing(error):
                    raise
                continue
            if transaction.hints:
                for listener in self._listeners:
                    listener(frozenset(transaction.hints))
            return result
        raise Unavailable("The database is busy. Please try again.")

    def read(self, work: Callable[[Transaction], R]) -> R:
        """Run `work` in a transaction that only reads, on one consistent state."""
        with self._begin(writing=False) as transaction:
            return work(transaction)

    @contextmanager
    def _begin(self, *, writing: bool) -> Iterator[Transaction]:
        with self.engine.connect() as connection:
            connection.execution_options(hydria_writing=writing)
            with connection.begin():
                yield Transaction(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _prepare_sqlite(engine: Engine, synchronous: str) -> None:
    if synchronous not in ("full", "normal", "off"):
        raise ValueError(f"synchronous cannot be {synchronous!r}")

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # SQLAlchemy begins; the driver must not begin by itself.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", "busy_timeout = 5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads before it writes must own the write lock from the start.
        writing = connection.get_execution_options().get("hydria_writing", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _passing(error: OperationalError) -> bool:
    text = str(error.orig)
    return "database is locked" in text or getattr(error.orig, "sqlstate", None) in ("40001", "40P01")
