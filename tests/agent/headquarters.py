"""Both ends of an agent: a server without a database, and a host whose calls can hang."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hydria.adapters.memory import MemoryHost
from hydria.agent import Agent, Identity, LinkError
from hydria.contract import Facts, Holding, Instance, Observation, Orders, Report, Reports, Topology
from hydria.controller.desired_state import Assigned, compare
from tests.support.waiting import eventually


class Headquarters:
    """A server without a database, on the agent's link. `heard` are all messages that arrived, in order."""

    def __init__(self) -> None:
        self.wanted: dict[str, Instance] = {}
        self.leaving: set[str] = set()
        # Amphorae that the server does not know and that the agent has described.
        self.described: set[str] = set()
        self.topology = Topology(generation=0)
        self.heard: list[Reports] = []
        self.polls: list[Holding] = []
        # `away` refuses all calls; `lossy` takes reports and loses the answers.
        self.away = self.lossy = False
        self.refused = 0
        self._changed = asyncio.Event()

    def want(self, *instances: Instance) -> None:
        for instance in instances:
            self.wanted[instance.amphora_id] = instance
        self._changed.set()

    def leave(self, amphora_id: str) -> None:
        del self.wanted[amphora_id]
        self.leaving.add(amphora_id)
        self._changed.set()

    def rewire(self) -> None:
        self.topology = Topology(generation=self.topology.generation + 1)
        self._changed.set()

    async def go_away(self) -> None:
        """Refuse connections; return when the agent has noticed."""
        self.away, self.refused = True, 0
        self._changed.set()
        await eventually(lambda: self.refused > 0)

    def come_back(self) -> None:
        self.away = False

    def _answer(self) -> None:
        if self.away:
            self.refused += 1
            raise LinkError("connection refused")

    async def poll(self, holding: Holding) -> Orders:
        while True:
            self._answer()
            self.polls.append(holding)
            orders = self._orders(holding)
            if orders != Orders():
                return orders
            self._changed.clear()
            await self._changed.wait()

    def _orders(self, holding: Holding) -> Orders:
        wanted = [Assigned(key, each.generation, change_id_of(each)) for key, each in self.wanted.items()]
        leaving = [Assigned(key, leaving=True) for key in self.leaving]
        serve, withdraw, describe = compare(holding, [*wanted, *leaving])
        return Orders(
            serve=tuple(self.wanted[key] for key in serve),
            withdraw=tuple(withdraw),
            describe=tuple(key for key in describe if key not in self.described),
            topology=None if self.topology.generation == holding.topology else self.topology,
        )

    async def report(self, reports: Reports) -> None:
        self._answer()
        self.heard.append(reports)
        self.leaving -= set(reports.withdrawn)
        self.described |= {each.amphora_id for each in reports.described}
        if self.lossy:
            raise LinkError("the answer was lost")

    def reports(self, amphora_id: str) -> list[Report]:
        """Return all reports about an amphora."""
        return [report for message in self.heard for report in message.reports if report.amphora_id == amphora_id]

    def last(self, amphora_id: str) -> Report:
        """Return the newest report about an amphora, or an empty one."""
        return (self.reports(amphora_id) or [Report(amphora_id=amphora_id, generation=0)])[-1]


def change_id_of(instance: Instance) -> int:
    return instance.tree.load_balancer.change_id


class SlowHost(MemoryHost):
    """A host whose calls in `hanging`, as (verb, amphora id), wait for `release`."""

    def __init__(self) -> None:
        super().__init__()
        self.hanging: set[tuple[str, str]] = set()
        self._released = asyncio.Event()

    def release(self) -> None:
        self.hanging.clear()
        self._released.set()

    async def serve(self, instance: Instance) -> None:
        await self._hang("serve", instance.amphora_id)
        await super().serve(instance)

    async def withdraw(self, amphora_id: str) -> None:
        await self._hang("withdraw", amphora_id)
        await super().withdraw(amphora_id)

    async def observe(self, amphora_id: str) -> Observation:
        await self._hang("observe", amphora_id)
        return await super().observe(amphora_id)

    async def wire(self, topology: Topology) -> None:
        await self._hang("wire", "")
        await super().wire(topology)

    async def _hang(self, verb: str, key: str) -> None:
        while (verb, key) in self.hanging:
            self._released.clear()
            await self._released.wait()


@asynccontextmanager
async def working(
    host: MemoryHost,
    server: Headquarters,
    *,
    look_seconds: float = 15.0,
    alone: float = 3600,
    facts: Callable[[], Facts] = Facts,
) -> AsyncIterator[Agent]:
    """Run an agent. At the end it is interrupted as if it was killed."""
    agent = Agent(Identity(id="host-1", name="one"), host, server, facts)
    agent.look_seconds, agent.alone_seconds = look_seconds, alone
    task = asyncio.create_task(agent.run(asyncio.Event()))
    try:
        yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
