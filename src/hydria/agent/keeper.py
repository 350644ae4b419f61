"""Keeps one amphora at what was last ordered: the newest order wins, failures are tried again, events looked at."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from msgspec import structs

from hydria.errors import HostError
from hydria.model.status import operating_statuses
from hydria.ports import Host, Observation
from hydria.spec import Instance, Report
from hydria.tasks import endless

log = structlog.get_logger(__name__)

FIRST_RETRY = 0.25
LAST_RETRY = 5.0


class Keeper:
    """One amphora, in a task of its own: none waits for another. `on_report` is called when there may be news."""

    def __init__(self, amphora_id: str, host: Host, on_report: Callable[["Keeper"], None]) -> None:
        self.amphora_id = amphora_id
        self.report = Report(amphora_id=amphora_id, generation=0)
        self.withdrawn = False
        self._host = host
        self._on_report = on_report
        self._wanted: Instance | None = None
        self._leaving = False
        self._served: Instance | None = None
        # What is to be done: bring it to what was ordered, or only look at it.
        self._ordered = False
        self._curious = False
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._again_at: float | None = None
        self._pause = FIRST_RETRY
        self._well_since = 0.0
        self._task = endless(self._keep(), f"amphora {amphora_id}")

    @property
    def holding(self) -> int | None:
        """The newest generation that was ordered, None when it is to go."""
        return None if self._leaving or self._wanted is None else self._wanted.generation

    @property
    def change_id(self) -> int:
        """The load balancer's `change_id` of what was ordered."""
        return 0 if self._wanted is None else self._wanted.tree.load_balancer.change_id

    def serve(self, instance: Instance) -> None:
        """Order: serve this, whatever was ordered before."""
        self._wanted, self._leaving, self.withdrawn = instance, False, False
        self._order()

    def withdraw(self) -> None:
        """Order: remove it."""
        if not self._leaving:
            self._leaving = True
            self._order()

    def look(self) -> None:
        """Order: read its states and counters soon; one that does not run is brought back."""
        self._curious = True
        self._woken.set()

    async def close(self) -> None:
        """Stop keeping; what it serves, it serves on."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _order(self) -> None:
        self._ordered, self._pause = True, FIRST_RETRY
        self._woken.set()

    async def _keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout_at(self._again_at):
                    await self._woken.wait()
            except TimeoutError:
                self._ordered = True
            self._woken.clear()
            if self._ordered:
                self._ordered = self._curious = False
                await self._bring()
            if self._curious:
                self._curious = False
                await self._look()

    async def _bring(self) -> None:
        """Obey; what fails is said, and tried again later."""
        self._again_at = None
        try:
            await self._obey()
        except Exception as error:
            if not isinstance(error, HostError):
                log.exception("amphora_failed", amphora=self.amphora_id)
            # Of an order that a newer one has replaced nobody needs to hear.
            if not self._ordered:
                self._fail(error)

    async def _obey(self) -> None:
        if self._leaving:
            await self._look_once_more()
            await self._host.withdraw(self.amphora_id)
            self._served, self.withdrawn = None, self._leaving
            self._on_report(self)
            return
        wanted = self._wanted
        if wanted is None:
            return
        await self._host.serve(wanted)
        self._served = wanted
        # What happened until now is seen at once.
        self._curious = False
        seen = await self._host.observe(self.amphora_id)
        self._well_since = self._loop.time()
        self._tell(_report(wanted, seen))

    async def _look(self) -> None:
        served = self._served
        if served is None or self._leaving:
            return
        try:
            seen = await self._host.observe(self.amphora_id)
        except Exception as error:
            log.warning("amphora_not_well", amphora=self.amphora_id, reason=str(error))
            if self._again_at is not None:
                return
            if self._loop.time() - self._well_since > LAST_RETRY:
                self._order()
            else:
                # One that ends again and again is no reason to keep the machine busy.
                self._fail(error)
            return
        before = self.report
        self._tell(_report(served, seen, attempted=before.attempted, reason=before.reason))

    async def _look_once_more(self) -> None:
        """Say what it has counted until its end."""
        if self._served is not None:
            with contextlib.suppress(HostError):
                seen = await self._host.observe(self.amphora_id)
                self.report = structs.replace(self.report, counters=dict(seen.counters))

    def _fail(self, error: Exception) -> None:
        attempted = 0 if self._wanted is None else self._wanted.generation
        reason = str(error) or f"The host failed with {type(error).__name__}."
        log.warning("amphora_failing", amphora=self.amphora_id, generation=attempted, reason=reason)
        self._again_at = self._loop.time() + self._pause
        self._pause = min(self._pause * 2, LAST_RETRY)
        before = self.report
        self._tell(
            Report(
                amphora_id=self.amphora_id,
                generation=before.generation,
                change_id=before.change_id,
                attempted=attempted,
                reason=reason,
                operating=before.operating,
                counters=before.counters,
                troubles=before.troubles,
            )
        )

    def _tell(self, report: Report) -> None:
        if self._wanted is not None and self._wanted.generation == 0:
            # Nobody ordered it: of the load balancer the server knows more than could be said of a part.
            return
        self.report = report
        self._on_report(self)


def _report(served: Instance, seen: Observation, *, attempted: int = 0, reason: str | None = None) -> Report:
    return Report(
        amphora_id=served.amphora_id,
        generation=served.generation,
        change_id=served.tree.load_balancer.change_id,
        attempted=attempted,
        reason=reason,
        operating=operating_statuses(served.tree, seen.servers, seen.unserved),
        counters=dict(seen.counters),
        troubles=dict(seen.troubles),
    )
