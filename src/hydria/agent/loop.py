"""The agent's loops: orders in, reports out, events and regular looks in between."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from hydria.agent.keeper import Keeper
from hydria.agent.link import Link, LinkError
from hydria.errors import HostError
from hydria.ports import Host
from hydria.spec import Holding, Orders, Report, Reports, Topology

log = structlog.get_logger(__name__)

# How often counters are read when nothing happens (seconds), spread over all amphorae.
LOOK_PERIOD = 15.0
FIRST_RETRY = 0.25
LAST_RETRY = 5.0


class Agent:
    """Keeps one host at what the server orders."""

    def __init__(self, name: str, host: Host, link: Link) -> None:
        """`name` is what the server knows this host by."""
        self._name = name
        self._host = host
        self._link = link
        self._keepers: dict[str, Keeper] = {}
        self._topology: Topology | None = None
        self._topology_reason: str | None = None
        self._unsent: dict[str, Report] = {}
        self._sent: dict[str, Report] = {}
        self._news = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; everything served goes on being served."""
        for instance in (await self._host.remembered()).values():
            self._keeper(instance.amphora_id).serve(instance)
        loops = (self._take_orders, self._send_reports, self._watch, self._look_around)
        tasks = [asyncio.create_task(self._forever(each)) for each in loops]
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for keeper in self._keepers.values():
                await keeper.close()

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step; after a failure wait longer each time."""
        retry = FIRST_RETRY
        while True:
            try:
                await step()
                retry = FIRST_RETRY
            except LinkError as error:
                log.warning("server_away", reason=str(error), again_in=retry)
                # It may be another server, or the same one without what we said last.
                self._sent.clear()
                self._unsent |= {
                    key: keeper.report for key, keeper in self._keepers.items() if keeper.report.generation
                }
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY)
            except Exception:
                log.exception("agent_step_failed", step=step.__name__)
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY)

    # --- orders ---

    async def _take_orders(self) -> None:
        held = {key: keeper.holding for key, keeper in self._keepers.items()}
        holding = Holding(
            host=self._name,
            amphorae={key: generation for key, generation in held.items() if generation is not None},
            withdrawing=tuple(key for key, generation in held.items() if generation is None),
            topology=self._topology.generation if self._topology and self._topology_reason is None else 0,
        )
        await self._obey(await self._link.poll(holding))

    async def _obey(self, orders: Orders) -> None:
        if orders.topology is not None:
            await self._wire(orders.topology)
        for instance in orders.serve:
            self._keeper(instance.amphora_id).serve(instance)
        for key in orders.withdraw:
            self._keeper(key).withdraw()
        if orders.topology is not None and self._topology_reason is not None:
            # It will be ordered again at once; what fails is given time.
            await asyncio.sleep(FIRST_RETRY)

    async def _wire(self, topology: Topology) -> None:
        reason = None
        try:
            await self._host.wire(topology)
        except HostError as error:
            reason = str(error)
            log.warning("topology_failing", generation=topology.generation, reason=reason)
        self._topology = topology
        if reason != self._topology_reason:
            self._topology_reason = reason
            self._news.set()

    def _keeper(self, key: str) -> Keeper:
        if key not in self._keepers:
            self._keepers[key] = Keeper(key, self._host, self._told)
        return self._keepers[key]

    # --- reports ---

    def _told(self, keeper: Keeper) -> None:
        if keeper.withdrawn or self._sent.get(keeper.amphora_id) != keeper.report:
            self._unsent[keeper.amphora_id] = keeper.report
            self._news.set()

    async def _send_reports(self) -> None:
        await self._news.wait()
        self._news.clear()
        going, self._unsent = self._unsent, {}
        keepers = {key: self._keepers[key] for key in going if key in self._keepers}
        withdrawn = tuple(key for key, keeper in keepers.items() if keeper.withdrawn)
        reports = {key: report for key, report in going.items() if key in keepers and key not in withdrawn}
        message = Reports(
            host=self._name,
            reports=tuple(reports.values()),
            withdrawn=withdrawn,
            topology=self._topology.generation if self._topology else 0,
            topology_reason=self._topology_reason,
        )
        try:
            await self._link.report(message)
        except LinkError:
            self._unsent = going | self._unsent
            self._news.set()
            raise
        self._sent |= reports
        for key in withdrawn:
            await self._forget(key)

    async def _forget(self, key: str) -> None:
        keeper = self._keepers[key]
        # It may have been ordered again meanwhile.
        if keeper.withdrawn:
            del self._keepers[key]
            self._sent.pop(key, None)
            await keeper.close()

    # --- what happens here ---

    async def _watch(self) -> None:
        keeper = self._keepers.get(await self._host.changed())
        if keeper is not None:
            await keeper.look()

    async def _look_around(self) -> None:
        keepers = list(self._keepers.values())
        for keeper in keepers:
            await keeper.look()
            await asyncio.sleep(LOOK_PERIOD / len(keepers))
        if not keepers:
            await asyncio.sleep(LOOK_PERIOD)
