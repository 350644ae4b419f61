"""Transactions over SQLite (embedded) or PostgreSQL. `work` is a function of a transaction and may run again."""

import asyncio
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, make_url

from hydria.store.engines import EMBEDDED, module_missing, open_sqlite
from hydria.store.runner import Counts, Runner, Work
from hydria.store.transaction import Milestone, Transaction
from hydria.store.write_queue import WriteQueue

if TYPE_CHECKING:
    from hydria.store.hints import HintChannel
    from hydria.store.postgres import LoopRunner, ThreadRunner

R = TypeVar("R")

Listener = Callable[[frozenset[str]], None]

# How often conflicting work is run before it fails. SQLite waits for its lock within each attempt.
_ATTEMPTS = 5

# Threads for blocking calls to a database server.
_THREADS = 4


class Database:
    """One database. `embedded` means that it runs in this process (SQLite) and so answers without a wait."""

    def __init__(
        self, url: str, *, synchronous: str = "full", compiled: MutableMapping[Any, Any] | None = None
    ) -> None:
        """Open the database at an SQLAlchemy URL; `synchronous` is SQLite's pragma. Raises SettingsError.

        `compiled` keeps compiled statements where several SQLite databases of one process share them.
        """
        address = make_url(url)
        self.embedded = address.get_backend_name() == "sqlite"
        self.counts = Counts()
        self._listeners: list[Listener] = []
        self._watchers: list[Callable[[list[Milestone]], None]] = []
        self._channel: HintChannel | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hydria-waiting")
        if self.embedded:
            engine = open_sqlite(address, synchronous, compiled)
            self._runner: Runner | ThreadRunner = Runner(
                engine, EMBEDDED, attempts=_ATTEMPTS, counts=self.counts, take=_no_queue, sleep=_no_sleep
            )
            self._shared: LoopRunner | None = None
        else:
            self._shared, self._runner = _open_shared(address, self.counts)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that run the statements of transactions, for event listeners."""
        return (self._runner.engine,) if self._shared is None else (self._runner.engine, self._shared.engine)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with the hints of every committed transaction, of this server or of another.

        The call may come from any thread.
        """
        self._listeners.append(listener)
        if self._channel is None and not isinstance(self._runner, Runner):
            self._channel = self._runner.open_channel(self._call_listeners)

    def watch(self, watcher: Callable[[list[Milestone]], None]) -> None:
        """Call `watcher` with the milestones of every transaction that this process commits. It must not fail."""
        self._watchers.append(watcher)

    def transact(self, work: Work[R]) -> R:
        """Run `work` in a transaction that may write. Run it again when it conflicts with another transaction.

        Raises Unavailable when the database stays busy or cannot be reached.
        """
        result, transaction = self._runner.write(work)
        self._publish(transaction)
        return result

    def read(self, work: Work[R], *, single: bool = False) -> R:
        """Run `work` in a read-only transaction, on one snapshot. With `single` each statement has its own snapshot.

        Raises Unavailable when the database cannot be reached.
        """
        return self._runner.read(work, single=single)

    def with_connection(self, work: Callable[[Connection], R]) -> R:
        """Run `work` once in a transaction on a plain connection: for migrations, and whatever looks at tables."""
        return self._runner.with_connection(work)

    async def run(self, work: Work[R], *, writing: bool, single: bool = False) -> R:
        """Run `work` as `transact` or `read` do, without blocking the event loop when the database is a server."""
        if self._shared is None:
            # An embedded database answers faster than a switch to another thread or task.
            return self.transact(work) if writing else self.read(work, single=single)
        if not writing:
            return await self._shared.read(work, single=single)
        result, transaction = await self._shared.write(work)
        self._publish(transaction)
        return result

    async def run_blocking(self, act: Callable[[], R]) -> R:
        """Call a function that blocks on this database: in a thread, or at once when the database is embedded."""
        if self.embedded:
            return act()
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    def _publish(self, transaction: Transaction) -> None:
        """Publish the milestones and hints of a committed transaction."""
        if transaction.milestones:
            for watcher in self._watchers:
                watcher(transaction.milestones)
        if transaction.hints:
            topics = frozenset(transaction.hints)
            self._call_listeners(topics)
            if self._channel is not None:
                self._channel.send(topics)

    def _call_listeners(self, topics: frozenset[str]) -> None:
        for listener in tuple(self._listeners):
            listener(topics)

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown()
        if self._shared is not None:
            self._shared.close()
        self._runner.close()


def _open_shared(url: URL, counts: Counts) -> "tuple[LoopRunner, ThreadRunner]":
    try:
        from hydria.store.postgres import LoopRunner, ThreadRunner  # noqa: PLC0415 - needs the extra `postgresql`
    except ModuleNotFoundError as error:
        raise module_missing(error) from None
    queue = WriteQueue()
    return LoopRunner(url, queue=queue, counts=counts), ThreadRunner(url, queue=queue, counts=counts)


def _no_queue(after: ExitStack, *, retrying: bool) -> AbstractContextManager[None]:
    """SQLite took its write lock when the transaction began."""
    return nullcontext()


def _no_sleep(_: float) -> None:
    """SQLite waited for its lock already (`busy_timeout`)."""
