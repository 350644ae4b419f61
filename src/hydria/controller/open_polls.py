"""The open polls of a server: which of them a hint wakes.

With few hosts each hint wakes all of them, and each looks for orders. With many that would be as many reads for each
change, so one read finds the hosts that may get orders.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import structlog
from sqlalchemy import CompoundSelect, select, union

from hydria.controller.wakeup import Wakeup
from hydria.errors import Unavailable
from hydria.model import LoadBalancer
from hydria.store import Database, Transaction, columns
from hydria.store.resources import Amphora, Orphan, is_behind, is_new, is_replacing
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# Up to so many open polls are all woken.
_FEW = 4

# Hints that mean new orders for all hosts, and for some.
_FOR_ALL = frozenset({"topology"})
_FOR_SOME = frozenset({"instances"})


class OpenPolls:
    """The polls that wait for orders, by their hosts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, set[Wakeup]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finding: asyncio.Task[None] | None = None
        self._again = False
        database.subscribe(self._hear)

    @contextmanager
    def waiting(self, host: str) -> Iterator[Wakeup]:
        """Yield what wakes a host's poll."""
        self._loop = asyncio.get_running_loop()
        wakeup = Wakeup()
        self._waiting[host].add(wakeup)
        try:
            yield wakeup
        finally:
            self._waiting[host].discard(wakeup)
            if not self._waiting[host]:
                del self._waiting[host]

    def wake(self) -> None:
        """Wake all polls."""
        for wakeups in tuple(self._waiting.values()):
            for wakeup in tuple(wakeups):
                wakeup.set()

    def _hear(self, topics: frozenset[str]) -> None:
        """Wake the polls that a hint concerns. The call may come from any thread."""
        if topics & _FOR_ALL or (topics & _FOR_SOME and len(self._waiting) <= _FEW):
            self.wake()
        elif topics & _FOR_SOME and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        # Hints that arrive during a read are answered by one more.
        self._again = True
        if self._finding is None or self._finding.done():
            self._finding = asyncio.create_task(self._find())

    async def _find(self) -> None:
        while self._again:
            self._again = False
            try:
                hosts = await self._database.run(expecting_hosts, writing=False)
            except Unavailable as error:
                log.warning("polls_all_woken", reason=str(error))
                self.wake()
                return
            for host in hosts & self._waiting.keys():
                for wakeup in tuple(self._waiting[host]):
                    wakeup.set()


def expecting_hosts(transaction: Transaction) -> frozenset[str]:
    """Return the hosts that may get orders about amphorae: those that have not confirmed all that the rows say."""
    return frozenset(transaction.execute(_hosts()).scalars())


@cache
def _hosts() -> CompoundSelect[tuple[str]]:
    """Return the statement. Each part begins at few rows, found by an index.

    Only new amphorae and those being replaced may be behind when their load balancer is not. A host that was silent
    gets its orders when it polls again.
    """
    amphora, lb, orphan = columns(Amphora), columns(LoadBalancer), columns(Orphan)
    joined = rows_of(Amphora).table.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
    behind = select(amphora.host).select_from(joined).where(amphora.served < lb.generation)
    return union(
        behind.where(is_behind()),
        behind.where(is_new()),
        behind.where(is_replacing()),
        select(amphora.host).where(amphora.leaving.is_(True)),
        select(orphan.host).where(orphan.leaving.is_(True)),
    )
