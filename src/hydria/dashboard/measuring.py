"""Measures all load balancers, by what their amphorae reported: for live events, and as samples for a day."""

from collections import deque
from collections.abc import Sequence

from sqlalchemy import select

from hydria.dashboard.rates import IDLE, Meter, Rate
from hydria.dashboard.sampler import Sampler
from hydria.protocols import Clock
from hydria.store import Database, Transaction, columns
from hydria.store.numbers import Measured

# How often it measures (seconds), and how many times of that there is a point of the sparklines.
PERIOD = 5.0
_EACH = 3
# How many points a sparkline has: ten minutes.
_POINTS = 40
_ZEROS = (0.0,) * _POINTS

# By how much the clocks of servers of one database may differ (seconds).
_SKEW = 5.0

# Requests, errors, bytes in and out each second, and open connections.
Brief = tuple[float, ...]
_BRIEF = 5


class Measuring:
    """The rates of all load balancers; `measure` must be called every PERIOD."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._meter = Meter()
        self._sampler = Sampler(database)
        self._newest = 0.0
        self._turn = 0
        self.brief: dict[str, Brief] = {}
        # The last rates of requests and of errors, oldest first, of load balancers that had any.
        self.history: dict[str, tuple[deque[float], deque[float]]] = {}
        self._seen: dict[str, dict[str, Rate]] = {}

    async def measure(self) -> bool:
        """Measure once; return True when there is a new point of the sparklines. Raises Unavailable."""
        measured, amphorae = await self._database.run(self._read, writing=False, single=True)
        self._meter.take(measured)
        self._meter.keep(amphorae)
        self._newest = max((each.at for each in measured), default=self._newest)
        now = self._clock.now().timestamp()
        self._seen = {key: self._meter.rates(key, now) for key in self._meter.load_balancers()}
        await self._sampler.take(self._seen, now)
        self._turn = (self._turn + 1) % _EACH
        if self._turn:
            return False
        totals = {key: self._meter.total(key, now) for key in self._seen}
        self.brief = {key: total[:_BRIEF] for key, total in totals.items() if total != IDLE}
        self._draw()
        return True

    def rates(self, load_balancer_id: str) -> dict[str, Rate]:
        """Return the newest rates of the listeners and members of a load balancer."""
        return self._seen.get(load_balancer_id, {})

    def _draw(self) -> None:
        for key in {*self.brief, *self.history}:
            series = self.history.get(key)
            if series is None:
                series = self.history[key] = (deque(_ZEROS, _POINTS), deque(_ZEROS, _POINTS))
            rate = self.brief.get(key, IDLE)
            for values, value in zip(series, rate[:2], strict=True):
                values.append(value)
            if not any(series[0]) and not any(series[1]):
                del self.history[key]

    def _read(self, transaction: Transaction) -> tuple[Sequence[Measured], frozenset[str]]:
        c = columns(Measured)
        fresh = transaction.find(Measured, c.at > self._newest - _SKEW)
        return fresh, frozenset(key for (key,) in transaction.execute(select(c.amphora_id)))
