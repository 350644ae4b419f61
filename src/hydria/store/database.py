"""Transactions over SQLite (embedded) or PostgreSQL. `work` is a function of a transaction and may run again."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from random import SystemRandom
from typing import Any, Literal, TypeVar

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
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

from hydria.errors import Unavailable
from hydria.store.engines import full, open_engine, overtaken, passing, unreachable
from hydria.store.hints import Wire
from hydria.store.tables import rows_of
from hydria.store.turns import Turns

S = TypeVar("S", bound=Struct)
R = TypeVar("R")

Listener = Callable[[frozenset[str]], None]

# How often work is run that clashes with other work, before the caller is told: SQLite waits within each.
_ATTEMPTS_EMBEDDED = 5
_ATTEMPTS_SHARED = 20

# How long it pauses before, at most (seconds), twice as long each time, so many times.
_PAUSE, _DOUBLED = 0.001, 7
_random = SystemRandom()

# How many transactions a server has at once in a database that is another process.
_READERS, _WRITERS = 8, 4

_Way = Literal["write", "read", "single"]

# A connection's options before its transaction. On PostgreSQL, what writes is serializable: it
# reads what it likes before it writes, and of two transactions that could spoil each other one is run again.
# To begin and to end a transaction costs as much as a statement: a single one goes without.
_EMBEDDED: dict[_Way, dict[str, Any]] = {
    "write": {"hydria_writing": True},
    "read": {"hydria_writing": False},
    "single": {"hydria_writing": None},
}
_SHARED: dict[_Way, dict[str, Any]] = {
    "write": {"isolation_level": "SERIALIZABLE"},
    "read": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "single": {"isolation_level": "AUTOCOMMIT"},
}

_ADDING: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Milestone(Struct, frozen=True, kw_only=True):
    """A load balancer's generation that began with a transaction, or up to which all is served (or gone) by now."""

    load_balancer_id: str
    generation: int
    served: bool


class Transaction:
    """Rows of one transaction, as structs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.hints: set[str] = set()
        self.milestones: list[Milestone] = []
        # Whether only the commit is left.
        self.done = False

    def get(self, kind: type[S], key: str, *, column: str = "id") -> S | None:
        """Return the struct with this key, or None."""
        row = self._connection.execute(_selecting(kind, column), {"key": key}).first()
        return None if row is None else rows_of(kind).load(row)

    def hold(self, kind: type[S], key: str, *, column: str = "id", shared: bool = False) -> S | None:
        """Return the struct with this key, or None; nobody else changes it before this transaction ends.

        `shared` lets others hold it too, who also only rely on it.
        """
        row = self._connection.execute(_holding(kind, column, shared), {"key": key}).first()
        return None if row is None else rows_of(kind).load(row)

    def find(self, kind: type[S], *where: ColumnElement[bool], order_by: tuple[Any, ...] = ()) -> list[S]:
        """Return the structs that meet all conditions."""
        return self.load(kind, select(rows_of(kind).table).where(*where).order_by(*order_by))

    def load(self, kind: type[S], statement: Select[Any], parameters: Any = None) -> list[S]:
        """Return the structs of the rows of a statement, which selects their table."""
        return list(map(rows_of(kind).load, self._connection.execute(statement, parameters).all()))

    def among(self, kind: type[S], keys: Sequence[str], *, column: str = "id") -> list[S]:
        """Return the structs with these keys."""
        return self.load(kind, _several(kind, column), {"keys": keys}) if keys else []

    def insert(self, *items: Struct) -> None:
        """Add structs; those of one kind go in one statement."""
        by_kind: dict[type[Struct], list[dict[str, Any]]] = {}
        for item in items:
            by_kind.setdefault(type(item), []).append(rows_of(type(item)).dump(item))
        for kind, dumped in by_kind.items():
            self._connection.execute(_inserting(kind), _one_or_all(dumped))

    def ensure(self, item: Struct) -> bool:
        """Add a struct unless a row has what is its own alone, its key above all; say whether it was added.

        A row that is being added elsewhere is waited for.
        """
        rows = rows_of(type(item))
        add = _ADDING[self._connection.dialect.name](rows.table).values(rows.dump(item))
        return bool(self._connection.execute(add.on_conflict_do_nothing()).rowcount)

    def update(self, *items: Struct) -> None:
        """Replace the rows with the structs' keys; those of one kind go in one statement."""
        by_kind: dict[type[Struct], list[dict[str, Any]]] = {}
        for item in items:
            rows = rows_of(type(item))
            row = rows.dump(item)
            keys = {f"key_{column.name}": row[column.name] for column in rows.table.primary_key}
            by_kind.setdefault(type(item), []).append(row | keys)
        for kind, dumped in by_kind.items():
            self._connection.execute(_updating(kind), _one_or_all(dumped))

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
def _several(kind: type[Struct], column: str) -> Select[Any]:
    table = rows_of(kind).table
    return select(table).where(table.c[column].in_(bindparam("keys", expanding=True)))


@cache
def _holding(kind: type[Struct], column: str, shared: bool) -> Select[Any]:
    return _selecting(kind, column).with_for_update(read=shared)


@cache
def _inserting(kind: type[Struct]) -> Insert:
    return insert(rows_of(kind).table)


@cache
def _updating(kind: type[Struct]) -> Update:
    table = rows_of(kind).table
    return update(table).where(*(column == bindparam(f"key_{column.name}") for column in table.primary_key))


def _one_or_all(rows: list[dict[str, Any]]) -> Any:
    # What goes to PostgreSQL as a batch waits for it twice.
    return rows[0] if len(rows) == 1 else rows


class Database:
    """One database. `embedded` says that it answers without waiting for another process."""

    def __init__(self, url: str, *, synchronous: str = "full") -> None:
        """Open the database at an SQLAlchemy URL; `synchronous` is SQLite's pragma. Raises SettingsError."""
        self.engine: Engine = open_engine(url, synchronous)
        self.embedded = self.engine.dialect.name == "sqlite"
        self._listeners: list[Listener] = []
        self._watchers: list[Callable[[list[Milestone]], None]] = []
        # Since the start, for whoever measures.
        self.reads = self.writes = self.retries = 0
        options = _EMBEDDED if self.embedded else _SHARED
        self._ways = {way: self.engine.execution_options(**each) for way, each in options.items()}
        self._attempts = _ATTEMPTS_EMBEDDED if self.embedded else _ATTEMPTS_SHARED
        self._own = threading.local()
        self._kept: list[Connection] = []
        self._wire: Wire | None = None
        # Those that wait for their turn to write keep nobody from reading.
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="hydria-database")
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="hydria-writer")
        self._turns = Turns()

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with the hints of every transaction that committed some, here or in another server.

        It may be called from any thread.
        """
        self._listeners.append(listener)
        if self._wire is None and not self.embedded:
            self._wire = Wire(self.engine, self._spread)

    def watch(self, watcher: Callable[[list[Milestone]], None]) -> None:
        """Call `watcher` with the milestones of every transaction that this process commits. It must not fail."""
        self._watchers.append(watcher)

    def transact(self, work: Callable[[Transaction], R]) -> R:
        """Run `work` in a transaction that may write, again when it clashes with another.

        Raises Unavailable when the database stays busy or cannot be reached.
        """
        for attempt in range(1, self._attempts + 1):
            transaction = None
            try:
                with ExitStack() as end, self._begin("write") as transaction:
                    with self._turns.take(end, again=attempt > 1):
                        result = work(transaction)
                    transaction.done = True
            except DBAPIError as error:
                _judge(error, transaction, attempt)
                self.retries += 1
                if not self.embedded:
                    # Another server may be at it, for as long as its disk takes.
                    time.sleep(_random.uniform(0, _PAUSE * 2 ** min(attempt, _DOUBLED)))
                continue
            break
        else:
            raise Unavailable("The database is busy. Please try again.")
        self.writes += 1
        if transaction.milestones:
            for watcher in self._watchers:
                watcher(transaction.milestones)
        if transaction.hints:
            topics = frozenset(transaction.hints)
            self._spread(topics)
            if self._wire is not None:
                self._wire.tell(topics)
        return result

    def read(self, work: Callable[[Transaction], R], *, single: bool = False) -> R:
        """Run `work` in a transaction that only reads, on one consistent state; `single` does without that state.

        Raises Unavailable when the database cannot be reached.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                with self._alone() if single else self._begin("read") as transaction:
                    self.reads += 1
                    return work(transaction)
            except DBAPIError as error:
                _judge(error, None, attempt)
                self.retries += 1
        raise Unavailable("The database is busy. Please try again.")

    async def run(self, work: Callable[[Transaction], R], *, writing: bool, single: bool = False) -> R:
        """Run `work` as `transact` or `read` do; see `aside`."""
        act = partial(self.transact, work) if writing else partial(self.read, work, single=single)
        return await self.aside(act, writing=writing)

    async def aside(self, act: Callable[[], R], *, writing: bool = False) -> R:
        """Do what waits for this database; the event loop goes on meanwhile when that is another process."""
        # An embedded database answers faster than a thread is woken.
        if self.embedded:
            return act()
        return await asyncio.get_running_loop().run_in_executor(self._writers if writing else self._threads, act)

    @contextmanager
    def _begin(self, way: _Way) -> Iterator[Transaction]:
        with self._ways[way].connect() as connection, connection.begin():
            yield Transaction(connection)

    @contextmanager
    def _alone(self) -> Iterator[Transaction]:
        """Read without a transaction, on a connection that this thread keeps: to fetch one costs as much as to read."""
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._ways["single"].connect()
            self._kept.append(connection)
        try:
            yield Transaction(connection)
        except DBAPIError:
            del self._own.connection
            self._kept.remove(connection)
            connection.close()
            raise

    def _spread(self, topics: frozenset[str]) -> None:
        for listener in tuple(self._listeners):
            listener(topics)

    def close(self) -> None:
        """Close all connections."""
        if self._wire is not None:
            self._wire.close()
        self._threads.shutdown()
        self._writers.shutdown()
        for connection in self._kept:
            connection.close()
        self.engine.dispose()


def _judge(error: DBAPIError, transaction: Transaction | None, attempt: int) -> None:
    """Return when the work may be run again. Raises Unavailable, or the error."""
    # A commit that was cut off may have happened.
    if error.connection_invalidated and transaction is not None and transaction.done:
        raise Unavailable("The database was lost while it saved. Look whether the change is there.") from error
    if passing(error) or (attempt == 1 and overtaken(error)):
        return
    if full(error):
        raise Unavailable("The server's disk is full: nothing was changed. Make room there, then try again.") from error
    if unreachable(error):
        raise Unavailable("The database cannot be reached. Please try again.") from error
    raise error
