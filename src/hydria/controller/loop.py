"""The controller's loop: it reconciles what is due after each change, and every two seconds."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from hydria.controller.history import HistoryPruner
from hydria.controller.reconcile import Reconciler
from hydria.controller.wakeup import Wakeup
from hydria.errors import Unavailable
from hydria.protocols import Clock
from hydria.store import Database

log = structlog.get_logger(__name__)

# How long a lost hint may delay work, and how often a failure is tried again (seconds).
PERIOD = 2.0

# How long after a look the next one follows at the soonest (seconds): what many calls ask for is worked off together.
PAUSE = 0.02

# By how much the wall clock may go wrong while this server works (seconds).
_JUMP = 2.0

# How many load balancers share a transaction.
_TOGETHER = 50

# Hints that may mean work: a load balancer changed, a host is new, the network service changed a port.
_TOPICS = frozenset({"instances", "hosts", "ports"})


class Controller:
    """Reconciles due load balancers, woken by hints."""

    def __init__(
        self, database: Database, clock: Clock, reconciler: Reconciler, pruner: HistoryPruner | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._reconciler = reconciler
        self._pruner = pruner
        self._wakeup = Wakeup()
        # When what failed is tried again, by the monotonic clock.
        self._retry_at = 0.0
        # The monotonic and the wall clock when this server worked last.
        self._worked_at: tuple[float, datetime] | None = None
        database.subscribe(self._hear)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; `wake` makes it look."""
        while not stop.is_set():
            self._wakeup.clear()
            try:
                await self._database.run_blocking(self.step)
            except Unavailable as error:
                log.warning("reconcile_waits", reason=str(error))
            except Exception:
                log.exception("reconcile_failed")
            await asyncio.sleep(PAUSE)
            if not stop.is_set():
                await self._wakeup.wait(PERIOD)

    def wake(self) -> None:
        """Look at once whether there is work, or whether to stop."""
        self._wakeup.set()

    def _hear(self, topics: frozenset[str]) -> None:
        if topics & _TOPICS:
            if "hosts" in topics:
                self._retry_at = 0.0
            self._wakeup.set()

    def step(self) -> None:
        """Work once as the loop does, and try again what failed if that is due."""
        monotonic, now = self._clock.monotonic(), self._clock.now()
        retry = monotonic >= self._retry_at
        if retry:
            self._retry_at = monotonic + PERIOD
        self._notice_pause(monotonic, now)
        # By the time that was just judged: the clock may be set in between.
        self.work(now, retry=retry)
        if self._pruner is not None:
            self._pruner.step(now, monotonic)
        # By the same time as `now`, so that the next look notices when the clock was set meanwhile.
        worked = self._clock.monotonic()
        self._worked_at = worked, now + timedelta(seconds=worked - monotonic)

    def _notice_pause(self, monotonic: float, now: datetime) -> None:
        """Judge no host by a time in which this server or its database did not work, or its clock was wrong."""
        if self._worked_at is None:
            return
        before, wall_before = self._worked_at
        passed = monotonic - before
        jumped = abs((now - wall_before).total_seconds() - passed) > _JUMP
        if jumped or passed > self._reconciler.rules.silence / 2:
            log.warning("server_was_away", seconds=round(passed), clock_jumped=jumped)
            self._reconciler.woke_up(now)

    def work(self, now: datetime | None = None, *, retry: bool = True) -> None:
        """Reconcile everything that is due, many in one transaction; a failure of one does not stop the others.

        `now` is the clock's time without it. `retry` is False to leave out what failed before and was not changed
        since.
        """
        now = now or self._clock.now()
        due = partial(self._reconciler.due, now=now, retry=retry)
        changed, keys = self._database.read(lambda tx: (self._reconciler.networks_changed(tx), due(tx)))
        if changed:
            self._follow()
            keys = self._database.read(due)
        for first in range(0, len(keys), _TOGETHER):
            self._reconcile(keys[first : first + _TOGETHER], now)

    def _follow(self) -> None:
        try:
            self._database.transact(self._reconciler.follow_networks)
        except Unavailable:
            raise
        except Exception:
            log.exception("networks_not_followed")

    def _reconcile(self, keys: Sequence[str], now: datetime) -> None:
        try:
            self._database.transact(partial(self._reconciler.reconcile, keys=keys, now=now))
        except Unavailable:
            # The database is away, and that for all.
            raise
        except Exception:
            if len(keys) == 1:
                log.exception("reconcile_failed", load_balancer=keys[0])
                return
            for key in keys:
                self._reconcile([key], now)
