"""PostgreSQL for event loops: work runs in a greenlet and waits through asyncpg, without a thread for each call.

SQLAlchemy's asyncio layer imports its ORM, 10 MB. This module uses the functions below that layer instead.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.util import await_only, greenlet_spawn

from hydria.store.engines import SHARED, database_unreachable
from hydria.store.hints import HintChannel
from hydria.store.runner import Counts, Runner, Work
from hydria.store.transaction import Transaction
from hydria.store.write_queue import WriteQueue
from hydria.tasks import endless

R = TypeVar("R")

# How often conflicting work is run before it fails.
_ATTEMPTS = 20

# Transactions at once. Readers and writers have separate limits, so writers that queue do not delay reads.
_READERS, _WRITERS = 8, 4

# The timeout of a connection attempt (seconds).
_CONNECT = 10.0
# PostgreSQL ends a transaction in which nothing was asked for so long: a server that hangs would keep its rows locked
# for all others.
_LONGEST_PAUSE = "15s"
# The size of a connection's cache of prepared statements; larger than the number of statements.
_PREPARED = 500
# libpq's options in a URL, which asyncpg would send to the server as settings.
_LIBPQ_ONLY = (
    *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "client_encoding", "channel_binding", "sslcompression", "sslsni", "sslnegotiation"),
)


class LoopRunner:
    """The transactions of one event loop."""

    def __init__(self, url: URL, *, queue: WriteQueue, counts: Counts) -> None:
        """Open no connection yet."""
        # Connections can be cut from any thread, an engine closed only by its event loop.
        self._opened: WeakSet[Any] = WeakSet()
        address = url.difference_update_query(_LIBPQ_ONLY).set(drivername="postgresql")
        self._name = address.render_as_string(hide_password=False)
        self.engine: Engine = create_engine(
            "postgresql+asyncpg://",
            creator=self._create,
            pool_size=_READERS + _WRITERS,
            max_overflow=_READERS,
            pool_use_lifo=True,
        )
        self._runner = Runner(self.engine, SHARED, attempts=_ATTEMPTS, counts=counts, take=self._take, sleep=_sleep)
        self._queue = queue
        # Only one greenlet of this event loop waits for the queue, which other event loops share.
        self._line = asyncio.Lock()
        self._readers, self._writers = asyncio.Semaphore(_READERS), asyncio.Semaphore(_WRITERS)

    async def connect(self) -> Any:
        """Return a connection of asyncpg. Raises Unavailable."""
        try:
            connection = await asyncpg.connect(
                self._name,
                timeout=_CONNECT,
                server_settings={
                    "idle_in_transaction_session_timeout": _LONGEST_PAUSE,
                    # Compiling a long statement takes two seconds, running it a few milliseconds.
                    "jit": "off",
                    # The tables are in memory, so a row found by an index costs little more than the next one.
                    "random_page_cost": "1.1",
                },
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise database_unreachable() from error
        self._opened.add(connection)
        return connection

    def _create(self, prepared: int = _PREPARED) -> Any:
        assert self.engine.dialect.dbapi is not None  # noqa: S101 - SQLAlchemy's adapter of asyncpg
        return self.engine.dialect.dbapi.connect(
            async_creator_fn=lambda **_: self.connect(), prepared_statement_cache_size=prepared
        )

    async def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Call `Runner.write` in a greenlet."""
        async with self._writers:
            return await greenlet_spawn(self._runner.write, work)

    async def read(self, work: Work[R], *, single: bool) -> R:
        """Call `Runner.read` in a greenlet."""
        async with self._readers:
            return await greenlet_spawn(self._runner.read, work, single=single)

    async def with_connection(self, work: Callable[[Connection], R]) -> R:
        """Run `work` once in a transaction on a plain connection."""
        # A migration changes tables under prepared statements, so none is kept and the connection is not used again.
        engine = create_engine("postgresql+asyncpg://", creator=partial(self._create, prepared=0), poolclass=NullPool)

        def alone() -> R:
            with engine.begin() as connection:
                return work(connection)

        return await greenlet_spawn(alone)

    @contextmanager
    def _take(self, after: ExitStack, *, retrying: bool) -> Iterator[None]:
        await_only(self._line.acquire())
        try:
            with self._queue.take(after, retrying=retrying):
                yield
        finally:
            self._line.release()

    def close(self) -> None:
        """Cut all connections. The event loop need not run any more."""
        for connection in self._runner.idle():
            connection.invalidate()
            connection.close()
        for opened in tuple(self._opened):
            if not opened.is_closed():
                opened.terminate()
        self.engine.dispose(close=False)


class ThreadRunner:
    """A `LoopRunner` for threads: they block while an event loop in its own thread does the work."""

    def __init__(self, url: URL, *, queue: WriteQueue, counts: Counts) -> None:
        """Start the thread; open no connection yet."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hydria-database", daemon=True)
        self._thread.start()
        self._runner = LoopRunner(url, queue=queue, counts=counts)
        self.engine = self._runner.engine
        self._channels: list[asyncio.Task[None]] = []

    def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Call `Runner.write` and wait for it."""
        return self._wait(self._runner.write(work))

    def read(self, work: Work[R], *, single: bool) -> R:
        """Call `Runner.read` and wait for it."""
        return self._wait(self._runner.read(work, single=single))

    def with_connection(self, work: Callable[[Connection], R]) -> R:
        """Call `LoopRunner.with_connection` and wait for it."""
        return self._wait(self._runner.with_connection(work))

    def open_channel(self, deliver: Callable[[frozenset[str]], object]) -> HintChannel:
        """Exchange hints with the database's other servers; `deliver` is called with received topics, in a thread."""
        channel = HintChannel(self._loop, self._runner.connect, deliver)
        self._wait(self._start(channel))
        return channel

    async def _start(self, channel: HintChannel) -> None:
        self._channels.append(endless(channel.run(), "hints"))

    def _wait(self, act: Coroutine[Any, Any, R]) -> R:
        if threading.current_thread() is self._thread:
            act.close()
            raise RuntimeError("a transaction was started inside another one, which would deadlock")
        return asyncio.run_coroutine_threadsafe(act, self._loop).result()

    def close(self) -> None:
        """Stop the tasks and the thread, and cut all connections."""
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for channel in self._channels:
            channel.cancel()
        await asyncio.gather(*self._channels, return_exceptions=True)
        self._runner.close()
        await self._loop.shutdown_default_executor()


def _sleep(seconds: float) -> None:
    await_only(asyncio.sleep(seconds))
