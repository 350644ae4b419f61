"""A whole server in one process whose network service is a Neutron in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import structs

from hydria.adapters.memory import MemoryNeutron
from hydria.api.policy import OctaviaPolicy
from hydria.compose.parts import Cloud as Services
from hydria.contract import Facts
from hydria.errors import Refusal
from hydria.model.caller import Caller
from hydria.neutron.answers import NeutronAnswers
from hydria.neutron.networking import NeutronNetworking
from hydria.neutron.worker import NeutronWorker
from tests.support.cloud import Cloud
from tests.support.worker import Worker


class NeutronCloud(Cloud):
    """A server with two hosts, `h1` and `h2`, and a network of project `p-red` with one IPv4 subnet."""

    def _services(self, callers: Mapping[str, Caller], policy: OctaviaPolicy) -> Services:
        self.neutron = MemoryNeutron()
        self.answers = NeutronAnswers(self.neutron, self.database, self.clock)
        self.worker = NeutronWorker(self.neutron, self.database, self.clock)
        self.web = self.neutron.add_network("p-red")
        self.web_subnet = self.neutron.add_subnet(self.web, "10.0.0.0/24")
        return structs.replace(
            super()._services(callers, policy),
            networking_of=NeutronNetworking,
            outside=self.answers,
            neutron=self.worker,
        )

    def host(self, name: str) -> Worker:
        """Return a host that Neutron knows."""
        return Worker(self, name, speaks=1, facts=Facts(neutron_host=name))

    async def settle(self, *hosts: Worker) -> None:
        """Let controller, Neutron's worker and hosts work until nothing changes any more."""
        for _ in range(12):
            self.controller.work()
            with contextlib.suppress(Refusal):
                await self.worker.step()
            await self.worker.settle()
            for host in hosts:
                host.step()
            # After a failure the next attempt is due later.
            self.clock.advance(1.5)
            await asyncio.sleep(0)


@asynccontextmanager
async def running_with_neutron(directory: Path) -> AsyncIterator[NeutronCloud]:
    """Yield a cloud and close it."""
    cloud = NeutronCloud(directory)
    async with cloud.http:
        yield cloud
    cloud.database.close()
