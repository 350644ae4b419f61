"""This machine as a host of amphorae: a namespace, its legs and a HAProxy for each."""

import asyncio
import contextlib
import os
import resource
import shutil
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

import structlog

from hydria.adapters.linux import haproxy_socket, kernel
from hydria.adapters.linux.accounts import Accounts
from hydria.adapters.linux.amphora import Amphora, Links
from hydria.adapters.linux.cgroups import Cgroups, Limits
from hydria.adapters.linux.counters import CounterTotals
from hydria.adapters.linux.datagram import DatagramRules
from hydria.adapters.linux.draining import Draining
from hydria.adapters.linux.events import Events
from hydria.adapters.linux.flow_limit import FlowLimit
from hydria.adapters.linux.haproxy import Haproxy, Program
from hydria.adapters.linux.jail import Jail, release
from hydria.adapters.linux.lookout import Lookout, Suspicion
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.pings import Pings
from hydria.adapters.linux.port_filters import drop_filters
from hydria.adapters.linux.prometheus_text import prometheus_text
from hydria.adapters.linux.refused import Refused
from hydria.adapters.linux.remembered import Remembered
from hydria.adapters.linux.topology import TROUBLE, TopologyWiring, links_of
from hydria.adapters.linux.vip_firewall import VipFirewall
from hydria.contract import Instance, Topology
from hydria.errors import HostError
from hydria.files import make_directory, write_private
from hydria.model import Tree
from hydria.protocols import WIRES, Observation
from hydria.render.haproxy import Rendering, Surroundings, needs_no_haproxy, render
from hydria.render.serving import blame, replaceable, serving, without_refused
from hydria.settings import AgentSettings

log = structlog.get_logger(__name__)

# How often servers that are to go are looked at until their last connection has ended (seconds).
_SWEEP = 1.0

# What HAProxy needs of file descriptors besides two for each connection, of which checks and listeners may take a part.
# More of them get more in steps: what is set aside is in the configuration, and another number is a reload.
_SPARE_DESCRIPTORS, _OF_CHECKS, _STEP = 500, 400, 500


_MEBIBYTE = 1024 * 1024
# What starting a HAProxy takes besides (MiB).
_TO_START = 32


class LinuxHost:
    """The kernel and HAProxy as a few verbs (`hydria.protocols.Host`). One for each machine and prefix."""

    def __init__(self, settings: AgentSettings, run_dir: Path, state_dir: Path) -> None:
        self._settings = settings
        self._run_dir = run_dir
        self._remembered = Remembered(state_dir / "agent")
        self._names = Names(settings.prefix)
        self._wiring = TopologyWiring(self._names)
        self._events = Events()
        self._accounts = Accounts(settings, run_dir / "amphorae")
        self._cgroups = Cgroups(settings.prefix)
        self._amphorae: dict[str, Amphora] = {}
        self._lookout = Lookout(self._names, self._amphorae, partial(self._events.add, WIRES))

    async def open(self) -> None:
        """Begin to listen for what happens, and find what runs since before a restart."""
        self._remembered.open()
        make_directory(self._run_dir)
        make_directory(self._run_dir / "amphorae")
        # An earlier version had one of each for all amphorae.
        for name in ("events.sock", "metrics.sock"):
            (self._run_dir / name).unlink(missing_ok=True)
        self._lookout.open()

    async def close(self) -> None:
        """Let go of everything; traffic flows on."""
        self._lookout.close()
        for amphora in self._amphorae.values():
            await amphora.rest()
            amphora.haproxy.close()
        self._amphorae.clear()
        self._events.close()

    async def remembered(self) -> Mapping[str, Instance]:
        """Return what was served here, as this host's disk has it."""
        return self._remembered.all(self._run_dir / "amphorae")

    async def wire(self, topology: Topology) -> None:
        """Make networks and routers as told. Raises HostError, and leaves the reason for the doctor."""
        try:
            # First: what is made and forgotten would be nobody's.
            self._remembered.write_topology(topology)
            self._lookout.wires = links_of(topology)
            await asyncio.to_thread(self._wiring.wire, topology)
        except OSError as error:
            raise HostError(f"The host cannot write down its networks: {error}") from None
        except HostError as error:
            write_private(self._run_dir / TROUBLE, str(error).encode())
            raise
        (self._run_dir / TROUBLE).unlink(missing_ok=True)

    async def inventory(self) -> Mapping[str, Instance | None]:
        """Return everything that is here by amphora id: whole, without secrets; None for what is forgotten."""
        return self._remembered.inventory(self._run_dir / "amphorae")

    async def wired(self) -> Topology | None:
        """Return what `wire` was given last, as this host's disk has it."""
        return self._remembered.topology()

    async def serve(self, instance: Instance) -> None:
        """Make the amphora serve the instance. Raises HostError."""
        amphora = self._amphora(instance.amphora_id)
        async with amphora.lock:
            with _host_errors():
                await self._serve(amphora, instance)
                self._remembered.write(instance)
            amphora.settle(instance)

    async def withdraw(self, amphora_id: str) -> None:
        """Remove everything of an amphora; nothing there is fine. Raises HostError."""
        amphora = self._amphora(amphora_id)
        async with amphora.lock:
            self._events.unwatch(amphora_id)
            try:
                await amphora.rest()
                await amphora.haproxy.end()
                await asyncio.to_thread(self._cgroups.remove, amphora_id)
                await asyncio.to_thread(kernel.remove_namespace, self._names.amphora(amphora_id))
                await asyncio.to_thread(drop_filters, self._names.switch)
                if self._directory(amphora_id).exists():
                    release(self._directory(amphora_id))
                    shutil.rmtree(self._directory(amphora_id))
                self._accounts.forget(amphora_id)
                # Last: it is what remembers that there is work.
                self._remembered.forget(amphora_id)
            except OSError as error:
                raise HostError(f"The host cannot remove the amphora: {error}") from None
        del self._amphorae[amphora_id]

    async def observe(self, amphora_id: str) -> Observation:
        """Return states and counters; what has drifted is mended first. Raises HostError when HAProxy does not run."""
        amphora = self._amphora(amphora_id)
        if amphora.suspicion.raised:
            await self._mend(amphora)
        return await self._observe(amphora)

    async def metrics(self, amphora_id: str) -> bytes:
        """Return an amphora's numbers under Octavia's names in Prometheus' text. Raises HostError."""
        amphora = self._amphorae.get(amphora_id)
        process = amphora.haproxy.process if amphora is not None else None
        if amphora is None or process is None:
            raise HostError("HAProxy does not run.")
        await self._observe(amphora)
        information = await amphora.haproxy.information() | {"DroppedFlows": str(amphora.flows.dropped)}
        rows = [*amphora.tally.rows(), *amphora.flows.rows()]
        return prometheus_text(rows, information, 100 * process.resident_bytes / self._memory_bytes())

    async def changed(self) -> str:
        """Wait until something happened to an amphora, or to networks and routers (`WIRES`); return its id."""
        return await self._events.next()

    # --- one amphora ---

    async def _observe(self, amphora: Amphora) -> Observation:
        amphora.jail.refresh()
        read = await amphora.haproxy.statistics()
        servers = read.servers()
        # A new process has checked nothing yet: what the last one knew still holds.
        servers |= {
            name: amphora.known[name] for name in servers if servers[name] == "unknown" and name in amphora.known
        }
        amphora.known = {name: state for name, state in servers.items() if state in ("up", "down")}
        amphora.tally.note(read.rows)
        # States of flows' members follow from what is counted.
        counters = amphora.tally.counters() | await amphora.flows.counters()
        return Observation(
            servers={**servers, **amphora.flows.states(), **amphora.pings.states()},
            counters=counters,
            troubles=amphora.troubles,
            unserved=amphora.unserved,
        )

    async def _mend(self, amphora: Amphora) -> None:
        """Go through all of an amphora and bring it to what it served. A process that ended is left to the caller."""
        async with amphora.lock:
            instance = amphora.instance
            if instance is None or not (amphora.haproxy.process or needs_no_haproxy(instance)):
                return
            with _host_errors():
                mended = await self._serve(amphora, instance)
            amphora.settle(instance, mended=mended)
        if mended:
            log.warning("amphora_mended", amphora=instance.amphora_id)

    async def _serve(self, amphora: Amphora, instance: Instance) -> bool:
        """Make the amphora serve; says whether links or process were changed."""
        key = instance.amphora_id
        make_directory(self._directory(key))
        mended = amphora.drifted()
        _, gid = self._accounts.keep(key)
        await amphora.jail.open(gid)
        mended |= await amphora.links.ensure(instance)
        await asyncio.to_thread(self._limit, amphora, key)
        before = amphora.haproxy.process
        before_pid = before.pid if before is not None else None
        resting = needs_no_haproxy(instance)
        served = instance
        if resting:
            self._events.unwatch(key)
            finishing = await amphora.haproxy.rest()
        else:
            served, finishing = await self._converge(amphora, instance)
        after = amphora.haproxy.process
        if after is not None and before_pid != after.pid:
            self._events.watch(key, after)
        if before_pid != (after.pid if after is not None else None):
            past = amphora.tally.begin(_counted(instance.tree))
            if finishing is not None:
                await amphora.finishing.start(finishing, past)
        if after is None and not resting:
            raise HostError("HAProxy ended right after its start.")
        await amphora.pings.converge(served.tree)
        await amphora.flows.converge(instance.tree, len(instance.interfaces))
        if any((self._directory(key) / rules).exists() for rules in ("flows.nft", "guard.nft")):
            amphora.flow_limit.watch()
        await amphora.links.trim(instance)
        if amphora.sweeper is None or amphora.sweeper.done():
            amphora.sweeper = asyncio.create_task(self._sweep(amphora))
        return mended

    async def _converge(self, amphora: Amphora, instance: Instance) -> tuple[Instance, haproxy_socket.Session | None]:
        """Have HAProxy serve what can be served; returns that, and a session with a process that finishes.

        What HAProxy refuses of it is left out, and known to be so until it is another; a secret that it refuses gives
        way to the one before. Raises HostError.
        """
        while True:
            offered = without_refused(instance, amphora.refused_secrets)
            part = serving(offered, self._kept_secrets(instance, offered.lost), amphora.refused)
            try:
                session = await amphora.haproxy.converge(self._render(part.instance))
            except Refused as error:
                found = blame(part.instance, error.text, error.alerts, amphora.refused)
                # Each turn leaves something more out, so that there is an end.
                if not found.keys() - part.unserved:
                    raise
                kept = self._kept_secrets(instance, part.instance.secrets)
                if renewed := replaceable(part.instance, found, kept):
                    amphora.refused_secrets |= renewed
                else:
                    amphora.refused |= found
                continue
            amphora.troubles, amphora.unserved = part.troubles, part.unserved
            amphora.settle_refusals(instance)
            for key, reason in part.troubles.items():
                log.warning("not_served_as_asked", amphora=instance.amphora_id, id=key, reason=reason)
            return part.instance, session

    def _kept_secrets(self, instance: Instance, references: Collection[str]) -> dict[str, str]:
        key = instance.amphora_id
        return self._remembered.secrets(key, self._directory(key), references)

    def _limit(self, amphora: Amphora, key: str) -> None:
        """Make the amphora's control groups; what runs since before they were there joins them."""
        if self._settings.limits == "off":
            return
        amphora.haproxy.groups = self._cgroups.ensure(key, _limits(self._settings))
        missing = self._cgroups.missing() if self._settings.limits == "required" else []
        if missing:
            raise HostError(f"The host has no control groups for {', '.join(missing)}. See: hydria doctor")
        process = amphora.haproxy.process
        if process is not None and not amphora.grouped:
            for file in amphora.haproxy.groups:
                with contextlib.suppress(OSError):
                    file.write_text(str(process.pid))
        amphora.grouped = True

    def _amphora(self, key: str) -> Amphora:
        if key not in self._amphorae:
            directory = self._directory(key)
            required = self._settings.limits == "required"
            program = Program(path=self._settings.haproxy, memory_mb=self._settings.memory_mb, limits_required=required)
            namespace = self._names.amphora(key)
            haproxy = Haproxy(program, directory, kernel.namespace_path(namespace))
            tables = Tables(namespace)
            guard = VipFirewall(tables, directory, "eth0")
            flows = DatagramRules(
                tables,
                directory,
                lambda: self._events.add(key),
                udp_flow_seconds=self._settings.udp_flow_seconds,
            )
            pings = Pings(namespace, haproxy, directory, lambda: self._events.add(key))
            haproxy.adopt(self._remembered_rendering(key))
            if haproxy.process is not None:
                self._events.watch(key, haproxy.process)
            tally = CounterTotals(directory / "counters.json")
            self._amphorae[key] = Amphora(
                links=Links(self._names, tables, guard, lambda: self._lookout.suspect(key)),
                haproxy=haproxy,
                jail=Jail(directory, self._settings.syslog, partial(self._events.add, key), partial(self.metrics, key)),
                flows=flows,
                flow_limit=FlowLimit(tables, self._settings.flows),
                pings=pings,
                tally=tally,
                finishing=Draining(tally),
                suspicion=Suspicion(partial(self._events.add, key)),
                lock=asyncio.Lock(),
            )
        return self._amphorae[key]

    def _remembered_rendering(self, key: str) -> Rendering | None:
        instance = self._remembered.read(key)
        try:
            return None if instance is None else self._render(instance)
        except ValueError:
            return None

    def _render(self, instance: Instance) -> Rendering:
        uid, gid = self._accounts.of(instance.amphora_id)
        surroundings = Surroundings(
            directory=str(self._directory(instance.amphora_id)),
            syslog=self._settings.syslog is not None,
            uid=uid,
            gid=gid,
            threads=self._settings.threads,
            max_connections=self._settings.max_connections or _possible_connections(instance.tree),
        )
        return render(instance, surroundings)

    def _memory_bytes(self) -> int:
        """Return what one HAProxy may use of the machine's memory."""
        limit = self._settings.memory_mb
        return limit * _MEBIBYTE if limit else _machine_bytes()

    async def _sweep(self, amphora: Amphora) -> None:
        """Delete leaving servers as they become free: HAProxy does not say when a last connection ends."""
        left = True
        while left:
            await asyncio.sleep(_SWEEP)
            async with amphora.lock:
                with contextlib.suppress(HostError):
                    left = await amphora.haproxy.sweep()

    def _directory(self, key: str) -> Path:
        return self._run_dir / "amphorae" / key


@contextlib.contextmanager
def _host_errors() -> Iterator[None]:
    """Turn what the system says into a HostError."""
    try:
        yield
    except FileNotFoundError as error:
        raise HostError(f"{error.filename} is missing on the host. Install it there.") from None
    except OSError as error:
        raise HostError(f"The host cannot serve this: {error}") from None


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limits(settings: AgentSettings) -> Limits:
    """Return what one amphora may use: during a reload it has two HAProxies, and starting one takes some more."""
    own = settings.memory_mb
    memory = _machine_bytes() // 2 if own is None else (2 * own + _TO_START) * _MEBIBYTE
    return Limits(memory_bytes=memory, cpu_weight=settings.cpu_weight, pids=settings.pids)


def _counted(tree: Tree) -> set[str]:
    """Return the ids of what HAProxy counts of."""
    return {each.id for kind in (tree.listeners, tree.pools, tree.members) for each in kind}


def _possible_connections(tree: Tree) -> int:
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if descriptors == resource.RLIM_INFINITY:
        descriptors = os.sysconf("SC_OPEN_MAX")
    more = tree.live().haproxy_sockets - _OF_CHECKS
    spare = _SPARE_DESCRIPTORS + _STEP * max(0, -(-more // _STEP))
    return max(100, (descriptors - spare) // 2)
