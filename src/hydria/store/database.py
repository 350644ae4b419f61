"""Transactions over SQLite (embedded) or PostgreSQL. `work` is a function of a transaction and may run again."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import URL, Engine, make_url

from hydria.store.engines import EMBEDDED, missing, open_engine
from hydria.store.runner import Counts, Runner, Work
from hydria.store.transaction import Milestone, Transaction
from hydria.store.write_queue import WriteQueue

if TYPE_CHECKING:
    from hydria.store.hints import Wire
    from hydria.store.postgres import LoopRunner, ThreadRunner

R = TypeVar("R")

Listener = Callable[[frozenset[str]], None]

# How often work is run that clashes with other work, before the caller is told: SQLite waits within each.
_ATTEMPTS = 5

# Threads for what waits for a database that is another process.
_THREADS = 4


class Database:
    """One database. `embedded` says that it answers without waiting for another process."""

    def __init__(self, url: str, *, synchronous: str = "full") -> None:
        """Open the database at an SQLAlchemy URL; `synchronous` is SQLite's pragma. Raises SettingsError."""
        self._url = make_url(url)
        self._synchronous = synchronous
        self.embedded = self._url.get_backend_name() == "sqlite"
        self.counts = Counts()
        self._listeners: list[Listener] = []
        self._watchers: list[Callable[[list[Milestone]], None]] = []
        self._wire: Wire | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hydria-waiting")
        if self.embedded:
            self._runner: Runner | ThreadRunner = Runner(
                self.engine, EMBEDDED, attempts=_ATTEMPTS, counts=self.counts, take=_alone, wait=_not_again
            )
            self._shared: LoopRunner | None = None
        else:
            self._shared, self._runner = _share(self._url, self.counts)

    @cached_property
    def engine(self) -> Engine:
        """The database for who waits for it without an event loop: migrations, and what looks at tables."""
        return open_engine(self._url, self._synchronous)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All that statements of transactions go through, for whoever listens to them."""
        return (self._runner.engine,) if self._shared is None else (self._runner.engine, self._shared.engine)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with the hints of every transaction that committed some, here or in another server.

        It may be called from any thread.
        """
        self._listeners.append(listener)
        if self._wire is None and not isinstance(self._runner, Runner):
            self._wire = self._runner.wire(self._spread)

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
        self._threads.shutdown()
        if self._shared is not None:
            self._shared.close()
        self._runner.close()
        # Who has not asked for it has none.
        if "engine" in vars(self):
            self.engine.dispose()


def _share(url: URL, counts: Counts) -> "tuple[LoopRunner, ThreadRunner]":
    try:
        from hydria.store.postgres import LoopRunner, ThreadRunner  # noqa: PLC0415 - only servers with PostgreSQL have what it needs
    except ModuleNotFoundError as error:
        raise missing(error) from None
    turns = WriteQueue()
    return LoopRunner(url, turns=turns, counts=counts), ThreadRunner(url, turns=turns, counts=counts)


def _alone(after: ExitStack, *, again: bool) -> AbstractContextManager[None]:
    """SQLite has given the turn to write when it began."""
    return nullcontext()


def _not_again(_: float) -> None:
    """SQLite has waited."""
