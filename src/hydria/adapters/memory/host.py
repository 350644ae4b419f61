"""A host in memory: it keeps the instances that it should serve, and tests set what it observes."""

import asyncio
from collections.abc import Mapping, Set

from msgspec import structs

from hydria.adapters.memory.faults import Faults
from hydria.contract import Counters, Duty, Instance, Observation, Topology
from hydria.errors import HostError
from hydria.model import Member
from hydria.model.applied import Applied, Way
from hydria.model.numbers import Numbers
from hydria.model.status import CheckResult, ServerState
from hydria.render.serving import serving

# What the checks of this host's members see when they fail.
REFUSED = CheckResult(result="L4CON", text="Connection refused", latency_ms=1, since=1767225600)


class MemoryHost:
    """Implements `hydria.protocols.Host`.

    `calls` records (verb, amphora id) in order; the id is empty for `wire` and `remembered`. `faults` makes verbs
    fail: HostError for what the host cannot do, anything else (an `asyncio.CancelledError`, say) for a crash.
    `instances` is what the host remembers, `running` the ids of those that run.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[tuple[str, str]] = []
        self.instances: dict[str, Instance] = {}
        self.running: set[str] = set()
        # What each amphora was last ordered to do with the VIPs.
        self.duties: dict[str, Duty] = {}
        self.topology: Topology | None = None
        self.disk_topology: Topology | None = None
        self.counters: dict[str, Counters] = {}
        self.numbers = Numbers()
        self.down: set[str] = set()
        # The amphorae in which nothing is done.
        self.at_rest: set[str] = set()
        # The amphorae of pairs that have the VIPs.
        self.elected: set[str] = set()
        # How each amphora came to serve what it does.
        self.ways: dict[str, Applied] = {}
        self._events: asyncio.Queue[str] = asyncio.Queue()

    async def remembered(self, *, alone: bool = False) -> Mapping[str, Instance]:
        self.calls.append(("remembered", ""))
        self.faults.raise_if_set("remembered")
        return {
            key: each if alone or key in self.running else each.after_power_cut()
            for key, each in self.instances.items()
        }

    async def wire(self, topology: Topology) -> None:
        self.calls.append(("wire", ""))
        self.faults.raise_if_set("wire")
        self.disk_topology = topology
        self.topology = topology
        self.faults.raise_if_set("wire", after=True)

    async def amphorae(self) -> Set[str]:
        return self.instances.keys()

    async def inventory(self) -> Mapping[str, Instance | None]:
        return {key: structs.replace(instance, secrets={}) for key, instance in self.instances.items()}

    async def wired(self) -> Topology | None:
        return self.disk_topology

    async def still_wired(self) -> bool:
        return self.topology == self.disk_topology

    async def serve(self, instance: Instance) -> None:
        self.calls.append(("serve", instance.amphora_id))
        self.faults.raise_if_set("serve")
        # A part (generation 0) does not replace what is remembered.
        if instance.generation or instance.amphora_id not in self.instances:
            self.instances[instance.amphora_id] = instance
        self.duties[instance.amphora_id] = instance.duty
        way: Way = "runtime" if instance.amphora_id in self.running else "start"
        if instance.generation:
            self.ways[instance.amphora_id] = Applied(generation=instance.generation, way=way)
        self.running.add(instance.amphora_id)
        self.faults.raise_if_set("serve", after=True)

    async def withdraw(self, amphora_id: str) -> None:
        self.calls.append(("withdraw", amphora_id))
        self.faults.raise_if_set("withdraw")
        self.instances.pop(amphora_id, None)
        self.running.discard(amphora_id)
        self.faults.raise_if_set("withdraw", after=True)

    async def observe(self, amphora_id: str) -> Observation:
        self.calls.append(("observe", amphora_id))
        self.faults.raise_if_set("observe")
        if amphora_id not in self.running:
            raise HostError(f"Amphora {amphora_id} does not run on this host.")
        instance = self.instances[amphora_id]
        tree, served = instance.tree, serving(instance, {}, {})
        monitored = {monitor.pool_id for monitor in tree.health_monitors if monitor.admin_state_up}
        active = instance.duty == "active"
        return Observation(
            carries_vip=active and (instance.vrrp is None or amphora_id in self.elected),
            servers={member.id: self._state(member, monitored) for member in tree.members},
            counters={listener.id: self.counters.get(listener.id, Counters()) for listener in tree.listeners},
            troubles=served.troubles,
            unserved=served.unserved,
            applied=self.ways.get(amphora_id),
            numbers=self.numbers,
            checks={key: REFUSED for key in self.down if any(member.id == key for member in tree.members)},
        )

    def resting(self, amphora_id: str) -> bool:
        return amphora_id in self.at_rest

    async def changed(self) -> str:
        """Wait for `take_down`, `bring_up` or `kill`; return the id of the affected amphora."""
        return await self._events.get()

    def take_down(self, *member_ids: str) -> None:
        """Make the health checks of members fail."""
        self.down.update(member_ids)
        self._notify(member_ids)

    def bring_up(self, *member_ids: str) -> None:
        """Make the health checks of members pass again."""
        self.down.difference_update(member_ids)
        self._notify(member_ids)

    def kill(self, amphora_id: str) -> None:
        """End an amphora's processes without the agent."""
        self.running.discard(amphora_id)
        self._events.put_nowait(amphora_id)

    def reboot(self) -> None:
        """Lose processes, networks and routers; keep what is on disk."""
        self.running.clear()
        self.topology = None

    def _state(self, member: Member, monitored: set[str]) -> ServerState:
        if member.pool_id not in monitored:
            return "unchecked"
        return "down" if member.id in self.down else "up"

    def _notify(self, member_ids: tuple[str, ...]) -> None:
        for key, instance in self.instances.items():
            if any(member.id in member_ids for member in instance.tree.members):
                self._events.put_nowait(key)
