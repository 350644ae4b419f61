"""One amphora's UDP and SCTP: rules in the kernel, the flows that they made, and checks of who may get some."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping

import structlog

from hydria.adapters.linux import nft
from hydria.adapters.linux.checking import Checks, targets
from hydria.adapters.linux.conntrack import count_flows, dropped_flows, end_flows, end_strangers
from hydria.adapters.linux.datagram_rows import datagram_rows
from hydria.adapters.linux.netns import sysctl
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.prometheus_text import Row
from hydria.contract import Counters, Instance
from hydria.errors import HostError
from hydria.files import write_private
from hydria.model import Tree
from hydria.model.status import ServerState
from hydria.render.datagram import TABLE, Ruleset, counts_flows, ruleset, transaction

log = structlog.get_logger(__name__)

# How often flows are counted for LEAST_CONNECTIONS (seconds).
_COUNTING = 5.0

# From how many flows on a member counts as crowded: the source ports of one address are 64,512.
_CROWD = 60_000


class DatagramRules(Part):
    """What serves datagrams in one namespace. It costs nothing where there are no datagram listeners.

    `file`, in the amphora's directory, exists while there may be rules. The agent is notified of a change of health
    as soon as the rules follow it.
    """

    def __init__(self, place: Place) -> None:
        self._tables = place.tables
        self._namespace = place.namespace
        self._udp_flow_seconds = place.host.settings.udp_flow_seconds
        self.file = place.directory / "flows.nft"
        self._notify = place.notify
        self._checks = Checks(place.directory / "checks.json", self._apply_and_notify)
        self._tree: Tree | None = None
        self._interfaces = 1
        self._lock = asyncio.Lock()
        self._counting: asyncio.Task[None] | None = None
        # The rules that the kernel has, and where; None when they are not known.
        self._loaded: tuple[object, Ruleset] | None = None
        # What those rules were made for: nobody hears of health before it counts.
        self._told: Mapping[str, ServerState] = {}
        # What was read last.
        self._counted: tuple[dict[str, Counters], Counter[tuple[str, str]]] = {}, Counter()
        # How many flows of each mark there were. To look at them all takes 5 µs each: who waits for a change to be
        # served does not wait for that too.
        self._known: Counter[int] | None = None
        self._hurried = False
        # Packets that began no flow so far, and the members for which there is no room.
        self.dropped = 0
        self._crowded: frozenset[str] = frozenset()

    async def ensure(self, instance: Instance) -> bool:
        """Serve the datagram listeners. Raises HostError; then the last rules stay."""
        ended, tree = self.drifted, instance.tree
        self._tree, self._interfaces = tree, len(instance.interfaces)
        self._checks.watch(targets(self._namespace, tree, tree.live().datagram_pools))
        await self._apply()
        if self.file.exists():
            await asyncio.to_thread(self._forward, on=True)
        self._hurried = True
        if counts_flows(tree) and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._keep_counting())
        return ended

    @property
    def drifted(self) -> bool:
        """Whether a task that checks or counts has ended, which none does by itself."""
        counting = self._counting is not None and self._counting.done()
        wanted = self._tree is not None and counts_flows(self._tree)
        return self._checks.ended or (counting and wanted)

    def states(self) -> Mapping[str, ServerState]:
        """Return what is known of the members of datagram pools, by id."""
        if self._tree is None:
            return {}
        pools = {pool.id for pool in self._tree.live().datagram_pools}
        known: dict[str, ServerState] = {each.id: "unchecked" for each in self._tree.members if each.pool_id in pools}
        known |= {key: self._told.get(key, "unknown") for key in self._checks.states}
        return known | {key: "crowded" for key in self._crowded if known.get(key, "down") != "down"}

    async def counters(self) -> dict[str, Counters]:
        """Return the traffic of datagram listeners, by id. Raises HostError."""
        # Rules that are just being changed are waited for.
        async with self._lock:
            if self._loaded is None and self.file.exists():
                raise HostError("The rules for datagrams are not in place.")
            if self._loaded is None or not self._loaded[1].text:
                return {}
            self._counted = await asyncio.to_thread(self._count, self._loaded[1])
            self._note_crowds(await asyncio.to_thread(dropped_flows, self._namespace))
            return self._counted[0]

    def rows(self) -> list[Row]:
        """Return what was counted last as rows of `show stat`."""
        return [] if self._tree is None else list(datagram_rows(self._tree, self.states(), *self._counted))

    async def close(self) -> None:
        """Stop checking and counting; the rules stay."""
        if self._counting is not None:
            self._counting.cancel()
        await self._checks.close()

    # --- rules ---

    async def _apply(self) -> None:
        async with self._lock:
            if self._tree is None:
                return
            states = self._checks.states
            try:
                # Many members are many hashes.
                flows = await self._flows(self._tree)
                wanted = await asyncio.to_thread(self._ruleset, self._tree, states, flows)
            except ValueError as error:
                raise HostError(f"The host cannot serve this: {error}") from None
            if not wanted.text and not self.file.exists():
                return
            self._tables.look()
            place = self._tables.place
            if self._loaded != (place, wanted):
                before = self._loaded[1] if self._loaded is not None and self._loaded[0] == place else None
                self._loaded = None
                await asyncio.to_thread(self._load, before, wanted)
                self._loaded = self._tables.place, wanted
            self._told = states

    def _ruleset(self, tree: Tree, states: Mapping[str, ServerState], flows: Mapping[int, int]) -> Ruleset:
        return ruleset(tree, states, flows, interfaces=self._interfaces, brief=self._udp_flow_seconds)

    def _note_crowds(self, dropped: int) -> None:
        """Find the members that new flows do not reach any more."""
        new, self.dropped = dropped - self.dropped, dropped
        open_flows = self._counted[1]
        by_end: Counter[tuple[str, int]] = Counter()
        ends: dict[str, tuple[str, int]] = {}
        for each in self._tree.members if self._tree is not None else ():
            ends[each.id] = each.address, each.protocol_port
        for (_, member_id), number in open_flows.items():
            if member_id in ends:
                by_end[ends[member_id]] += number
        full = {key for key, end in ends.items() if by_end[end] >= _CROWD}
        if new > 0 and not full:
            # The memory of flows is full, whoever they are with.
            full = {member_id for (_, member_id), number in open_flows.items() if number and member_id in ends}
        crowded = frozenset(full) if new > 0 else frozenset(full & self._crowded)
        if crowded - self._crowded:
            log.warning(
                "new_flows_dropped",
                namespace=self._namespace,
                packets=new,
                members=sorted(crowded),
                mend="Add members, or set a shorter timeout_client_data or agent.udp_flow_seconds.",
            )
        self._crowded = crowded

    async def _flows(self, tree: Tree) -> Mapping[int, int]:
        return await asyncio.to_thread(count_flows, self._namespace) if counts_flows(tree) else {}

    async def _keep_counting(self) -> None:
        """Bring the rules to what flows there are, while they depend on it."""
        while self._tree is not None and counts_flows(self._tree):
            await asyncio.sleep(_COUNTING)
            try:
                await self._apply()
            except (HostError, OSError) as error:
                log.warning("rules_not_changed", namespace=self._namespace, reason=str(error))
                self._notify()
            except Exception:
                # The next count may go well; without this loop the shares would never follow again.
                log.exception("flows_not_counted", namespace=self._namespace)

    def _load(self, before: Ruleset | None, wanted: Ruleset) -> None:
        present = before.named if before is not None else nft.named(self._namespace, TABLE).keys()
        self.file.touch(mode=0o600)
        self._tables.load(transaction(wanted, frozenset(present)))
        # Nothing is forwarded before the rules say what.
        self._forward(bool(wanted.text))
        known = before.marks.keys() if before is not None else count_flows(self._namespace).keys()
        end_flows(self._namespace, known - wanted.marks.keys())
        end_strangers(self._namespace, wanted.ends - (before.ends if before is not None else frozenset()))
        if wanted.text:
            write_private(self.file, wanted.text.encode())
        else:
            self.file.unlink(missing_ok=True)

    def _forward(self, on: bool) -> None:
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            if os.path.exists(f"/proc/sys/{key.replace('.', '/')}"):
                sysctl(self._namespace, key, "1" if on else "0")

    def _count(self, loaded: Ruleset) -> tuple[dict[str, Counters], Counter[tuple[str, str]]]:
        """Return traffic by listener, and how many flows there are by listener and member."""
        counted = nft.counters(self._namespace, TABLE)
        if self._known is None or not self._hurried:
            self._known = count_flows(self._namespace)
        self._hurried = False
        flows: Counter[tuple[str, str]] = Counter()
        for mark, number in self._known.items():
            if mark in loaded.marks:
                flows[loaded.marks[mark]] += number
        traffic = {
            listener_id: Counters(
                bytes_in=counted[f"in_{listener_id}"][1],
                bytes_out=counted[f"out_{listener_id}"][1],
                active_connections=sum(number for (mine, _), number in flows.items() if mine == listener_id),
                total_connections=counted[f"new_{listener_id}"][0],
            )
            for listener_id in {name.partition("_")[2] for name in counted}
        }
        return traffic, flows

    # --- health ---

    async def _apply_and_notify(self) -> None:
        try:
            await self._apply()
        except (HostError, OSError) as error:
            # The next look finds that the rules are not known, and they are made anew.
            log.warning("rules_not_changed", namespace=self._namespace, reason=str(error))
        self._notify()
