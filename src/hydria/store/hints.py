"""Hints between the servers of one PostgreSQL database: LISTEN and NOTIFY. They may be lost, never made up."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from hydria.errors import Unavailable

log = structlog.get_logger(__name__)

_CHANNEL = "hydria"
# How long to wait before the way to a database that was lost is tried again (seconds).
_RETRY = 1.0
# How long it says nothing after it said something (seconds).
_PAUSE = 0.01

# All that may have been said while nobody listened.
EVERYTHING = frozenset({"hosts", "identity", "instances", "legs", "topology"})

_TROUBLE = (Unavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Wire:
    """Tells other servers what changed and hears what they say, over one connection: nobody waits for either."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[[], Awaitable[Any]],
        heard: Callable[[frozenset[str]], object],
    ) -> None:
        """`connect` connects by asyncpg in the event loop; `heard` is called with topics, in a thread."""
        self._loop = loop
        self._connect = connect
        self._heard = heard
        self._name = uuid.uuid4().hex
        self._untold: set[str] = set()
        self._news = asyncio.Event()

    def tell(self, topics: frozenset[str]) -> None:
        """Have the other servers told soon, from any thread."""
        self._loop.call_soon_threadsafe(self._note, topics)

    def _note(self, topics: frozenset[str]) -> None:
        self._untold |= topics
        self._news.set()

    async def run(self) -> None:
        """Speak and listen until it is cancelled."""
        missed = False
        while True:
            try:
                await self._talk(missed=missed)
            except _TROUBLE as error:
                log.warning("hints_interrupted", reason=str(error.__cause__ or error))
            missed = True
            await asyncio.sleep(_RETRY)

    async def _talk(self, *, missed: bool) -> None:
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: self._news.set())
            await connection.add_listener(_CHANNEL, self._hear)
            if missed:
                self._pass_on(EVERYTHING)
            while not connection.is_closed():
                await self._speak(connection)
        finally:
            connection.terminate()

    async def _speak(self, connection: Any) -> None:
        await self._news.wait()
        self._news.clear()
        topics, self._untold = sorted(self._untold), set()
        if topics:
            await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, " ".join((self._name, *topics)))
            # What many transactions say at once is said once.
            await asyncio.sleep(_PAUSE)

    def _hear(self, _: Any, __: int, ___: str, said: str) -> None:
        teller, *topics = said.split(" ")
        if teller != self._name and topics:
            self._pass_on(frozenset(topics))

    def _pass_on(self, topics: frozenset[str]) -> None:
        # Who hears may wait for the database, and so for this event loop.
        self._loop.run_in_executor(None, self._heard, topics)
