"""What all open dashboards show of load balancers, computed once, and what changed since the last look.

It looks after each change and every two seconds, only while a dashboard is open, and spends at most a twentieth of
its time on it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from hydria.dashboard.measuring import PERIOD, Measuring
from hydria.dashboard.overview import Overview, Row, read_overview
from hydria.errors import Unavailable
from hydria.protocols import Clock
from hydria.store import Database
from hydria.tasks import endless

V = TypeVar("V")

log = structlog.get_logger(__name__)

# The scope of a user who may see the load balancers of all projects.
EVERYTHING = "*"

# The longest pause between two looks, and the shortest (seconds).
_PERIOD, _PAUSE = 2.0, 0.2
# How many times as long as a look took no other one begins.
_REST = 20
# How many messages a dashboard that does not read may be behind before its stream ends.
_BEHIND = 64
# A stream without events gets a comment so often that no proxy ends it (seconds).
_SILENCE = 15.0

_json = msgspec.json.Encoder()


class Audience(Struct, frozen=True, kw_only=True):
    """A dashboard's scope, a project or EVERYTHING, and the load balancer whose details it shows, empty for none."""

    scope: str
    load_balancer_id: str = ""


class Subscriber:
    """One open dashboard."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.ended = False
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, message: bytes) -> None:
        """Send a message; end the stream of a dashboard that is too far behind, so that it begins anew."""
        if self.ended:
            return
        if self._messages.qsize() < _BEHIND:
            self._messages.put_nowait(message)
        else:
            self.end()

    def end(self) -> None:
        """End the stream."""
        self.ended = True
        while not self._messages.empty():
            self._messages.get_nowait()
        self._messages.put_nowait(None)

    async def next(self) -> bytes | None:
        """Return the next message, a comment after a silence, or None at the end."""
        try:
            return await asyncio.wait_for(self._messages.get(), _SILENCE)
        except TimeoutError:
            return b": still here\n\n"


class Pulse:
    """Looks, compares, and tells every subscriber what is new within its scope."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._rows: Overview = {}
        self._looked_at = -_PERIOD
        self._looking = asyncio.Lock()
        self._subscribers: set[Subscriber] = set()
        self._snapshots: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._measuring = Measuring(database, clock)
        # The details of a load balancer that were sent last.
        self._details: dict[str, bytes] = {}
        database.subscribe(self._hint)

    async def run(self, stop: asyncio.Event) -> None:
        """Measure, and look while there are subscribers, until `stop` is set."""
        self._loop = asyncio.get_running_loop()
        measuring = endless(self._measure(stop), "measuring", stop)
        await self._look_on(stop)
        await measuring

    async def _look_on(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            pause = _PAUSE
            if self._subscribers:
                begun = loop.time()
                await self._look()
                pause = max(_PAUSE, _REST * (loop.time() - begun))
            await asyncio.sleep(pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _PERIOD)
            self._wake.clear()

    async def _measure(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PERIOD)
            try:
                drawn = await self._measuring.measure()
            except Unavailable:
                continue
            except Exception:
                log.exception("numbers_not_measured")
                continue
            if drawn:
                self._publish(lambda scope: _event("rates", rates=self._within_scope(self._measuring.brief, scope)))
            self._tell_details()

    def _tell_details(self) -> None:
        wanted = {subscriber.audience.load_balancer_id for subscriber in self._subscribers} - {""}
        news = {}
        for key in wanted:
            message = _event("details", id=key, rates=self._measuring.rates(key))
            if self._details.get(key) != message:
                news[key] = message
        self._details = {key: message for key, message in (self._details | news).items() if key in wanted}
        for subscriber in self._subscribers:
            message = news.get(subscriber.audience.load_balancer_id, b"")
            if message and self._may_see(subscriber.audience):
                subscriber.put(message)

    def _may_see(self, audience: Audience) -> bool:
        row = self._rows.get(audience.load_balancer_id)
        return row is not None and audience.scope in (EVERYTHING, row.project_id)

    def _within_scope(self, values: Mapping[str, V], scope: str) -> Mapping[str, V]:
        if scope == EVERYTHING:
            return values
        mine = {key for key in values if key in self._rows and self._rows[key].project_id == scope}
        return {key: values[key] for key in mine}

    def close(self) -> None:
        """End all streams, and begin no new ones."""
        self._closed = True
        self._wake.set()
        for subscriber in self._subscribers:
            subscriber.end()

    @asynccontextmanager
    async def subscribed(self, audience: Audience) -> AsyncIterator[Subscriber]:
        """Return a subscriber whose first message has everything in its scope."""
        if not self._subscribers:
            await self._look()
        subscriber = Subscriber(audience)
        subscriber.put(self._snapshot(audience.scope))
        history = self._within_scope(self._measuring.history, audience.scope)
        brief = self._within_scope(self._measuring.brief, audience.scope)
        subscriber.put(_event("rates", rates=brief, history={key: [*map(list, each)] for key, each in history.items()}))
        if audience.load_balancer_id and self._may_see(audience):
            rates = self._measuring.rates(audience.load_balancer_id)
            subscriber.put(_event("details", id=audience.load_balancer_id, rates=rates))
        self._subscribers.add(subscriber)
        if self._closed:
            subscriber.end()
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def _look(self) -> None:
        async with self._looking:
            try:
                rows = await self._database.run(read_overview, writing=False, single=True)
            except Unavailable:
                # The dashboard shows the newest state that is known.
                return
            except Exception:
                log.exception("dashboard_not_updated")
                return
            self._tell(rows)

    def _tell(self, rows: Overview) -> None:
        before, self._rows = self._rows, rows
        changed = [row for key, row in rows.items() if before.get(key) != row]
        gone = [row for key, row in before.items() if key not in rows]
        if not changed and not gone:
            return
        self._snapshots.clear()

        def change(scope: str) -> bytes | None:
            mine, left = _within(changed, scope), [row.id for row in _within(gone, scope)]
            return _event("change", rows=mine, gone=left) if mine or left else None

        self._publish(change)

    def _publish(self, message_for: Callable[[str], bytes | None]) -> None:
        """Send every subscriber the message for its scope, which is made once; None is not sent."""
        messages: dict[str, bytes | None] = {}
        for subscriber in self._subscribers:
            scope = subscriber.audience.scope
            if scope not in messages:
                messages[scope] = message_for(scope)
            if (message := messages[scope]) is not None:
                subscriber.put(message)

    def _snapshot(self, scope: str) -> bytes:
        if scope not in self._snapshots:
            self._snapshots[scope] = _event("all", rows=_within(self._rows.values(), scope))
        return self._snapshots[scope]

    def _hint(self, _: frozenset[str]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)


def _within(rows: Iterable[Row], scope: str) -> list[Row]:
    return [row for row in rows if scope in (EVERYTHING, row.project_id)]


def _event(name: str, **data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _json.encode(data))
