"""The task that keeps one amphora at its newest instance: failures are tried again, and events are looked at."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from msgspec import structs

from hydria.backoff import Backoff
from hydria.contract import Instance, Observation, Report
from hydria.errors import HostError
from hydria.protocols import Host
from hydria.tasks import endless

log = structlog.get_logger(__name__)

# How long to wait after a failure to serve (seconds); each further one doubles it.
FIRST_RETRY = 0.25
LAST_RETRY = 5.0

# The same after what served has ended, or cannot be asked: a start takes little, and traffic waits for it. One that
# was well for LIFETIME is brought back at once.
FIRST_REVIVAL = 0.1
LAST_REVIVAL = 0.5
LIFETIME = 1.0


class AmphoraWorker:
    """One amphora, in a task of its own, so that none waits for another. `on_report` is called after each report."""

    def __init__(
        self,
        amphora_id: str,
        host: Host,
        on_report: Callable[["AmphoraWorker"], None],
        backoff: Backoff | None = None,
    ) -> None:
        """`backoff` has the pauses after orders that failed."""
        self.amphora_id = amphora_id
        self.report = Report(amphora_id=amphora_id, generation=0)
        self.withdrawn = False
        self._host = host
        self._on_report = on_report
        self._wanted: Instance | None = None
        self._leaving = False
        self._served: Instance | None = None
        # What the task is to do: converge the amphora to the newest order, or only observe it.
        self._ordered = False
        self._curious = False
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._again_at: float | None = None
        self._backoff = backoff or Backoff(FIRST_RETRY, LAST_RETRY)
        self._revival = Backoff(FIRST_REVIVAL, LAST_REVIVAL)
        self._well_since = 0.0
        self._task = endless(self._keep(), f"amphora {amphora_id}")

    @property
    def holding(self) -> int | None:
        """The newest generation that was ordered, None if the amphora is to be removed."""
        return None if self._leaving or self._wanted is None else self._wanted.generation

    @property
    def change_id(self) -> int:
        """The load balancer's `change_id` of what was ordered."""
        return 0 if self._wanted is None else self._wanted.tree.load_balancer.change_id

    def serve(self, instance: Instance) -> None:
        """Order the worker to serve an instance, whatever was ordered before."""
        self._wanted, self._leaving, self.withdrawn = instance, False, False
        self._order()

    def withdraw(self) -> None:
        """Order the worker to remove the amphora."""
        if not self._leaving:
            self._leaving = True
            self._order()

    def look(self) -> None:
        """Order the worker to observe the amphora soon. One that does not run is started again."""
        self._curious = True
        self._woken.set()

    async def close(self) -> None:
        """Stop the task. The amphora goes on serving."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _order(self) -> None:
        self._ordered = True
        self._backoff.reset()
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
        """Carry out the newest order. A failure is reported, and tried again later."""
        self._again_at = None
        try:
            await self._obey()
        except Exception as error:
            if not isinstance(error, HostError):
                log.exception("amphora_failed", amphora=self.amphora_id)
            # A newer order has superseded this one, so its failure is not reported.
            if not self._ordered:
                self._again_in(self._backoff.next())
                await self._fail(error)

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
        self._backoff.reset()
        # The observation below sees all events until now.
        self._curious = False
        try:
            seen = await self._host.observe(self.amphora_id)
        except Exception as error:
            await self._revive(error, lived=0)
            return
        self._well_since = self._loop.time()
        self._tell(report_of(wanted, seen))

    async def _look(self) -> None:
        served = self._served
        if served is None or self._leaving:
            return
        lived = self._loop.time() - self._well_since
        try:
            seen = await self._host.observe(self.amphora_id)
        except Exception as error:
            log.warning("amphora_not_well", amphora=self.amphora_id, reason=str(error))
            if self._again_at is None:
                await self._revive(error, lived)
            elif self.report.reason is not None:
                self._tell(_unreachable(self.report))
            return
        before = self.report
        self._tell(report_of(served, seen, attempted=before.attempted, reason=before.reason))

    async def _look_once_more(self) -> None:
        """Report the counters of an amphora before it is removed."""
        if self._served is not None:
            with contextlib.suppress(HostError):
                seen = await self._host.observe(self.amphora_id)
                self.report = structs.replace(self.report, counters=dict(seen.counters))

    async def _revive(self, error: Exception, lived: float) -> None:
        """Serve again what has ended. One that ends again and again must not keep the machine busy."""
        if lived > LIFETIME:
            self._revival.reset()
            self._ordered = True
            self._woken.set()
            return
        self._again_in(self._revival.next())
        self._report_failure(error, None)

    def _again_in(self, seconds: float) -> None:
        self._again_at = self._loop.time() + seconds

    async def _fail(self, error: Exception) -> None:
        """Report why the newest order is not served, and the health of the last instance, which is still served."""
        last, seen = self._served, None
        if last is not None and not self._leaving:
            with contextlib.suppress(Exception):
                seen = await self._observe_last(last)
        self._report_failure(error, seen)

    async def _observe_last(self, last: Instance) -> Observation:
        try:
            return await self._host.observe(self.amphora_id)
        except Exception:
            if last is self._wanted:
                raise
            # It has ended, and what is ordered does not start.
            await self._host.serve(last)
            return await self._host.observe(self.amphora_id)

    def _report_failure(self, error: Exception, seen: Observation | None) -> None:
        """Report a failure; `seen` is what was observed after it, None when the amphora cannot be asked."""
        attempted = 0 if self._wanted is None else self._wanted.generation
        reason = str(error) or f"The host failed with {type(error).__name__}."
        log.warning("amphora_failing", amphora=self.amphora_id, generation=attempted, reason=reason)
        failure = structs.replace(self.report, attempted=attempted, reason=reason)
        if self._served is None or self._leaving:
            self._tell(structs.replace(failure, reachable=None))
        elif seen is None:
            self._tell(_unreachable(failure))
        else:
            self._tell(_observed(failure, seen))

    def _tell(self, report: Report) -> None:
        if self._wanted is not None and self._wanted.generation == 0:
            # It is a part that the host remembers. The server knows more about the load balancer.
            return
        self.report = report
        self._on_report(self)


def report_of(served: Instance, seen: Observation, *, attempted: int = 0, reason: str | None = None) -> Report:
    """Return the report of an amphora that serves an instance; `reason` is why it does not serve `attempted`."""
    report = Report(
        amphora_id=served.amphora_id,
        generation=served.generation,
        change_id=served.tree.load_balancer.change_id,
        attempted=attempted,
        reason=reason,
    )
    return _observed(report, seen)


def _observed(report: Report, seen: Observation) -> Report:
    return structs.replace(
        report,
        reachable=True,
        servers=dict(seen.servers),
        unserved=tuple(sorted(seen.unserved)),
        counters=dict(seen.counters),
        troubles=dict(seen.troubles),
    )


def _unreachable(report: Report) -> Report:
    return structs.replace(report, reachable=False, servers={}, unserved=())
