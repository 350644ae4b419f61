"""PostgreSQL as an event loop asks it: work runs in a greenlet and waits over asyncpg, no thread is woken for it.

SQLAlchemy's own layer for asyncio would bring its whole ORM along, 10 MB; this stands on what that stands on.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.util import await_only, greenlet_spawn

from hydria.store.engines import SHARED, lost
from hydria.store.hints import Wire
from hydria.store.runner import Counts, Runner, Work
from hydria.store.transaction import Transaction
from hydria.store.write_queue import WriteQueue
from hydria.tasks import endless

R = TypeVar("R")

# How often work is run that clashes with other work, before the caller is told.
_ATTEMPTS = 20

# Transactions at once. Those that wait for their turn to write keep nobody from reading.
_READERS, _WRITERS = 8, 4

# How long a connection may take to be there (seconds).
_CONNECT = 10.0
# Statements that a connection keeps prepared: more than there are.
_PREPARED = 500
# What a URL may say to libpq that asyncpg would hand on to the server.
_LIBPQ_ONLY = (
    *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "client_encoding", "channel_binding", "sslcompression", "sslsni", "sslnegotiation"),
)


class LoopRunner:
    """The transactions of one event loop."""

    def __init__(self, url: URL, *, turns: WriteQueue, counts: Counts) -> None:
        """Connect to nothing yet."""
        # They can be cut from anywhere; an engine is closed by its event loop alone.
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
        self._runner = Runner(self.engine, SHARED, attempts=_ATTEMPTS, counts=counts, take=self._take, wait=_wait)
        self._turns = turns
        # Only the first in line asks for the turn that other event loops take too.
        self._line = asyncio.Lock()
        self._readers, self._writers = asyncio.Semaphore(_READERS), asyncio.Semaphore(_WRITERS)

    async def connect(self) -> Any:
        """Return a connection of asyncpg. Raises Unavailable."""
        try:
            connection = await asyncpg.connect(self._name, timeout=_CONNECT)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise lost() from error
        self._opened.add(connection)
        return connection

    def _create(self) -> Any:
        assert self.engine.dialect.dbapi is not None  # noqa: S101 - asyncpg, in SQLAlchemy's clothes
        return self.engine.dialect.dbapi.connect(
            async_creator_fn=lambda **_: self.connect(), prepared_statement_cache_size=_PREPARED
        )

    async def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Do as `Runner.write` does."""
        async with self._writers:
            return await greenlet_spawn(self._runner.write, work)

    async def read(self, work: Work[R], *, single: bool) -> R:
        """Do as `Runner.read` does."""
        async with self._readers:
            return await greenlet_spawn(self._runner.read, work, single=single)

    @contextmanager
    def _take(self, after: ExitStack, *, again: bool) -> Iterator[None]:
        await_only(self._line.acquire())
        try:
            with self._turns.take(after, again=again):
                yield
        finally:
            self._line.release()

    def close(self) -> None:
        """Cut all connections, whether or not the event loop still runs."""
        for connection in self._runner.idle():
            connection.invalidate()
            connection.close()
        for opened in tuple(self._opened):
            if not opened.is_closed():
                opened.terminate()
        self.engine.dispose(close=False)


class ThreadRunner:
    """`Shared` for threads, which wait while an event loop in a thread of its own works."""

    def __init__(self, url: URL, *, turns: WriteQueue, counts: Counts) -> None:
        """Connect to nothing yet."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hydria-database", daemon=True)
        self._thread.start()
        self._shared = LoopRunner(url, turns=turns, counts=counts)
        self.engine = self._shared.engine
        self._talking: list[asyncio.Task[None]] = []

    def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Do as `Runner.write` does."""
        return self._wait(self._shared.write(work))

    def read(self, work: Work[R], *, single: bool) -> R:
        """Do as `Runner.read` does."""
        return self._wait(self._shared.read(work, single=single))

    def wire(self, heard: Callable[[frozenset[str]], object]) -> Wire:
        """Begin to speak with the other servers of the database; `heard` is called with topics, in a thread."""
        wire = Wire(self._loop, self._shared.connect, heard)
        self._wait(self._begin(wire))
        return wire

    async def _begin(self, wire: Wire) -> None:
        self._talking.append(endless(wire.run(), "hints"))

    def _wait(self, act: Coroutine[Any, Any, R]) -> R:
        if threading.current_thread() is self._thread:
            act.close()
            raise RuntimeError("work that is inside a transaction waits for another one")
        return asyncio.run_coroutine_threadsafe(act, self._loop).result()

    def close(self) -> None:
        """End all that goes on, and cut all connections."""
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for talk in self._talking:
            talk.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        self._shared.close()
        await self._loop.shutdown_default_executor()


def _wait(seconds: float) -> None:
    await_only(asyncio.sleep(seconds))
