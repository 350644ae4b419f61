"""This machine as a host of amphorae. Its work for one of them is in `amphora` and the parts listed there."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from hydria.adapters.linux.accounts import Accounts
from hydria.adapters.linux.amphora import Amphora
from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.events import Events
from hydria.adapters.linux.lookout import Lookout, RouterWatch
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.parts import HostServices, Place
from hydria.adapters.linux.remembered import Remembered
from hydria.adapters.linux.topology import TROUBLE, TopologyWiring, links_of
from hydria.contract import Instance, Observation, Topology
from hydria.errors import HostError
from hydria.files import make_directory, write_private
from hydria.protocols import WIRES
from hydria.settings import AgentSettings


class LinuxHost:
    """The kernel and HAProxy as a few verbs (`hydria.protocols.Host`). One for each machine and prefix."""

    def __init__(self, settings: AgentSettings, run_dir: Path, state_dir: Path) -> None:
        self._run_dir = run_dir
        self._remembered = Remembered(state_dir / "agent")
        self._names = Names(settings.prefix)
        self._wiring = TopologyWiring(self._names)
        self._events = Events()
        self._services = HostServices(
            settings=settings,
            names=self._names,
            amphorae=run_dir / "amphorae",
            accounts=Accounts(settings, run_dir / "amphorae"),
            cgroups=Cgroups(settings.prefix),
            events=self._events,
            remembered=self._remembered,
        )
        self._amphorae: dict[str, Amphora] = {}
        rewire = partial(self._events.add, WIRES)
        self._routers = RouterWatch(self._names, self._wiring.routers, rewire)
        self._lookout = Lookout(self._names, self._amphorae, self._routers, rewire)

    async def open(self) -> None:
        """Start watching for events and drift."""
        self._remembered.open()
        make_directory(self._run_dir)
        make_directory(self._run_dir / "amphorae")
        # An earlier version had one socket of each for all amphorae.
        for name in ("events.sock", "metrics.sock"):
            (self._run_dir / name).unlink(missing_ok=True)
        self._lookout.open()

    async def close(self) -> None:
        """Stop all tasks; traffic goes on."""
        self._lookout.close()
        for amphora in self._amphorae.values():
            await amphora.close()
        self._amphorae.clear()
        self._events.close()

    async def remembered(self) -> Mapping[str, Instance]:
        """Return the instances that were served last, from this host's disk."""
        return self._remembered.all(self._run_dir / "amphorae")

    async def wire(self, topology: Topology) -> None:
        """Make networks and routers. Raises HostError, and writes the reason to a file for the doctor."""
        try:
            # Written first, so that nothing is made that a restarted agent does not know.
            self._remembered.write_topology(topology)
            self._lookout.wires = links_of(topology)
            with self._routers.wiring(topology):
                await asyncio.to_thread(self._wiring.wire, topology)
        except OSError as error:
            raise HostError(f"The host cannot write down its networks: {error}") from None
        except HostError as error:
            write_private(self._run_dir / TROUBLE, str(error).encode())
            raise
        (self._run_dir / TROUBLE).unlink(missing_ok=True)

    async def inventory(self) -> Mapping[str, Instance | None]:
        """Return all amphorae here by id: the last instance without secrets, or None where it is not known."""
        return self._remembered.inventory(self._run_dir / "amphorae")

    async def wired(self) -> Topology | None:
        """Return the topology that `wire` was given last, from this host's disk."""
        return self._remembered.topology()

    async def serve(self, instance: Instance) -> None:
        """Make the amphora serve the instance. Raises HostError."""
        await self._amphora(instance.amphora_id).serve(instance)

    async def withdraw(self, amphora_id: str) -> None:
        """Remove everything of an amphora, if there is anything. Raises HostError."""
        await self._amphora(amphora_id).remove()
        del self._amphorae[amphora_id]

    async def observe(self, amphora_id: str) -> Observation:
        """Return states and counters, after a repair of drift. Raises HostError if HAProxy does not run but should."""
        amphora = self._amphora(amphora_id)
        if amphora.suspicion.raised:
            await amphora.repair()
        return await amphora.observe()

    async def metrics(self, amphora_id: str) -> bytes:
        """Return an amphora's counters under Octavia's names in Prometheus' text. Raises HostError."""
        if amphora_id not in self._amphorae:
            raise HostError("HAProxy does not run.")
        return await self._amphorae[amphora_id].metrics()

    async def changed(self) -> str:
        """Wait for an event of an amphora, or of networks and routers (`WIRES`); return its id."""
        return await self._events.next()

    def _amphora(self, key: str) -> Amphora:
        if key not in self._amphorae:
            tables = Tables(self._names.amphora(key))
            place = Place(amphora_id=key, host=self._services, tables=tables, lock=asyncio.Lock())
            self._amphorae[key] = Amphora(place, partial(self._lookout.suspect, key))
        return self._amphorae[key]
