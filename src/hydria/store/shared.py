"""PostgreSQL as an event loop asks it, over asyncpg: work waits in a greenlet, no thread is woken for a statement."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hydria.store.attempts import SHARED, Counts, busy, judge, pause
from hydria.store.engines import ALONE, READING, WRITING, lost, missing
from hydria.store.transaction import Transaction
from hydria.store.turns import Turns

R = TypeVar("R")
Work = Callable[[Transaction], R]

# How long a connection may take to be there (seconds).
_CONNECT = 10.0
# Statements that a connection keeps prepared: more than there are.
_PREPARED = "500"
# What a URL may say to libpq that asyncpg would hand on to the server.
_LIBPQ_ONLY = (
    *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "client_encoding", "channel_binding", "sslcompression", "sslsni", "sslnegotiation"),
)

# Transactions at once. Those that wait for their turn to write keep nobody from reading.
_READERS, _WRITERS = 8, 4


class Shared:
    """The transactions of one event loop."""

    def __init__(self, url: URL, turns: Turns, counts: Counts) -> None:
        """Connect to nothing yet. Raises SettingsError when a module is missing."""
        self._engine, self._opened = _open(url, _READERS + _WRITERS)
        self._writing = self._engine.execution_options(**WRITING)
        self._reading = self._engine.execution_options(**READING)
        self._alone = self._engine.execution_options(**ALONE)
        self._idle: list[AsyncConnection] = []
        self._readers, self._writers = asyncio.Semaphore(_READERS), asyncio.Semaphore(_WRITERS)
        self._turns = turns
        self._counts = counts

    @property
    def engine(self) -> Engine:
        """What statements go through, for whoever listens to them."""
        return self._engine.sync_engine

    async def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Do as `Database.transact` does, and return the transaction too."""
        for attempt in range(1, SHARED + 1):
            transaction = None
            try:
                async with self._writers, self._writing.connect() as connection:
                    transaction = Transaction(_plain(connection))
                    with ExitStack() as end:
                        async with self._turns.awaited(end, again=attempt > 1):
                            result = await connection.run_sync(_on(transaction, work))
                        transaction.done = True
                        await connection.commit()
            except DBAPIError as error:
                judge(error, transaction, attempt)
                self._counts.retries += 1
                # Another server may be at it, for as long as its disk takes.
                await asyncio.sleep(pause(attempt))
                continue
            self._counts.writes += 1
            return result, transaction
        raise busy()

    async def read(self, work: Work[R], *, single: bool) -> R:
        """Do as `Database.read` does."""
        for attempt in range(1, SHARED + 1):
            try:
                async with self._readers, self._one() if single else self._reading.connect() as connection:
                    self._counts.reads += 1
                    return await connection.run_sync(_on(Transaction(_plain(connection)), work))
            except DBAPIError as error:
                judge(error, None, attempt)
                self._counts.retries += 1
        raise busy()

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in no transaction, kept: to fetch one from the pool would cost as much as to read."""
        connection = self._idle.pop() if self._idle else await self._alone.connect()
        try:
            yield connection
        except (DBAPIError, asyncio.CancelledError):
            # Nobody knows what it still waits for.
            await connection.invalidate()
            await connection.close()
            raise
        except BaseException:
            self._idle.append(connection)
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """Cut all connections, whether or not the event loop still runs."""
        for connection in self._idle:
            plain = _plain(connection)
            plain.invalidate()
            plain.close()
        for opened in tuple(self._opened):
            if not opened.is_closed():
                opened.terminate()
        self.engine.dispose(close=False)


def _plain(connection: AsyncConnection) -> Connection:
    assert connection.sync_connection is not None  # noqa: S101 - it is open
    return connection.sync_connection


def _on(transaction: Transaction, work: Work[R]) -> Callable[[Connection], R]:
    return lambda _: work(transaction)


def _open(url: URL, most: int) -> tuple[AsyncEngine, WeakSet[Any]]:
    """Open a PostgreSQL for one event loop, with `most` connections at once or some more.

    Also returns the connections of asyncpg as they come: they can be cut from anywhere, while an engine is closed by
    its event loop alone. Raises SettingsError when a module is missing; who cannot be let in gets Unavailable.
    """
    try:
        import asyncpg  # noqa: PLC0415 - only servers with PostgreSQL have it
    except ModuleNotFoundError as error:
        raise missing(error) from None
    opened: WeakSet[Any] = WeakSet()
    address = url.difference_update_query(_LIBPQ_ONLY).set(drivername="postgresql")
    name = address.render_as_string(hide_password=False)

    async def connect(*_: Any, **__: Any) -> Any:
        try:
            connection = await asyncpg.connect(name, timeout=_CONNECT)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise lost() from error
        opened.add(connection)
        return connection

    engine = create_async_engine(
        address.set(drivername="postgresql+asyncpg", query={"prepared_statement_cache_size": _PREPARED}),
        async_creator=connect,
        pool_size=most,
        max_overflow=most,
        pool_use_lifo=True,
    )
    return engine, opened
