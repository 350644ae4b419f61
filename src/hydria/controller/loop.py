"""The controller's loop: reconcile what is due when something changed, and now and then anyway."""

import asyncio
from functools import partial

import structlog

from hydria.controller.reconcile import Reconciler
from hydria.ports import Clock
from hydria.store import Database

log = structlog.get_logger(__name__)

# How long a lost hint or a condition outside the database may go unnoticed, seconds.
PERIOD = 2.0


class Controller:
    """Reconciles due load balancers, woken by hints."""

    def __init__(self, database: Database, clock: Clock, reconciler: Reconciler) -> None:
        self._database = database
        self._clock = clock
        self._reconciler = reconciler
        self._woken = asyncio.Event()
        database.subscribe(lambda _: self._woken.set())

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            self._woken.clear()
            try:
                self.work()
            except Exception:
                log.exception("reconcile_failed")
            try:
                async with asyncio.timeout(PERIOD):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def wake(self) -> None:
        """Look at once whether there is work, or whether to stop."""
        self._woken.set()

    def work(self) -> None:
        """Reconcile everything that is due, each in a transaction of its own."""
        for key in self._database.read(self._reconciler.due):
            self._database.transact(partial(self._reconciler.reconcile, key=key, now=self._clock.now()))
