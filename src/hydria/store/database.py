"""Transactions over SQLite (embedded) or PostgreSQL. `work` is a function of a transaction and may run again."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine

from hydria.store.engines import EMBEDDED, SHARED, open_engine
from hydria.store.hints import Wire
from hydria.store.runner import Counts, Runner, Work
from hydria.store.transaction import Milestone, Transaction
from hydria.store.turns import Turns

if TYPE_CHECKING:
    from hydria.store.shared import Shared

R = TypeVar("R")

Listener = Callable[[frozenset[str]], None]

# How often work is run that clashes with other work, before the caller is told: SQLite waits within each.
_ATTEMPTS_EMBEDDED = 5
_ATTEMPTS_SHARED = 20

# Threads for what waits for a database that is another process.
_THREADS = 4


class Database:
    """One database. `embedded` says that it answers without waiting for another process."""

    def __init__(self, url: str, *, synchronous: str = "full") -> None:
        """Open the database at an SQLAlchemy URL; `synchronous` is SQLite's pragma. Raises SettingsError."""
        self.engine: Engine = open_engine(url, synchronous)
        self.embedded = self.engine.dialect.name == "sqlite"
        self.counts = Counts()
        self._listeners: list[Listener] = []
        self._watchers: list[Callable[[list[Milestone]], None]] = []
        self._wire: Wire | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hydria-database")
        self._turns = Turns()
        self._runner = Runner(
            self.engine,
            EMBEDDED if self.embedded else SHARED,
            attempts=_ATTEMPTS_EMBEDDED if self.embedded else _ATTEMPTS_SHARED,
            counts=self.counts,
            take=self._turns.take,
            wait=_at_once if self.embedded else time.sleep,
        )
        self._shared = None if self.embedded else self._share()

    def _share(self) -> "Shared":
        from hydria.store.shared import Shared  # noqa: PLC0415 - only servers with PostgreSQL have what it needs

        return Shared(self.engine.url, attempts=_ATTEMPTS_SHARED, turns=self._turns, counts=self.counts)

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

    def transact(self, work: Work[R]) -> R:
        """Run `work` in a transaction that may write, again when it clashes with another.

        Raises Unavailable when the database stays busy or cannot be reached.
        """
        result, transaction = self._runner.write(work)
        self._tell(transaction)
        return result

    def read(self, work: Work[R], *, single: bool = False) -> R:
        """Run `work` in a transaction that only reads, on one consistent state; `single` does without that state.

        Raises Unavailable when the database cannot be reached.
        """
        return self._runner.read(work, single=single)

    async def run(self, work: Work[R], *, writing: bool, single: bool = False) -> R:
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
        for connection in self._runner.idle():
            connection.close()
        self.engine.dispose()


def _at_once(_: float) -> None:
    """SQLite has waited."""
