"""One amphora's UDP and SCTP listeners: nftables rules, their flows, and the checks of their members."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping

import structlog

from hydria.adapters.linux import nft
from hydria.adapters.linux.checking import Checks, targets
from hydria.adapters.linux.conntrack import count_flows, dropped_flows, end_flows, end_unmarked_flows
from hydria.adapters.linux.datagram_rows import datagram_rows
from hydria.adapters.linux.netns import sysctl, sysctl_file
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.prometheus_text import Row
from hydria.contract import Counters, Instance
from hydria.errors import HostError
from hydria.files import write_private
from hydria.model import Tree
from hydria.model.status import CheckResult, ServerState
from hydria.render.datagram import TABLE, Ruleset, counts_flows, ruleset, transaction

log = structlog.get_logger(__name__)

# How often flows are counted for LEAST_CONNECTIONS (seconds).
_COUNTING = 5.0

# The number of flows from which on a member is crowded; an address has 64,512 source ports.
_CROWD = 60_000


class DatagramRules(Part):
    """The rules of one namespace. They cost nothing where there are no datagram listeners.

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
        # Whether a sibling has to choose the same members.
        self._alike = False
        self._lock = asyncio.Lock()
        self._counting: asyncio.Task[None] | None = None
        # `Tables.place` and the rules that were loaded last; None when they are not known.
        self._loaded: tuple[object, Ruleset] | None = None
        # The states that those rules are for: a state is reported only when it has an effect.
        self._applied_states: Mapping[str, ServerState] = {}
        # The last reading: traffic by listener, and numbers of flows by listener and member.
        self._counted: tuple[dict[str, Counters], Counter[tuple[str, str]]] = {}, Counter()
        # The number of flows by mark at the last count, and whether the next count may be skipped: it takes 5 µs for
        # each flow, which a user who waits for a change should not wait for.
        self._flows_by_mark: Counter[int] | None = None
        self._skip_count = False
        # The number of packets that began no flow so far, and the members that they were for.
        self.dropped = 0
        self._crowded: frozenset[str] = frozenset()

    async def ensure(self, instance: Instance) -> bool:
        """Serve the datagram listeners. Raises HostError; then the last rules stay."""
        ended, tree = self.drifted, instance.tree
        self._tree, self._interfaces, self._alike = tree, len(instance.interfaces), bool(instance.siblings)
        self._checks.watch(targets(self._namespace, tree, tree.live().datagram_pools))
        await self._apply()
        if self.file.exists():
            await asyncio.to_thread(self._forward, on=True)
        self._skip_count = True
        if counts_flows(tree) and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._keep_counting())
        return ended

    @property
    def serves(self) -> bool:
        """Whether rules for datagrams are loaded."""
        return self._loaded is not None and bool(self._loaded[1].text)

    @property
    def drifted(self) -> bool:
        """Whether a task that checks or counts has ended, which none does by itself."""
        if self._checks.ended:
            return True
        stopped = self._counting is not None and self._counting.done()
        return stopped and self._tree is not None and counts_flows(self._tree)

    def states(self) -> Mapping[str, ServerState]:
        """Return the states of the members of datagram pools, by id."""
        if self._tree is None:
            return {}
        pools = {pool.id for pool in self._tree.live().datagram_pools}
        known: dict[str, ServerState] = {each.id: "unchecked" for each in self._tree.members if each.pool_id in pools}
        known |= {key: self._applied_states.get(key, "unknown") for key in self._checks.states}
        return known | {key: "crowded" for key in self._crowded if known.get(key, "down") != "down"}

    def checks(self) -> Mapping[str, CheckResult]:
        """Return what the checks of members that are down saw, by member id."""
        return self._checks.results

    async def counters(self) -> dict[str, Counters]:
        """Return the traffic of datagram listeners, by id. Raises HostError."""
        # This waits for a change of the rules that is in progress.
        async with self._lock:
            if self._loaded is None and self.file.exists():
                raise HostError("The rules for datagrams are not in place.")
            if self._loaded is None or not self._loaded[1].text:
                return {}
            self._counted = await asyncio.to_thread(self._count, self._loaded[1])
            self._find_crowded(await asyncio.to_thread(dropped_flows, self._namespace))
            return self._counted[0]

    def rows(self) -> list[Row]:
        """Return the last counters as rows of `show stat`."""
        return [] if self._tree is None else list(datagram_rows(self._tree, self.states(), *self._counted))

    async def close(self) -> None:
        """Stop checking and counting; the rules stay."""
        if self._counting is not None:
            self._counting.cancel()
        await self._checks.close()

    # --- rules ---

    async def _apply(self) -> None:
        async with self._lock:
            if self._tree is None or not (self._tree.live().counted_datagram_listeners or self.file.exists()):
                return
            states = self._checks.states
            try:
                # In a thread, because many members mean many hashes.
                flows = await self._flows(self._tree)
                wanted = await asyncio.to_thread(self._ruleset, self._tree, states, flows)
            except ValueError as error:
                raise HostError(f"The host cannot serve this: {error}") from None
            self._tables.look()
            place = self._tables.place
            if self._loaded != (place, wanted):
                before = self._loaded[1] if self._loaded is not None and self._loaded[0] == place else None
                self._loaded = None
                await asyncio.to_thread(self._load, before, wanted)
                self._loaded = self._tables.place, wanted
            self._applied_states = states

    def _ruleset(self, tree: Tree, states: Mapping[str, ServerState], flows: Mapping[int, int]) -> Ruleset:
        brief = self._udp_flow_seconds
        return ruleset(tree, states, flows, interfaces=self._interfaces, brief=brief, alike=self._alike)

    def _find_crowded(self, dropped: int) -> None:
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
            # The kernel's memory of flows is full, whichever members have them.
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
        """Adapt the rules to the numbers of flows, while they depend on them."""
        while self._tree is not None and counts_flows(self._tree):
            await asyncio.sleep(_COUNTING)
            try:
                await self._apply()
            except (HostError, OSError) as error:
                log.warning("rules_not_changed", namespace=self._namespace, reason=str(error))
                self._notify()
            except Exception:
                # The next count may succeed. Without this loop the shares would not follow the flows any more.
                log.exception("flows_not_counted", namespace=self._namespace)

    def _load(self, before: Ruleset | None, wanted: Ruleset) -> None:
        present = before.named if before is not None else nft.named(self._namespace, TABLE).keys()
        self.file.touch(mode=0o600)
        self._tables.load(transaction(wanted, frozenset(present)))
        # Forwarding starts after the rules are loaded, which restrict it.
        self._forward(bool(wanted.text))
        known = before.marks.keys() if before is not None else count_flows(self._namespace).keys()
        end_flows(self._namespace, known - wanted.marks.keys())
        end_unmarked_flows(self._namespace, wanted.ends - (before.ends if before is not None else frozenset()))
        if wanted.text:
            write_private(self.file, wanted.text.encode())
        else:
            self.file.unlink(missing_ok=True)

    def _forward(self, on: bool) -> None:
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            if os.path.exists(sysctl_file(key)):
                sysctl(self._namespace, key, "1" if on else "0")

    def _count(self, loaded: Ruleset) -> tuple[dict[str, Counters], Counter[tuple[str, str]]]:
        """Return the traffic by listener, and the number of flows by listener and member."""
        counted = nft.counters(self._namespace, TABLE)
        if self._flows_by_mark is None or not self._skip_count:
            self._flows_by_mark = count_flows(self._namespace)
        self._skip_count = False
        flows: Counter[tuple[str, str]] = Counter()
        for mark, number in self._flows_by_mark.items():
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
            # The next observation finds that the rules are not known, and they are loaded again.
            log.warning("rules_not_changed", namespace=self._namespace, reason=str(error))
        self._notify()
