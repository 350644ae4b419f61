"""This machine as a host of amphorae. Its work for one of them is in `amphora` and the parts listed there."""

import asyncio
from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path

import msgspec

from hydria.adapters.linux.accounts import Accounts
from hydria.adapters.linux.amphora import Amphora
from hydria.adapters.linux.busiest import Busiest
from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.events import Events
from hydria.adapters.linux.integration import Integration
from hydria.adapters.linux.lookout import Lookout, RouterWatch
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import exists
from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.ovsdb import Ovsdb
from hydria.adapters.linux.parts import HostServices, Place
from hydria.adapters.linux.remembered import Remembered, read_topology
from hydria.adapters.linux.shared_limits import raise_limits
from hydria.adapters.linux.topology import TROUBLE, TopologyWiring, links_of
from hydria.contract import Instance, Observation, Topology
from hydria.errors import HostError
from hydria.files import make_directory, write_private
from hydria.protocols import WIRES
from hydria.settings import AgentSettings

# How many amphorae are repaired at a time: an upgrade of HAProxy concerns all of them.
_REPAIRS = 4
# When so many are changed at a time (a reboot), checks that can wait do so.
_MANY = 2

# The topology that was made completely; a reboot empties the directory that has it.
_MADE = "topology.json"


class LinuxHost:
    """The kernel and HAProxy as a few verbs (`hydria.protocols.Host`). One for each machine and prefix."""

    def __init__(self, settings: AgentSettings, run_dir: Path, state_dir: Path) -> None:
        self._run_dir = run_dir
        self._remembered = Remembered(state_dir / "agent")
        self._busiest = Busiest(state_dir / "agent-busiest.json")
        self._names = Names(settings.prefix)
        self._wiring = TopologyWiring(self._names, settings.bridges)
        self._events = Events()
        self._services = HostServices(
            settings=settings,
            names=self._names,
            amphorae=run_dir / "amphorae",
            accounts=Accounts(settings, run_dir / "amphorae"),
            cgroups=Cgroups(settings.prefix),
            events=self._events,
            remembered=self._remembered,
            integration=Integration(None if settings.ovsdb is None else Ovsdb(settings.ovsdb)),
        )
        self._amphorae: dict[str, Amphora] = {}
        # How many are being changed right now.
        self._serving = 0
        self._repairs = asyncio.Semaphore(_REPAIRS)
        rewire = partial(self._events.add, WIRES)
        self._routers = RouterWatch(self._names, self._wiring.routers, rewire)
        self._lookout = Lookout(self._names, self._amphorae, self._routers, rewire, lambda: self._crowded)

    async def open(self) -> None:
        """Start watching for events and drift."""
        self._remembered.open()
        make_directory(self._run_dir)
        make_directory(self._run_dir / "amphorae")
        # An earlier version had one socket of each for all amphorae.
        for name in ("events.sock", "metrics.sock"):
            (self._run_dir / name).unlink(missing_ok=True)
        raise_limits()
        self._lookout.open()
        known = self._remembered.keys(self._run_dir / "amphorae")
        await asyncio.to_thread(self._services.integration.remove_stale, known)

    async def close(self) -> None:
        """Stop all tasks; traffic goes on."""
        self._lookout.close()
        for amphora in self._amphorae.values():
            await amphora.close()
        self._amphorae.clear()
        self._events.close()

    async def remembered(self, *, alone: bool = False) -> Mapping[str, Instance]:
        """Return the instances that were served last, from this host's disk."""
        found = self._remembered.all(self._run_dir / "amphorae")
        first = [key for key in self._busiest.order() if key in found]
        return {
            key: found[key] if alone or exists(self._names.amphora(key)) else found[key].after_power_cut()
            for key in dict.fromkeys([*first, *found])
        }

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
        write_private(self._run_dir / _MADE, msgspec.json.encode(topology))

    async def amphorae(self) -> Set[str]:
        """Return the ids of all amphorae here."""
        return self._remembered.keys(self._run_dir / "amphorae")

    async def inventory(self) -> Mapping[str, Instance | None]:
        """Return all amphorae here by id: the last instance without secrets, or None where it is not known."""
        return self._remembered.inventory(self._run_dir / "amphorae")

    async def wired(self) -> Topology | None:
        """Return the topology that `wire` was given last, from this host's disk."""
        return self._remembered.topology()

    async def still_wired(self) -> bool:
        """Return whether the last topology was made completely and is still there: not so after a reboot."""
        made = read_topology(self._run_dir / _MADE)
        return made is not None and made == self._remembered.topology() and exists(self._names.switch)

    async def serve(self, instance: Instance) -> None:
        """Make the amphora serve the instance. Raises HostError."""
        self._serving += 1
        try:
            await self._amphora(instance.amphora_id).serve(instance)
        finally:
            self._serving -= 1

    async def withdraw(self, amphora_id: str) -> None:
        """Remove everything of an amphora, if there is anything. Raises HostError."""
        await self._amphora(amphora_id).remove()
        del self._amphorae[amphora_id]
        self._busiest.forget(amphora_id)

    async def observe(self, amphora_id: str) -> Observation:
        """Return states and counters, after a repair of drift. Raises HostError if HAProxy does not run but should."""
        amphora = self._amphora(amphora_id)
        waits = amphora.check_can_wait and self._crowded
        if (amphora.suspected and not waits) or await amphora.unplugged():
            async with self._repairs:
                await amphora.repair()
        elif amphora.suspected:
            amphora.suspicion.put_off()
        seen = await amphora.observe()
        self._busiest.note(amphora_id, seen.counters, asyncio.get_running_loop().time())
        return seen

    def resting(self, amphora_id: str) -> bool:
        """Say whether nothing was done in an amphora since it was observed."""
        amphora = self._amphorae.get(amphora_id)
        return amphora is not None and amphora.resting

    async def metrics(self, amphora_id: str) -> bytes:
        """Return an amphora's counters under Octavia's names in Prometheus' text. Raises HostError."""
        if amphora_id not in self._amphorae:
            raise HostError("HAProxy does not run.")
        return await self._amphorae[amphora_id].metrics()

    async def changed(self) -> str:
        """Wait for an event of an amphora, or of networks and routers (`WIRES`); return its id."""
        return await self._events.next()

    @property
    def _crowded(self) -> bool:
        """Whether many amphorae are being changed."""
        return self._serving >= _MANY

    def _amphora(self, key: str) -> Amphora:
        if key not in self._amphorae:
            tables = Tables(self._names.amphora(key))
            place = Place(amphora_id=key, host=self._services, tables=tables, lock=asyncio.Lock())
            self._amphorae[key] = Amphora(place, self._lookout)
        return self._amphorae[key]
