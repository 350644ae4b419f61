"""The task that keeps one amphora at its newest instance: failures are tried again, and events are looked at."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from msgspec import structs

from hydria.agent.looks import Activity
from hydria.agent.turns import Turns, Urgency
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
FIRST_RESTART = 0.1
LAST_RESTART = 0.5
LIFETIME = 1.0


# How often a draining amphora is observed (seconds): the server waits for the end of its connections.
DRAINING_LOOK = 1.0


class AmphoraWorker:
    """One amphora, in a task of its own, so that none waits for one that fails or hangs.

    `on_report` is called after each report.
    """

    def __init__(
        self,
        amphora_id: str,
        host: Host,
        on_report: Callable[["AmphoraWorker"], None],
        turns: Turns,
        backoff: Backoff | None = None,
    ) -> None:
        """`turns` are shared by the host's workers; `backoff` has the pauses after orders that failed."""
        self.amphora_id = amphora_id
        self.report = Report(amphora_id=amphora_id, generation=0)
        self.withdrawn = False
        # When it was observed last, or asked to be (the event loop's time).
        self.looked_at = asyncio.get_running_loop().time()
        # Whether the last observation showed the same counters and states as the one before.
        self._quiet = False
        self._host = host
        self._on_report = on_report
        self._turns = turns
        self._wanted: Instance | None = None
        self._leaving = False
        self._served: Instance | None = None
        # What the task is to do: converge the amphora to the newest order, or only observe it.
        self._must_converge = False
        self._must_observe = False
        self._woken = asyncio.Event()
        self._urgency = Urgency.REMEMBERED
        self._loop = asyncio.get_running_loop()
        self._retry_at: float | None = None
        self._backoff = backoff or Backoff(FIRST_RETRY, LAST_RETRY)
        self._restart_backoff = Backoff(FIRST_RESTART, LAST_RESTART)
        self._running_since = 0.0
        self._next_look: asyncio.TimerHandle | None = None
        self._task = endless(self._run(), f"amphora {amphora_id}")

    @property
    def holding(self) -> int | None:
        """The newest generation that was ordered, None if the amphora is to be removed."""
        return None if self._leaving or self._wanted is None else self._wanted.generation

    @property
    def change_id(self) -> int:
        """The load balancer's `change_id` of what was ordered."""
        return 0 if self._wanted is None else self._wanted.tree.load_balancer.change_id

    @property
    def activity(self) -> Activity:
        """What the amphora did lately."""
        if not self._quiet:
            return "busy"
        return "resting" if self._host.resting(self.amphora_id) else "quiet"

    def serve(self, instance: Instance, urgency: Urgency = Urgency.ORDERED) -> None:
        """Order the worker to serve an instance, whatever was ordered before."""
        self._wanted, self._leaving, self.withdrawn = instance, False, False
        self._order(urgency)

    def withdraw(self) -> None:
        """Order the worker to remove the amphora."""
        if not self._leaving:
            self._leaving = True
            self._order(Urgency.ORDERED)

    def look(self) -> None:
        """Order the worker to observe the amphora soon. One that does not run is started again."""
        self._must_observe, self.looked_at = True, self._loop.time()
        self._woken.set()

    async def close(self) -> None:
        """Stop the task. The amphora goes on serving."""
        self._look_again(after=None)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _order(self, urgency: Urgency) -> None:
        self._must_converge = True
        self._backoff.reset()
        self._hurry(urgency)
        self._woken.set()

    def _hurry(self, urgency: Urgency) -> None:
        if urgency < self._urgency:
            self._urgency = urgency
            self._turns.hurry(self.amphora_id, urgency)

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout_at(self._retry_at):
                    await self._woken.wait()
            except TimeoutError:
                self._must_converge = True
            self._woken.clear()
            if self._must_converge:
                async with self._turns.take(self.amphora_id, self._urgency):
                    self._must_converge = self._must_observe = False
                    self._urgency = Urgency.REMEMBERED
                    await self._converge()
            if self._must_observe:
                self._must_observe = False
                await self._observe()
            draining = self._served is not None and self._served.duty == "draining"
            self._look_again(DRAINING_LOOK if draining else None)

    async def _converge(self) -> None:
        """Carry out the newest order. A failure is reported, and tried again later."""
        self._retry_at = None
        try:
            await self._carry_out()
        except Exception as error:
            if not isinstance(error, HostError):
                log.exception("amphora_failed", amphora=self.amphora_id)
            # A newer order has superseded this one, so its failure is not reported.
            if not self._must_converge:
                self._retry_in(self._backoff.next())
                await self._report_order_failure(error)

    async def _carry_out(self) -> None:
        if self._leaving:
            await self._read_last_counters()
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
        self._must_observe = False
        try:
            seen = await self._host.observe(self.amphora_id)
        except Exception as error:
            await self._restart(error, lived=0)
            return
        self._running_since = self.looked_at = self._loop.time()
        self._set_report(report_of(wanted, seen))

    async def _observe(self) -> None:
        served = self._served
        if served is None or self._leaving:
            return
        lived = self._loop.time() - self._running_since
        try:
            seen = await self._host.observe(self.amphora_id)
        except Exception as error:
            log.warning("amphora_not_well", amphora=self.amphora_id, reason=str(error))
            if self._retry_at is None:
                await self._restart(error, lived)
            elif self.report.reason is not None:
                self._set_report(_unreachable(self.report))
            return
        self.looked_at = self._loop.time()
        before = self.report
        self._quiet = (seen.counters, seen.servers) == (before.counters, before.servers)
        self._set_report(report_of(served, seen, attempted=before.attempted, reason=before.reason))

    def _look_again(self, after: float | None) -> None:
        """Look again by itself after some seconds, or not at all."""
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = None if after is None else self._loop.call_later(after, self.look)

    async def _read_last_counters(self) -> None:
        """Report the counters of an amphora before it is removed."""
        if self._served is not None:
            with contextlib.suppress(HostError):
                seen = await self._host.observe(self.amphora_id)
                self.report = structs.replace(self.report, counters=dict(seen.counters))

    async def _restart(self, error: Exception, lived: float) -> None:
        """Serve again what has ended. One that ends again and again must not keep the machine busy."""
        self._hurry(Urgency.ENDED)
        if lived > LIFETIME:
            self._restart_backoff.reset()
            self._must_converge = True
            self._woken.set()
            return
        self._retry_in(self._restart_backoff.next())
        self._report_failure(error, None)

    def _retry_in(self, seconds: float) -> None:
        self._retry_at = self._loop.time() + seconds

    async def _report_order_failure(self, error: Exception) -> None:
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
            self._set_report(structs.replace(failure, reachable=None))
        elif seen is None:
            self._set_report(_unreachable(failure))
        else:
            self._set_report(_observed(failure, seen))

    def _set_report(self, report: Report) -> None:
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
        carries_vip=seen.carries_vip,
        servers=dict(seen.servers),
        unserved=tuple(sorted(seen.unserved)),
        counters=dict(seen.counters),
        troubles=dict(seen.troubles),
        dropped_flows=seen.dropped_flows,
        applied=seen.applied,
        numbers=seen.numbers,
        checks=dict(seen.checks),
    )


def _unreachable(report: Report) -> Report:
    return structs.replace(report, reachable=False, carries_vip=None, servers={}, unserved=(), checks={})
