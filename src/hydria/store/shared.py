"""PostgreSQL as an event loop asks it: work runs in a greenlet and waits over asyncpg, no thread is woken for it.

SQLAlchemy's own layer for asyncio would bring its whole ORM along, 10 MB; this stands on what that stands on.
"""

import asyncio
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.util import await_only, greenlet_spawn

from hydria.store.engines import SHARED, lost, missing
from hydria.store.runner import Counts, Runner, Work
from hydria.store.transaction import Transaction
from hydria.store.turns import Turns

R = TypeVar("R")

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


class Shared:
    """The transactions of one event loop."""

    def __init__(self, url: URL, *, attempts: int, turns: Turns, counts: Counts) -> None:
        """Connect to nothing yet. Raises SettingsError when a module is missing."""
        self.engine, self._opened = _open(url)
        self._runner = Runner(self.engine, SHARED, attempts=attempts, counts=counts, take=turns.in_greenlet, wait=_wait)
        self._readers, self._writers = asyncio.Semaphore(_READERS), asyncio.Semaphore(_WRITERS)

    async def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Do as `Runner.write` does."""
        async with self._writers:
            return await greenlet_spawn(self._runner.write, work)

    async def read(self, work: Work[R], *, single: bool) -> R:
        """Do as `Runner.read` does."""
        async with self._readers:
            return await greenlet_spawn(self._runner.read, work, single=single)

    def close(self) -> None:
        """Cut all connections, whether or not the event loop still runs."""
        for connection in self._runner.idle():
            connection.invalidate()
            connection.close()
        for opened in tuple(self._opened):
            if not opened.is_closed():
                opened.terminate()
        self.engine.dispose(close=False)


def _wait(seconds: float) -> None:
    await_only(asyncio.sleep(seconds))


def _open(url: URL) -> tuple[Engine, WeakSet[Any]]:
    """Open a PostgreSQL for greenlets of one event loop.

    Also returns the connections of asyncpg as they come: they can be cut from anywhere, while an engine is closed by
    its event loop alone. Raises SettingsError when a module is missing; who cannot be let in gets Unavailable.
    """
    try:
        import asyncpg  # noqa: PLC0415 - only servers with PostgreSQL have it
    except ModuleNotFoundError as error:
        raise missing(error) from None
    opened: WeakSet[Any] = WeakSet()
    name = url.difference_update_query(_LIBPQ_ONLY).set(drivername="postgresql").render_as_string(hide_password=False)

    async def connect(**_: Any) -> Any:
        try:
            connection = await asyncpg.connect(name, timeout=_CONNECT)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise lost() from error
        opened.add(connection)
        return connection

    def creator() -> Any:
        assert engine.dialect.dbapi is not None  # noqa: S101 - asyncpg's
        return engine.dialect.dbapi.connect(async_creator_fn=connect, prepared_statement_cache_size=_PREPARED)

    engine = create_engine(
        "postgresql+asyncpg://",
        creator=creator,
        pool_size=_READERS + _WRITERS,
        max_overflow=_READERS,
        pool_use_lifo=True,
    )
    return engine, opened
