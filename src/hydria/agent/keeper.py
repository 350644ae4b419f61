"""Keeps one amphora at what was last ordered: the newest order wins, failures are tried again, events looked at."""

import asyncio
from collections.abc import Callable

import structlog

from hydria.errors import HostError
from hydria.model.status import operating_statuses
from hydria.ports import Host
from hydria.spec import Instance, Report

log = structlog.get_logger(__name__)

FIRST_RETRY = 0.25
LAST_RETRY = 5.0


class Keeper:
    """One amphora. `on_report` is called with itself whenever there may be news."""

    def __init__(self, amphora_id: str, host: Host, on_report: Callable[["Keeper"], None]) -> None:
        self.amphora_id = amphora_id
        self.report = Report(amphora_id=amphora_id, generation=0)
        self.withdrawn = False
        self._host = host
        self._on_report = on_report
        self._wanted: Instance | None = None
        self._leaving = False
        self._served: Instance | None = None
        self._to_do = asyncio.Event()
        self._task = asyncio.create_task(self._keep())

    @property
    def holding(self) -> int | None:
        """The newest generation that was ordered, None when it is to go."""
        return None if self._leaving or self._wanted is None else self._wanted.generation

    def serve(self, instance: Instance) -> None:
        """Order: serve this, whatever was ordered before."""
        self._wanted, self._leaving, self.withdrawn = instance, False, False
        self._to_do.set()

    def withdraw(self) -> None:
        """Order: remove it."""
        if not self._leaving:
            self._leaving = True
            self._to_do.set()

    def again(self) -> None:
        """Bring it to what was ordered once more: something may have happened to it."""
        self._to_do.set()

    async def look(self) -> None:
        """Read its states and counters; one that does not run is brought back."""
        if self._served is None or self._leaving:
            return
        served = self._served
        try:
            seen = await self._host.observe(self.amphora_id)
        except HostError as error:
            log.warning("amphora_not_well", amphora=self.amphora_id, reason=str(error))
            self.again()
            return
        if served is not self._served:
            return
        operating = operating_statuses(served.tree, seen.servers)
        self._tell(
            Report(
                amphora_id=self.amphora_id,
                generation=served.generation,
                attempted=self.report.attempted,
                reason=self.report.reason,
                operating=operating,
                counters=dict(seen.counters),
            )
        )

    async def close(self) -> None:
        """Stop keeping; what it serves, it serves on."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        retry = FIRST_RETRY
        while True:
            await self._to_do.wait()
            self._to_do.clear()
            try:
                await self._obey()
            except Exception as error:
                if not isinstance(error, HostError):
                    log.exception("amphora_failed", amphora=self.amphora_id)
                self._failed(error)
                try:
                    async with asyncio.timeout(retry):
                        await self._to_do.wait()
                    retry = FIRST_RETRY
                except TimeoutError:
                    retry = min(retry * 2, LAST_RETRY)
                self._to_do.set()
            else:
                retry = FIRST_RETRY

    async def _obey(self) -> None:
        if self._leaving:
            await self._host.withdraw(self.amphora_id)
            self._served, self.withdrawn = None, self._leaving
            self._on_report(self)
            return
        wanted = self._wanted
        if wanted is None:
            return
        await self._host.serve(wanted)
        self._served = wanted
        self.report = Report(amphora_id=self.amphora_id, generation=wanted.generation, counters=self.report.counters)
        await self.look()

    def _failed(self, error: Exception) -> None:
        attempted = 0 if self._wanted is None else self._wanted.generation
        reason = str(error) or f"The host failed with {type(error).__name__}."
        log.warning("amphora_failing", amphora=self.amphora_id, generation=attempted, reason=reason)
        before = self.report
        self._tell(
            Report(
                amphora_id=self.amphora_id,
                generation=before.generation,
                attempted=attempted,
                reason=reason,
                operating=before.operating,
                counters=before.counters,
            )
        )

    def _tell(self, report: Report) -> None:
        if report != self.report or report.generation:
            self.report = report
            self._on_report(self)
