"""The worker that reads again what load balancers refer to, outside of transactions."""

import asyncio
from datetime import datetime
from functools import partial

import structlog

from hydria.barbican.calls import Calls
from hydria.barbican.reading import place, read
from hydria.barbican.rows import CachedSecret, Reading, Wanted
from hydria.barbican.situation import Change, changed, consumer_changes, due, store, unused
from hydria.errors import Invalid, NotFound, Refusal, TooMany, Unavailable
from hydria.protocols import Clock, Vault
from hydria.store import Database, Transaction, columns

log = structlog.get_logger(__name__)

# How often it looks whether something is due (seconds).
PERIOD = 10.0
# After how long it tries again to read what it could not (seconds).
_PAUSE = 60.0


class BarbicanWorker:
    """Keeps the rows as Barbican has the secrets. A secret that cannot be read any more stays as it was."""

    def __init__(self, barbican: Calls, database: Database, vault: Vault, clock: Clock) -> None:
        self._barbican = barbican
        self._database = database
        self._vault = vault
        self._clock = clock
        # When what could not be read is tried again, by the monotonic clock.
        self._again: dict[Wanted, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            looking = asyncio.create_task(self._look())
            await asyncio.wait((looking, stopping), return_when=asyncio.FIRST_COMPLETED)
            # A stopping server does not wait for Barbican.
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await asyncio.wait((stopping,), timeout=PERIOD)

    async def step(self) -> None:
        """Read what is due, and remove what is not needed. Raises Unavailable."""
        now = self._clock.now()
        readings: list[Reading] = []
        try:
            for wanted in self._promising(await self._database.run(partial(due, now=now), writing=False)):
                readings.append(await self._read(wanted))  # noqa: PERF401 - a failure keeps those before it
        finally:
            if readings:
                kept = partial(store, vault=self._vault, readings=readings, now=self._clock.now())
                await self._database.run(kept, writing=True)
        for change in await self._database.run(consumer_changes, writing=False):
            await self._tell(change)
        if await self._database.run(partial(unused, now=now), writing=False):
            await self._database.run(partial(_remove, now=now), writing=True)

    async def _look(self) -> None:
        try:
            await self.step()
        except Refusal as refusal:
            log.warning("barbican_waits", reason=refusal.message)
        except Exception:
            log.exception("barbican_work_failed")

    def _promising(self, wanted: list[Wanted]) -> list[Wanted]:
        """Return those that were not tried in vain a moment ago: what was never read has no row that says so."""
        now = self._clock.monotonic()
        self._again = {each: self._again[each] for each in wanted if self._again.get(each, 0.0) > now}
        return [each for each in wanted if each not in self._again]

    async def _tell(self, change: Change) -> None:
        """Register and remove consumers. Users see by them that a secret is in use; nothing else depends on them."""
        collection, key = place(change.wanted.reference)
        acts = [(self._barbican.register, each) for each in sorted(change.coming)]
        acts += [(self._barbican.unregister, each) for each in sorted(change.going)]
        for act, load_balancer_id in acts:
            try:
                await act(collection, key, load_balancer_id)
            except (Unavailable, TooMany):
                raise
            except Refusal as refusal:
                # It is gone, not allowed, or this Barbican has no consumers of secrets.
                log.info("consumer_refused", reference=change.wanted.reference, reason=refusal.message)
        await self._database.run(partial(changed, change=change), writing=True)

    async def _read(self, wanted: Wanted) -> Reading:
        try:
            return Reading(wanted=wanted, text=await read(self._barbican, wanted))
        except (NotFound, Invalid) as refusal:
            log.warning("secret_unreadable", reference=wanted.reference, reason=refusal.message)
            self._again[wanted] = self._clock.monotonic() + _PAUSE
            return Reading(wanted=wanted, reason=refusal.message)


def _remove(transaction: Transaction, now: datetime) -> None:
    gone = unused(transaction, now)
    if gone:
        transaction.delete(CachedSecret, columns(CachedSecret).id.in_(gone))
