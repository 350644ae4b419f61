"""The clocks: the system's, and the one that all servers of a database share."""

import asyncio
import time
from datetime import UTC, datetime

import structlog
from sqlalchemy import func, select

from hydria.errors import Unavailable
from hydria.protocols import Clock
from hydria.store import Database, Transaction

log = structlog.get_logger(__name__)

# How often the database's clock is read (seconds). When it is set, servers judge hosts by different times for so long,
# which must be much less than the time after which a host is silent.
_PERIOD = 2.0


class SystemClock:
    """Implements `hydria.protocols.Clock` by the system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class DatabaseClock:
    """Implements `hydria.protocols.Clock` by the clock of a PostgreSQL, which several servers share.

    Times of one server are compared with those of another, and their own clocks may differ by minutes. Between two
    looks at the database the time goes on by a clock that nobody sets.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # The database's time, and this machine's since its boot, both at the same moment.
        self._anchor = self._anchored(database.read(_read))

    def now(self) -> datetime:
        seconds, booted = self._anchor
        return datetime.fromtimestamp(seconds + _since_boot() - booted, UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the database's clock again and again, until `stop` is set."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(_PERIOD):
                    await stop.wait()
            except TimeoutError:
                await self._look()

    async def _look(self) -> None:
        try:
            self._anchor = self._anchored(await self._database.run(_read, writing=False))
        except Unavailable as error:
            log.warning("clock_not_read", reason=str(error))

    @staticmethod
    def _anchored(read: tuple[float, float]) -> tuple[float, float]:
        seconds, asked = read
        # The answer was on its way for half of the time.
        return seconds, (asked + _since_boot()) / 2


def clock_of(database: Database) -> Clock:
    """Return the clock of a server: the database's, if other servers may use that too."""
    return SystemClock() if database.embedded else DatabaseClock(database)


def _read(transaction: Transaction) -> tuple[float, float]:
    """Return the database's time, and this machine's when it was asked."""
    asked = _since_boot()
    found = transaction.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
    return float(found), asked


def _since_boot() -> float:
    # Goes on while the machine is suspended.
    return time.clock_gettime(time.CLOCK_BOOTTIME)
