"""A host of amphorae with a client, for tests."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import structs

from hydria.adapters.linux.host import LinuxHost
from hydria.adapters.linux.names import Names
from hydria.agent.amphora_worker import AmphoraWorker
from hydria.agent.turns import Turns
from hydria.contract import Instance
from hydria.settings import AgentSettings
from tests.linux.haproxies import Load, get
from tests.support.trees import AMPHORA, instance
from tests.support.waiting import eventually

VIP = "10.0.0.10"


class Machine:
    """A host and what tests observe of it. `restart` replaces the agent's side; all processes go on."""

    def __init__(self, names: Names, directory: Path) -> None:
        self.names = names
        self.directory = directory
        self.settings = AgentSettings(prefix=names.prefix)
        self.host = self._new()
        self.client = names.lab("client")

    def _new(self) -> LinuxHost:
        return LinuxHost(self.settings, self.directory / "run", self.directory / "state")

    async def stop(self, **settings: Any) -> None:
        await self.host.close()
        self.settings = structs.replace(self.settings, **settings)
        self.host = self._new()

    async def restart(self, **settings: Any) -> None:
        await self.stop(**settings)
        await self.host.open()

    def get(self, port: int = 80) -> str:
        status, body = get(self.client, VIP, port)
        assert status == 200, body
        return body.strip().removeprefix("you hit: ")

    @property
    def amphora_files(self) -> Path:
        return self.directory / "run" / "amphorae" / AMPHORA

    @property
    def pid(self) -> int:
        return int((self.amphora_files / "haproxy.pid").read_text())


@asynccontextmanager
async def attended(machine: Machine, wanted: Instance) -> AsyncIterator[AmphoraWorker]:
    """Have an agent's worker serve the amphora and look at it when the host tells of an event."""
    worker = AmphoraWorker(AMPHORA, machine.host, lambda worker: None, Turns())

    async def listen() -> None:
        while True:
            if await machine.host.changed() == AMPHORA:
                worker.look()

    task = asyncio.create_task(listen())
    worker.serve(wanted)
    await eventually(lambda: worker.report.generation == wanted.generation)
    yield worker
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await worker.close()


async def change_under_load(machine: Machine, changes: Iterable[tuple[Any, ...]]) -> int:
    """Serve trees one after another under load; no request may fail. Return the number of answers."""
    with Load(machine.client, VIP) as load:
        for generation, children in enumerate(changes, start=2):
            before = load.answers
            await machine.host.serve(instance(*children, generation=generation))

            async def more(before: int = before) -> bool:
                return load.answers > before + 20

            await eventually(more)
    assert load.failures == []
    return load.answers


def process_status(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process, by the names in proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
