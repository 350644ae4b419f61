"""The agent's loops: taking orders, sending reports, watching events, and regular observations."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog
from msgspec import Struct

from hydria.agent.amphora_worker import AmphoraWorker
from hydria.agent.link import LinkError
from hydria.agent.looks import LOOK_PERIOD, TICK, Looks
from hydria.agent.topology import merged, unknown
from hydria.agent.turns import Turns, Urgency
from hydria.backoff import Backoff
from hydria.contract import VERSION, Description, Facts, Holding, Instance, Orders, Report, Reports, Topology
from hydria.errors import HostError, WiringError
from hydria.protocols import WIRES, Host
from hydria.tasks import endless

log = structlog.get_logger(__name__)

# How long reports wait for each other while amphorae wait for their turns (seconds).
BURST_PAUSE = 0.25
# How often the facts of the host are read (seconds).
FACTS_PERIOD = 5.0
# How long an agent that comes back after a power cut waits for an answer before it takes VIPs (seconds): another host
# may have them by now, which only a server can tell.
ALONE_AFTER = 10.0
FIRST_RETRY = 0.1
LAST_RETRY = 2.0
# The longest pause until a server has answered for the first time, within `ALONE_AFTER`: both start with the machine.
EAGER_RETRY = 0.2


class Identity(Struct, frozen=True, kw_only=True):
    """The host for the server: an id that never changes, and a name that may."""

    id: str
    name: str


class ToServer(Protocol):
    """The connection to the server, such as `Link`. Both calls raise LinkError."""

    async def poll(self, holding: Holding) -> Orders:
        """Send the holding and wait for orders."""
        ...

    async def report(self, reports: Reports) -> None:
        """Send what changed."""
        ...


class Agent:
    """Converges one host to what the server orders."""

    def __init__(self, identity: Identity, host: Host, link: ToServer, facts: Callable[[], Facts] = Facts) -> None:
        """`facts` reads what is to be said about the host. It may raise HostError."""
        self._identity = identity
        self._read_facts = facts
        self._facts = Facts()
        # Set when the facts are others than those of the open poll.
        self._facts_changed = asyncio.Event()
        self._host = host
        self._link = link
        self._workers: dict[str, AmphoraWorker] = {}
        self._turns = Turns()
        self._looks = Looks()
        self._topology: Topology | None = None
        # Generation and change of the topology that was tried last.
        self._tried = (0, 0)
        self._topology_reason: str | None = None
        # The part of it that no order names.
        self._unknown: Topology | None = None
        self._unmanaged: set[str] = set()
        # None before anything was tried.
        self._networks_down: dict[str, str] | None = None
        self._wiring = asyncio.Lock()
        self._rewire = asyncio.Event()
        # The amphorae whose newest report was not sent, and the last report that was sent of each.
        self._unsent: set[str] = set()
        self._sent: dict[str, Report] = {}
        self._sent_topology_report: tuple[object, ...] | None = None
        self._changed = asyncio.Event()
        self.look_seconds = LOOK_PERIOD
        self.alone_seconds = ALONE_AFTER
        # Set when a server has answered for the first time.
        self._answered = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Afterwards all amphorae go on serving."""
        remembered = await self._host.remembered()
        for instance in remembered.values():
            self._worker(instance.amphora_id).serve(instance, Urgency.REMEMBERED)
        # These cannot be looked after without an instance, which only the server may have.
        self._unmanaged = await self._host.amphorae() - self._workers.keys()
        await self._look_at_facts()
        sending = (self._take_orders, self._send_reports)
        watching = (self._watch_facts, self._retry_wiring, self._watch, self._look_around)
        tasks = [endless(self._repeat(each), each.__name__) for each in (*sending, *watching)]
        tasks.append(asyncio.create_task(self._go_alone(remembered)))
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for worker in self._workers.values():
                await worker.close()

    async def _go_alone(self, remembered: Mapping[str, Instance]) -> None:
        """Serve what is remembered completely, VIPs included, when no server answers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.alone_seconds):
                await self._answered.wait()
                return
        for key, instance in (await self._host.remembered(alone=True)).items():
            worker = self._workers.get(key)
            if worker is not None and instance != remembered.get(key) and worker.holding == 0:
                log.warning("vips_taken_without_a_server", amphora=key)
                worker.serve(instance)

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step; after a failure wait longer each time."""
        backoff, away = Backoff(FIRST_RETRY, LAST_RETRY), None
        loop = asyncio.get_running_loop()
        eager_until = loop.time() + self.alone_seconds
        while True:
            try:
                await step()
                backoff.reset()
                away = None
            except LinkError as error:
                pause = backoff.next()
                if not self._answered.is_set() and loop.time() < eager_until:
                    pause = min(pause, EAGER_RETRY)
                if away != str(error):
                    away = str(error)
                    log.warning("server_away", reason=away)
                self._resend_reports()
                await asyncio.sleep(pause)
            except Exception:
                log.exception("agent_step_failed", step=step.__name__)
                await asyncio.sleep(backoff.next())

    # --- orders ---

    async def _take_orders(self) -> None:
        held: dict[str, int | None] = dict.fromkeys(self._unmanaged, 0)
        held |= {key: worker.holding for key, worker in self._workers.items()}
        holding = Holding(
            host=self._identity.id,
            name=self._identity.name,
            speaks=VERSION,
            facts=self._facts,
            amphorae={key: generation for key, generation in held.items() if generation is not None},
            change_ids={key: worker.change_id for key, worker in self._workers.items()},
            withdrawing=tuple(key for key, generation in held.items() if generation is None),
            topology=self._topology.generation if self._topology else 0,
            topology_change=self._topology.change_id if self._topology else 0,
        )
        self._facts_changed.clear()
        poll = asyncio.create_task(self._link.poll(holding))
        changed = asyncio.create_task(self._facts_changed.wait())
        try:
            await asyncio.wait((poll, changed), return_when=asyncio.FIRST_COMPLETED)
            if poll.done():
                orders = poll.result()
                self._answered.set()
                await self._carry_out(orders)
        finally:
            poll.cancel()
            changed.cancel()
            await asyncio.gather(poll, changed, return_exceptions=True)

    async def _watch_facts(self) -> None:
        await asyncio.sleep(FACTS_PERIOD)
        await self._look_at_facts()

    async def _look_at_facts(self) -> None:
        try:
            facts = await asyncio.to_thread(self._read_facts)
        except HostError as error:
            log.warning("facts_unknown", reason=str(error))
            return
        if facts != self._facts:
            self._facts = facts
            self._facts_changed.set()

    async def _carry_out(self, orders: Orders) -> None:
        if orders.topology is not None:
            known = self._topology or await self._host.wired()
            self._topology = merged(known, orders.topology)
            self._unknown = unknown(self._topology, orders.topology)
            if self._topology == known and await self._host.still_wired():
                # With very many ports it takes a second to look at, beside other work.
                self._rewire.set()
            else:
                # Made before the amphorae that need it.
                await self._wire()
        for instance in orders.serve:
            worker = self._worker(instance.amphora_id)
            worker.serve(instance, Urgency.COMPLETED if worker.holding == 0 else Urgency.ORDERED)
        for key in orders.withdraw:
            self._worker(key).withdraw()
        if orders.describe:
            await self._describe(orders.describe)
        if orders.report:
            self._resend_reports()

    async def _describe(self, keys: Sequence[str]) -> None:
        """Describe amphorae that the server does not know. They go on serving."""
        known = await self._host.inventory()
        described = tuple(Description(amphora_id=key, instance=known.get(key)) for key in keys)
        held = (*self._workers, *self._unmanaged)
        await self._link.report(Reports(host=self._identity.id, described=described, held=held))

    async def _wire(self) -> None:
        """Make the newest topology. `_retry_wiring` tries a failed one again, and amphorae are served meanwhile."""
        async with self._wiring:
            topology, reason, down = self._topology, None, {}
            if topology is None:
                return
            try:
                await self._host.wire(topology)
            except Exception as error:
                reason = str(error) or f"The host failed with {type(error).__name__}."
                down = dict(error.networks) if isinstance(error, WiringError) else {}
                self._rewire.set()
            tried = (topology.generation, topology.change_id)
            if (tried, reason, down) != (self._tried, self._topology_reason, self._networks_down):
                if reason is not None and reason != self._topology_reason:
                    log.warning("topology_failing", generation=topology.generation, reason=reason)
                self._tried, self._topology_reason, self._networks_down = tried, reason, down
                self._changed.set()

    async def _retry_wiring(self) -> None:
        await self._rewire.wait()
        backoff = Backoff(FIRST_RETRY, LAST_RETRY)
        while self._rewire.is_set():
            await asyncio.sleep(backoff.next())
            self._rewire.clear()
            await self._wire()

    def _worker(self, key: str) -> AmphoraWorker:
        if key not in self._workers:
            self._workers[key] = AmphoraWorker(key, self._host, self._note_report, self._turns)
        return self._workers[key]

    # --- reports ---

    def _note_report(self, worker: AmphoraWorker) -> None:
        self._unsent.add(worker.amphora_id)
        self._changed.set()

    def _resend_reports(self) -> None:
        """Send all reports again: the server may be another one, or may have lost what it received last."""
        self._sent.clear()
        self._sent_topology_report = None
        self._unsent |= self._workers.keys()
        self._changed.set()

    async def _send_reports(self) -> None:
        await self._changed.wait()
        if self._turns.crowded:
            # One message then has the reports of several.
            await asyncio.sleep(BURST_PAUSE)
        self._changed.clear()
        going, self._unsent = self._unsent, set()
        workers = [self._workers[key] for key in going if key in self._workers]
        withdrawn = tuple(worker.amphora_id for worker in workers if worker.withdrawn)
        reports = {
            worker.amphora_id: worker.report
            for worker in workers
            if worker.report not in (self._sent.get(worker.amphora_id), _empty_report(worker))
        }
        topology_report = (*self._tried, self._topology_reason, self._networks_down, self._unknown)
        if not reports and not withdrawn and topology_report == self._sent_topology_report:
            return
        message = Reports(
            host=self._identity.id,
            reports=tuple(reports.values()),
            withdrawn=withdrawn,
            topology=topology_report[0],
            topology_change=topology_report[1],
            topology_reason=topology_report[2],
            networks_down=self._networks_down if topology_report != self._sent_topology_report else None,
            unknown=self._unknown if topology_report != self._sent_topology_report else None,
        )
        try:
            await self._link.report(message)
        except LinkError:
            self._unsent |= going
            self._changed.set()
            raise
        self._sent |= reports
        self._sent_topology_report = topology_report
        for key in withdrawn:
            await self._forget(key)

    async def _forget(self, key: str) -> None:
        worker = self._workers[key]
        # The amphora may have been ordered again meanwhile.
        if worker.withdrawn:
            del self._workers[key]
            self._unmanaged.discard(key)
            self._sent.pop(key, None)
            await worker.close()

    # --- events of the host ---

    async def _watch(self) -> None:
        key = await self._host.changed()
        worker = self._workers.get(key)
        if key == WIRES:
            self._rewire.set()
        elif worker is not None:
            worker.look()

    async def _look_around(self) -> None:
        """Observe the amphorae that are due, spread over a tick."""
        tick, now = min(TICK, self.look_seconds), asyncio.get_running_loop().time()
        workers = self._workers.values()
        due = self._looks.due(workers, now, self.look_seconds, tick, crowded=self._turns.crowded)
        for worker in due:
            worker.look()
            await asyncio.sleep(tick / len(due))
        if not due:
            await asyncio.sleep(tick)


def _empty_report(worker: AmphoraWorker) -> Report:
    """Return the report of an amphora for which nothing was tried yet, which is not sent."""
    return Report(amphora_id=worker.amphora_id, generation=0)
