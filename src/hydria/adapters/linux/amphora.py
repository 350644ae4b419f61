"""One amphora on this host: its parts, in the order in which they are made."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator

import structlog

from hydria.adapters.linux.amphora_directory import AmphoraDirectory
from hydria.adapters.linux.control_groups import ControlGroups
from hydria.adapters.linux.datagram import DatagramRules
from hydria.adapters.linux.flow_limit import FlowLimit
from hydria.adapters.linux.haproxy import Haproxy, Program
from hydria.adapters.linux.haproxy_part import HaproxyPart
from hydria.adapters.linux.interfaces import VIP_INTERFACE, Interfaces, Namespace, StaleInterfaces
from hydria.adapters.linux.jail import Jail
from hydria.adapters.linux.limits import AmphoraLimits
from hydria.adapters.linux.lookout import Suspicion
from hydria.adapters.linux.names import switch_end
from hydria.adapters.linux.netns import namespace_path
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.pings import Pings
from hydria.adapters.linux.prometheus_text import prometheus_text
from hydria.adapters.linux.vip_firewall import VipFirewall
from hydria.adapters.linux.watch import NamespaceWatch
from hydria.contract import Instance, Observation
from hydria.errors import HostError
from hydria.render.haproxy import needs_no_haproxy

log = structlog.get_logger(__name__)


class Amphora:
    """One amphora on this host."""

    def __init__(self, place: Place, suspect: Callable[[], None]) -> None:
        """`suspect` is called when something in the namespace has changed, by whomever."""
        self._place = place
        self.suspicion = Suspicion(place.notify)
        # The instance that was served last, and its interfaces' ends in the switch.
        self.instance: Instance | None = None
        self.switch_ends: frozenset[str] = frozenset()
        haproxy = _haproxy(place)
        self._directory = AmphoraDirectory(place, _jail(place, self.metrics))
        self._haproxy = HaproxyPart(place, haproxy)
        self._pings = Pings(place, self._haproxy)
        self._datagrams = DatagramRules(place)
        watch = NamespaceWatch(place.namespace, suspect)
        firewall = VipFirewall(place.tables, place.directory, VIP_INTERFACE)
        # Parts are made in this order and removed in the opposite one.
        self._parts: tuple[Part, ...] = (
            self._directory,
            Namespace(place, watch),
            # Before there is an address that clients can reach.
            firewall,
            Interfaces(place, watch),
            # Before HAProxy, which joins them at its start.
            ControlGroups(place, haproxy),
            self._haproxy,
            # After HAProxy, which gets the results of pings for its members.
            self._pings,
            self._datagrams,
            # After the parts whose rules have the kernel remember flows.
            FlowLimit(place.tables, place.host.settings, (firewall.file, self._datagrams.file)),
            # Last: nothing uses them any more.
            StaleInterfaces(place),
        )

    @property
    def busy(self) -> bool:
        """Whether it is being changed right now."""
        return self._place.lock.locked()

    @property
    def due(self) -> bool:
        """Whether it is time to try a refused resource again."""
        return self._haproxy.due

    def drifted(self) -> bool:
        """Say, by a few system calls, whether any part is not as it was left."""
        return self.instance is not None and any(part.drifted for part in self._parts)

    async def serve(self, instance: Instance) -> None:
        """Make everything as the instance says, and remember the instance. Raises HostError."""
        async with self._place.lock:
            with _host_errors():
                await self._ensure(instance)
                self._place.host.remembered.write(instance)
            self._settle(instance)

    async def repair(self) -> None:
        """Bring everything to what was served last; leave a process that has ended to the caller. Raises HostError."""
        async with self._place.lock:
            instance = self.instance
            if instance is None or not (self._haproxy.process or needs_no_haproxy(instance)):
                return
            with _host_errors():
                changed = await self._ensure(instance)
            self._settle(instance, repaired=changed)
        if changed:
            log.warning("amphora_repaired", amphora=instance.amphora_id)

    async def observe(self) -> Observation:
        """Return states and counters. Raises HostError when HAProxy does not run but should."""
        self._directory.refresh()
        servers = await self._haproxy.states()
        # The states of datagram members depend on counters.
        counters = self._haproxy.totals.counters() | await self._datagrams.counters()
        return Observation(
            servers={**servers, **self._datagrams.states(), **self._pings.states()},
            counters=counters,
            troubles=self._haproxy.troubles,
            unserved=self._haproxy.unserved,
        )

    async def metrics(self) -> bytes:
        """Return the counters under Octavia's names in Prometheus' text. Raises HostError."""
        process = self._haproxy.process
        if process is None:
            raise HostError("HAProxy does not run.")
        await self.observe()
        information = await self._haproxy.information() | {"DroppedFlows": str(self._datagrams.dropped)}
        rows = [*self._haproxy.totals.rows(), *self._datagrams.rows()]
        flavor = self.instance.flavor if self.instance is not None else {}
        limits = AmphoraLimits.of(self._place.host.settings, flavor)
        return prometheus_text(rows, information, 100 * process.resident_bytes / limits.memory_bytes)

    async def close(self) -> None:
        """Stop the tasks of all parts; traffic goes on."""
        for part in reversed(self._parts):
            await part.close()

    async def remove(self) -> None:
        """Remove everything, if there is anything. Raises HostError."""
        async with self._place.lock:
            try:
                for part in reversed(self._parts):
                    await part.remove()
                # Last, so that an interrupted removal is found again.
                self._place.host.remembered.forget(self._place.amphora_id)
            except OSError as error:
                raise HostError(f"The host cannot remove the amphora: {error}") from None

    async def _ensure(self, instance: Instance) -> bool:
        changed = False
        for part in self._parts:
            changed |= await part.ensure(instance)
        return changed

    def _settle(self, instance: Instance, *, repaired: bool = False) -> None:
        self.instance = instance
        self.switch_ends = frozenset(switch_end(each.port_id) for each in instance.interfaces)
        self.suspicion.settle(repaired=repaired)


def _haproxy(place: Place) -> Haproxy:
    settings = place.host.settings
    program = Program(path=settings.haproxy, limits_required=settings.limits == "required")
    return Haproxy(program, place.directory, namespace_path(place.namespace))


def _jail(place: Place, metrics: Callable[[], Awaitable[bytes]]) -> Jail:
    return Jail(place.directory, place.host.settings.syslog, place.notify, metrics)


@contextlib.contextmanager
def _host_errors() -> Iterator[None]:
    """Turn the system's errors into HostError."""
    try:
        yield
    except FileNotFoundError as error:
        raise HostError(f"{error.filename} is missing on the host. Install it there.") from None
    except OSError as error:
        raise HostError(f"The host cannot serve this: {error}") from None
