"""Transactions over SQLite (embedded) or PostgreSQL. `work` is a function of a transaction and may run again."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hydria.store import attempts
from hydria.store.attempts import Counts, busy, judge, pause
from hydria.store.engines import ALONE, READING, WRITING, open_engine
from hydria.store.hints import Wire
from hydria.store.transaction import Milestone, Transaction
from hydria.store.turns import Turns

if TYPE_CHECKING:
    from hydria.store.shared import Shared

R = TypeVar("R")

Listener = Callable[[frozenset[str]], None]

# Threads for what waits for a database that is another process.
_THREADS = 4

_Way = Literal["write", "read", "single"]

# A connection's options before its transaction.
_EMBEDDED: dict[_Way, dict[str, Any]] = {
    "write": {"hydria_writing": True},
    "read": {"hydria_writing": False},
    "single": {"hydria_writing": None},
}
_SHARED: dict[_Way, dict[str, Any]] = {"write": WRITING, "read": READING, "single": ALONE}


class Database:
    """One database. `embedded` says that it answers without waiting for another process."""

    def __init__(self, url: str, *, synchronous: str = "full") -> None:
        """Open the database at an SQLAlchemy URL; `synchronous` is SQLite's pragma. Raises SettingsError."""
        self.engine: Engine = open_engine(url, synchronous)
        self.embedded = self.engine.dialect.name == "sqlite"
        self.counts = Counts()
        self._listeners: list[Listener] = []
        self._watchers: list[Callable[[list[Milestone]], None]] = []
        options = _EMBEDDED if self.embedded else _SHARED
        self._ways = {way: self.engine.execution_options(**each) for way, each in options.items()}
        self._attempts = attempts.EMBEDDED if self.embedded else attempts.SHARED
        self._own = threading.local()
        self._kept: list[Connection] = []
        self._wire: Wire | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hydria-database")
        self._turns = Turns()
        self._shared = None if self.embedded else self._share()

    def _share(self) -> "Shared":
        from hydria.store.shared import Shared  # noqa: PLC0415 - only servers with PostgreSQL have what it needs

        return Shared(self.engine.url, self._turns, self.counts)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All that statements go through, for whoever listens to them."""
        return (self.engine,) if self._shared is None else (self.engine, self._shared.engine)

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
                judge(error, transaction, attempt)
                self.counts.retries += 1
                if not self.embedded:
                    # Another server may be at it, for as long as its disk takes.
                    time.sleep(pause(attempt))
                continue
            self.counts.writes += 1
            self._tell(transaction)
            return result
        raise busy()

    def read(self, work: Callable[[Transaction], R], *, single: bool = False) -> R:
        """Run `work` in a transaction that only reads, on one consistent state; `single` does without that state.

        Raises Unavailable when the database cannot be reached.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                with self._alone() if single else self._begin("read") as transaction:
                    self.counts.reads += 1
                    return work(transaction)
            except DBAPIError as error:
                judge(error, None, attempt)
                self.counts.retries += 1
        raise busy()

    async def run(self, work: Callable[[Transaction], R], *, writing: bool, single: bool = False) -> R:
        """Run `work` as `transact` or `read` do; the event loop goes on when the database is another process."""
        if self._shared is None:
            # An embedded database answers faster than anything else could be begun.
            return self.transact(work) if writing else self.read(work, single=single)
        if not writing:
            return await self._shared.read(work, single=single)
        result, transaction = await self._shared.write(work)
        self._tell(transaction)
        return result

    async def aside(self, act: Callable[[], R]) -> R:
        """Do what waits for this database; the event loop goes on meanwhile when that is another process."""
        if self.embedded:
            return act()
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

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

    def _tell(self, transaction: Transaction) -> None:
        """Say what a transaction did that is committed now."""
        if transaction.milestones:
            for watcher in self._watchers:
                watcher(transaction.milestones)
        if transaction.hints:
            topics = frozenset(transaction.hints)
            self._spread(topics)
            if self._wire is not None:
                self._wire.tell(topics)

    def _spread(self, topics: frozenset[str]) -> None:
        for listener in tuple(self._listeners):
            listener(topics)

    def close(self) -> None:
        """Close all connections."""
        if self._wire is not None:
            self._wire.close()
        self._threads.shutdown()
        if self._shared is not None:
            self._shared.close()
        for connection in self._kept:
            connection.close()
        self.engine.dispose()
