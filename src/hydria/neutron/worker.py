"""The worker that brings Neutron to what the rows say, outside of transactions.

Each step may run again at any time: what a crash left is found by the ids of devices, and taken or deleted.
"""

import asyncio
from collections.abc import Callable

import structlog
from msgspec import structs

from hydria.backoff import Backoff
from hydria.errors import Refusal, Unavailable
from hydria.model.neutron import NeutronNetwork
from hydria.neutron.calls import Calls
from hydria.neutron.claims import Claims
from hydria.neutron.follow import follow
from hydria.neutron.networking import TOPIC
from hydria.neutron.rows import PortCreation
from hydria.neutron.situation import Situation, due, read, sweepable
from hydria.neutron.steps import Steps
from hydria.protocols import Clock
from hydria.store import Database, Transaction, columns
from hydria.store.resources import Wait
from hydria.times import stamp

log = structlog.get_logger(__name__)

# How long a lost hint may delay work, and how often changes in Neutron are looked for (seconds).
_PERIOD, FOLLOW_PERIOD = 2.0, 30.0
_TOPICS = frozenset({"instances", "hosts", TOPIC})
# How many load balancers are worked on at once, and the pauses after a failure (seconds).
_WIDTH = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# How old a creation without a load balancer is when it is given up (seconds).
_ABANDONED = 120


class NeutronWorker:
    """Works off what load balancers want of Neutron, woken by hints."""

    def __init__(self, neutron: Calls, database: Database, clock: Clock) -> None:
        self._neutron = neutron
        self._database = database
        self._clock = clock
        self.claims = Claims(database, clock)
        self._woken = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._width = asyncio.Semaphore(_WIDTH)
        # The pauses of load balancers whose last attempt failed, and when the next one is due.
        self._pauses: dict[str, tuple[Backoff, float]] = {}
        self._follow_at = 0.0
        # The networks of the last ports, as they were since the last look at changes.
        self._networks: dict[str, NeutronNetwork] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        database.subscribe(self._hear)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; `wake` makes it look."""
        self._loop = asyncio.get_running_loop()
        while not stop.is_set():
            self._woken.clear()
            try:
                await self.step()
            except Refusal as refusal:
                log.warning("neutron_waits", reason=refusal.message)
            except Exception:
                log.exception("neutron_work_failed")
            if not stop.is_set():
                await self._pause()
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def wake(self) -> None:
        """Look at once whether there is work, or whether to stop."""
        self._woken.set()

    def _hear(self, topics: frozenset[str]) -> None:
        if topics & _TOPICS and self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), _PERIOD)
        except TimeoutError:
            return

    async def step(self) -> None:
        """Begin to work on all load balancers that are due, and follow changes in Neutron now and then."""
        now = self._clock.monotonic()
        for key in await self._database.run(due, writing=False):
            _, again = self._pauses.get(key, (None, 0.0))
            if key not in self._running and again <= now:
                self._start(key)
        if now >= self._follow_at:
            self._follow_at = now + FOLLOW_PERIOD
            self._networks.clear()
            await self._sweep()
            await follow(self._neutron, self._database)

    async def settle(self) -> None:
        """Wait until nothing is being worked on, for tests."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            await asyncio.sleep(0)

    def _start(self, key: str) -> None:
        task = asyncio.create_task(self._advance(key), name=f"neutron-{key}")
        self._running[key] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._running[key]
            # More may have been wanted meanwhile.
            self._woken.set()

        task.add_done_callback(ended)

    async def _advance(self, key: str) -> None:
        async with self._width:
            try:
                await self._work_off(key)
            except Refusal as refusal:
                backoff, _ = self._pauses.get(key, (Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0.0))
                self._pauses[key] = backoff, self._clock.monotonic() + backoff.next()
                log.warning("neutron_refuses", load_balancer=key, reason=refusal.message)
            except Exception:
                self._pauses[key] = Backoff(_LONGEST_PAUSE, _LONGEST_PAUSE), self._clock.monotonic() + _LONGEST_PAUSE
                log.exception("neutron_work_failed", load_balancer=key)
            else:
                self._pauses.pop(key, None)

    async def _work_off(self, key: str) -> None:
        if not await self.claims.take(key):
            return
        try:
            situation = await self._database.run(_reading(key), writing=False)
            try:
                await Steps(self._neutron, self._database, situation, self._networks).take()
            except Refusal as refusal:
                await self._note(situation, refusal)
                raise
            await self._note(situation, None)
        finally:
            await self.claims.give_up(key)

    async def _note(self, situation: Situation, refusal: Refusal | None) -> None:
        """Store why an attempt failed, for the load balancer's owner, or that it did not."""
        key, before = situation.load_balancer_id, situation.wait
        now = None if refusal is None else _wait(key, refusal, stamp(self._clock.now()))
        if now is not None and before is not None:
            now = structs.replace(now, since=before.since)
        if now != before:
            await self._database.run(_noting(key, now), writing=True)

    async def _sweep(self) -> None:
        """Delete the ports of creations whose load balancer never came to be."""
        before = int(self._clock.now().timestamp()) - _ABANDONED
        for creation in await self._database.run(lambda transaction: sweepable(transaction, before), writing=False):
            for port in await self._neutron.ports(device_id=creation.id):
                log.info("port_swept", port=port.id, device=creation.id)
                await self._neutron.delete_port(port.id)
            await self._database.run(_forgetting(creation), writing=True)


def _forgetting(creation: PortCreation) -> Callable[[Transaction], int]:
    return lambda transaction: transaction.delete(PortCreation, columns(PortCreation).id == creation.id)


def _wait(key: str, refusal: Refusal, now: str) -> Wait:
    # The advice is for users who wait for an answer.
    reason = refusal.message.removesuffix(" Please try again.")
    refused = not isinstance(refusal, Unavailable)
    return Wait(id=key, service="Neutron", reason=reason, refused=refused, since=now)


def _noting(key: str, wait: Wait | None) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        transaction.delete(Wait, columns(Wait).id == key)
        if wait is not None:
            transaction.insert(wait)
            # A refusal puts a new load balancer into ERROR.
            transaction.hint("ports")

    return work


def _reading(key: str) -> Callable[[Transaction], Situation]:
    return lambda transaction: read(transaction, key)
