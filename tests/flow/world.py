"""Server and agent in one process, joined by ASGI. Both may crash at any moment that matters and are started again.

The server is the real one on a real SQLite file; the host is memory that outlives its agents. After every moment the
invariant is checked: what is settled is what the host holds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from starlette.applications import Starlette

from hydria.adapters.memory import MemoryHost, MemorySecrets
from hydria.agent import Agent, Identity, Link
from hydria.compose.clock import SystemClock
from hydria.compose.server import make_app
from hydria.contract import Holding, Instance, Observation, Topology
from hydria.controller.desired_state import DesiredState
from hydria.homecloud.network import HomeNetworking, HomeTopologies
from hydria.model import LoadBalancer
from hydria.settings import Settings
from hydria.store import Database, Transaction, columns
from hydria.store.resources import Amphora

R = TypeVar("R")

HOST = "host-1"
IDENTITY = Identity(id=HOST, name="one")


class Crash(BaseException):
    """The crash of a process."""


class World:
    """Server, agent and host. The process at moment number `fatal` crashes, once; `passed` names all moments."""

    def __init__(self, directory: Path, memory: MemoryHost | None = None) -> None:
        self.settings = Settings(state_dir=directory / "state", run_dir=directory / "run")
        self.memory = memory or MemoryHost()
        self.passed: list[str] = []
        self.fatal: int | None = None
        self.deaths: list[str] = []
        self.checks = 0
        self.failures: list[BaseException] = []
        self.server = Life()
        self.agent = Life()
        self.line = Line(self)
        self._inspector = Database(self.settings.database_url)

    def sound(self) -> None:
        """Raise the first violation of the invariant or other failure."""
        if self.failures:
            raise self.failures[0]

    def moment(self, life: "Life", name: str) -> None:
        """Pass a moment of a process. At the fatal one, and at all later ones of that process, raise Crash."""
        if life.over.is_set():
            raise Crash(name)
        if len(self.passed) == self.fatal:
            self.fatal = None
            self.deaths.append(name)
            life.end()
            raise Crash(name)
        self.passed.append(name)

    def check(self) -> None:
        """Check the invariant: the host holds what is settled, equal to the instance made from the rows."""
        for amphora_id, instance in self._inspector.read(_settled).items():
            self.checks += 1
            if self.memory.instances.get(amphora_id) != instance:
                after = self.passed[-1:] + self.deaths
                self.failures.append(AssertionError(f"after {after}, what is settled is not what the host holds"))

    async def keep_server(self) -> None:
        """Start the server again after each crash."""
        while True:
            life = self.server = Life()
            database = FragileDatabase(self, life)
            try:
                app = make_app(self.settings, database, SystemClock())
                async with app.router.lifespan_context(app):
                    self.line.app = app
                    await life.over.wait()
            except Crash:
                pass
            except Exception as error:
                self.failures.append(error)
                raise
            finally:
                life.end()
                self.line.app = None
                database.close()

    async def keep_agent(self) -> None:
        """Start the agent again after each crash."""
        while True:
            life = self.agent = Life()
            transport = AgentLine(self, life)
            async with httpx.AsyncClient(transport=transport, base_url="http://server.test") as client:
                agent = Agent(IDENTITY, FragileHost(self, life), Link(client, self.settings.agent_secret_file))
                task = asyncio.create_task(agent.run(asyncio.Event()))
                try:
                    await life.over.wait()
                finally:
                    life.end()
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        self._inspector.close()


class Life:
    """One run of a process; its tasks end with it."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.under_way: set[asyncio.Task[Any]] = set()

    def end(self) -> None:
        self.over.set()
        for task in self.under_way:
            task.cancel()


class FragileDatabase(Database):
    """A database whose process may crash before a commit, after it, and before its hints are sent."""

    def __init__(self, world: World, life: Life) -> None:
        super().__init__(world.settings.database_url, synchronous="normal")
        self._world = world
        self._life = life
        # This listener comes before all others, so that a crash here loses the hints.
        self.subscribe(lambda hints: world.moment(life, f"server: hints {sorted(hints)}"))

    def transact(self, work: Callable[[Transaction], R]) -> R:
        """Run a transaction with a moment before and one after its commit."""

        def then(transaction: Transaction) -> R:
            result = work(transaction)
            self._world.moment(self._life, "server: before the commit")
            return result

        result = super().transact(then)
        self._world.check()
        self._world.moment(self._life, "server: after the commit")
        return result


class FragileHost:
    """The host of one run of the agent, with a moment before and after every effect."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._memory = world.memory

    async def remembered(self, *, alone: bool = False) -> Mapping[str, Instance]:
        self._world.moment(self._life, "agent: starts")
        return await self._memory.remembered(alone=alone)

    async def amphorae(self) -> Set[str]:
        return await self._memory.amphorae()

    async def inventory(self) -> Mapping[str, Instance | None]:
        return await self._memory.inventory()

    async def wired(self) -> Topology | None:
        return await self._memory.wired()

    async def still_wired(self) -> bool:
        return await self._memory.still_wired()

    async def wire(self, topology: Topology) -> None:
        await self._between("wire", lambda: self._memory.wire(topology))

    async def serve(self, instance: Instance) -> None:
        await self._between("serve", lambda: self._memory.serve(instance))

    async def withdraw(self, amphora_id: str) -> None:
        await self._between("withdraw", lambda: self._memory.withdraw(amphora_id))

    async def observe(self, amphora_id: str) -> Observation:
        return await self._memory.observe(amphora_id)

    def resting(self, amphora_id: str) -> bool:
        return self._memory.resting(amphora_id)

    async def changed(self) -> str:
        return await self._memory.changed()

    async def _between(self, verb: str, act: Callable[[], Awaitable[R]]) -> R:
        # A real host yields here too.
        await asyncio.sleep(0)
        self._world.moment(self._life, f"agent: before {verb}")
        done = await act()
        self._world.check()
        self._world.moment(self._life, f"agent: after {verb}")
        return done


class Line(httpx.AsyncBaseTransport):
    """The line to the running server; a crash cuts off its requests."""

    def __init__(self, world: World) -> None:
        self.app: Starlette | None = None
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.app is None:
            raise httpx.ConnectError("connection refused")
        life = self._world.server
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        task = asyncio.create_task(transport.handle_async_request(request))
        life.under_way.add(task)
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
            life.under_way.discard(task)
        if task.cancelled() or isinstance(task.exception(), Crash):
            raise httpx.ReadError("connection reset")
        return task.result()


class AgentLine(httpx.AsyncBaseTransport):
    """The agent's end of the line: it may crash before a report and before it gets an answer."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("report"):
            self._world.moment(self._life, "agent: before a report")
        answer = await self._world.line.handle_async_request(request)
        self._world.moment(self._life, f"agent: after {request.url.path}")
        return answer


def _settled(transaction: Transaction) -> dict[str, Instance]:
    """Return what is settled as instances made from the rows, by amphora id."""
    now = datetime.now(UTC)
    desired_state = DesiredState(lambda tx: HomeNetworking(tx, now), HomeTopologies, lambda _: MemorySecrets())
    topology = HomeTopologies(transaction).version()[0]
    c = columns(LoadBalancer)
    settled = {lb.id for lb in transaction.find(LoadBalancer, c.observed >= c.generation, c.deleted_in.is_(None))}
    amphorae = transaction.find(Amphora)
    # All others are given as held, so that there are no orders for them.
    held = {each.id for each in amphorae if each.load_balancer_id in settled}
    others = {each.id: _generation(transaction, each) for each in amphorae if each.id not in held}
    orders = desired_state.orders(transaction, Holding(host=HOST, amphorae=others, topology=topology))
    return {instance.amphora_id: instance for instance in orders.serve}


def _generation(transaction: Transaction, amphora: Amphora) -> int:
    load_balancer = transaction.get(LoadBalancer, amphora.load_balancer_id)
    return load_balancer.generation if load_balancer else 0


@contextlib.asynccontextmanager
async def alive(world: World) -> AsyncIterator[World]:
    """Run server and agent; at the end both are interrupted."""
    tasks = [asyncio.create_task(world.keep_server()), asyncio.create_task(world.keep_agent())]
    try:
        yield world
        world.check()
        world.sound()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        world.close()
