"""Hints between the servers of one PostgreSQL database, by LISTEN and NOTIFY. Hints may be lost."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from hydria.backoff import Backoff
from hydria.errors import Unavailable

log = structlog.get_logger(__name__)

_CHANNEL = "hydria"
# The first and the longest pause before a lost connection is opened again (seconds).
_FIRST_RETRY, _LAST_RETRY = 1.0, 2.0
# The pause after a notification, in which further hints gather for the next one (seconds).
_PAUSE = 0.01

# Every topic, for listeners after a lost connection: any of them may have been missed.
EVERYTHING = frozenset({"hosts", "identity", "instances", "ports", "topology"})

_ERRORS = (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class HintChannel:
    """Sends hints to the other servers and receives theirs, over one connection. No transaction waits for it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[[], Awaitable[Any]],
        deliver: Callable[[frozenset[str]], object],
    ) -> None:
        """`connect` connects by asyncpg in the event loop; `deliver` is called with received topics, in a thread."""
        self._loop = loop
        self._connect = connect
        self._deliver_topics = deliver
        self._name = uuid.uuid4().hex
        self._unsent: set[str] = set()
        self._wakeup = asyncio.Event()
        # When the database starts anew, its servers should not all connect at once.
        self._backoff = Backoff(_FIRST_RETRY, _LAST_RETRY)

    def send(self, topics: frozenset[str]) -> None:
        """Queue topics for the other servers. Safe from any thread."""
        self._loop.call_soon_threadsafe(self._queue, topics)

    def _queue(self, topics: frozenset[str]) -> None:
        self._unsent |= topics
        self._wakeup.set()

    async def run(self) -> None:
        """Send and receive until cancelled."""
        missed = False
        while True:
            try:
                await self._run_connected(missed=missed)
            except _ERRORS as error:
                log.warning("hints_interrupted", reason=str(error.__cause__ or error))
            missed = True
            await asyncio.sleep(self._backoff.next())

    async def _run_connected(self, *, missed: bool) -> None:
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: self._wakeup.set())
            await connection.add_listener(_CHANNEL, self._receive)
            self._backoff.reset()
            if missed:
                self._deliver(EVERYTHING)
            while not connection.is_closed():
                await self._send_next(connection)
        finally:
            connection.terminate()

    async def _send_next(self, connection: Any) -> None:
        await self._wakeup.wait()
        self._wakeup.clear()
        topics, self._unsent = sorted(self._unsent), set()
        if topics:
            await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, " ".join((self._name, *topics)))
            # Hints of many transactions at about the same time go out as one notification.
            await asyncio.sleep(_PAUSE)

    def _receive(self, _: Any, __: int, ___: str, payload: str) -> None:
        sender, *topics = payload.split(" ")
        if sender != self._name and topics:
            self._deliver(frozenset(topics))

    def _deliver(self, topics: frozenset[str]) -> None:
        # In a thread: a listener may wait for the database, which needs this event loop.
        self._loop.run_in_executor(None, self._deliver_topics, topics)
