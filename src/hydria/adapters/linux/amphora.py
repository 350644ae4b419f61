"""One amphora on this host: its parts, in the order in which they are made."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import structlog
from msgspec import structs

from hydria.adapters.linux.amphora_directory import AmphoraDirectory
from hydria.adapters.linux.control_groups import ControlGroups
from hydria.adapters.linux.datagram import DatagramRules
from hydria.adapters.linux.flow_limit import FlowLimit
from hydria.adapters.linux.hand_over import HandOver
from hydria.adapters.linux.haproxy import Haproxy
from hydria.adapters.linux.haproxy_part import HaproxyPart
from hydria.adapters.linux.haproxy_program import Program
from hydria.adapters.linux.interfaces import VIP_INTERFACE, Interfaces, Namespace, StaleInterfaces
from hydria.adapters.linux.jail import Jail
from hydria.adapters.linux.keepalived_part import KeepalivedPart
from hydria.adapters.linux.last_lines import LastLines
from hydria.adapters.linux.limits import AmphoraLimits
from hydria.adapters.linux.lookout import Lookout, Suspicion
from hydria.adapters.linux.names import switch_end
from hydria.adapters.linux.netns import namespace_path
from hydria.adapters.linux.numbers import numbers_of
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.pings import Pings
from hydria.adapters.linux.prometheus_text import prometheus_text
from hydria.adapters.linux.vip_firewall import VipFirewall
from hydria.adapters.linux.vips import KeptVips, VipProbe, Vips
from hydria.adapters.linux.watch import NamespaceWatch
from hydria.adapters.linux.ways import WayRecord
from hydria.contract import Counters, Instance, Observation
from hydria.errors import HostError
from hydria.model.applied import Way
from hydria.render.haproxy import needs_no_haproxy

log = structlog.get_logger(__name__)


class Amphora:
    """One amphora on this host."""

    def __init__(self, place: Place, lookout: Lookout) -> None:
        """`lookout` is told when something in the namespace has changed, by whomever."""
        self._place = place
        self._lookout = lookout
        self.suspicion = Suspicion(place.notify, lookout.crowded)
        # The instance that was served last.
        self.instance: Instance | None = None
        # What HAProxy had worked when it was observed last (`HaproxyPart.worked`).
        self._worked: int | None = None
        self._way = WayRecord()
        haproxy = _haproxy(place)
        self._directory = AmphoraDirectory(place, _jail(place, self.metrics))
        self._haproxy = HaproxyPart(place, haproxy)
        self._last_lines = LastLines(place.directory / "haproxy.sock")
        self._pings = Pings(place, self._haproxy)
        self._datagrams = DatagramRules(place)
        self._vips = Vips(place, VIP_INTERFACE)
        self._keepalived = KeepalivedPart(place, haproxy, self._vips, VIP_INTERFACE)
        watch = NamespaceWatch(place.namespace, partial(lookout.suspect, place.amphora_id))
        self._interfaces = Interfaces(place, watch)
        firewall = VipFirewall(place.tables, place.directory, VIP_INTERFACE)
        handing = HandOver(place, VIP_INTERFACE)
        # Parts are made in this order and removed in the opposite one.
        self._parts: tuple[Part, ...] = (
            self._directory,
            Namespace(place, watch),
            # Before there is an address that clients can reach.
            firewall,
            self._interfaces,
            KeptVips(place, VIP_INTERFACE),
            VipProbe(self._vips),
            # Before HAProxy, which joins them at its start.
            ControlGroups(place, haproxy),
            self._haproxy,
            # After HAProxy, which gets the results of pings for its members.
            self._pings,
            self._datagrams,
            handing,
            # After the parts whose rules have the kernel remember flows.
            FlowLimit(place.tables, place.host.settings, (firewall.file, self._datagrams.file, handing.file)),
            # After everything that serves the VIPs.
            self._keepalived,
            self._vips,
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

    @property
    def resting(self) -> bool:
        """Whether HAProxy has done nothing since it was observed, and nothing else serves here."""
        return self._worked is not None and self._worked == self._haproxy.worked

    @property
    def check_can_wait(self) -> bool:
        """Whether it is suspected only because of what the agent itself has changed."""
        return self.suspicion.can_wait and not self._keepalived.drifted

    @property
    def suspected(self) -> bool:
        """Whether it has to be checked before it is observed."""
        return self.suspicion.raised or self._keepalived.drifted

    async def unplugged(self) -> bool:
        """Say whether a port of a Neutron is not plugged any more."""
        return self.instance is not None and await self._interfaces.unplugged()

    def drifted(self) -> bool:
        """Say, by a few system calls, whether any part is not as it was left."""
        return self.instance is not None and any(part.drifted for part in self._parts)

    async def serve(self, instance: Instance) -> None:
        """Make everything as the instance says, and remember the instance. Raises HostError."""
        async with self._place.lock:
            known, loads = self.instance is not None, self._place.tables.loads
            try:
                with _host_errors():
                    await self._ensure(instance)
                    self._place.host.remembered.write(instance)
            finally:
                rules: Way = "nothing" if self._place.tables.loads == loads else "nftables"
                ways = (self._haproxy.way, rules)
                self._way.note(instance.generation, ways, known=known, replaced=self._haproxy.replaced)
            self._way.served(instance.generation)
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
        counters = self._haproxy.totals.counters() | self._open(await self._datagrams.counters())
        numbers = numbers_of(self._haproxy.totals.rows(), counters)
        seen = Observation(
            carries_vip=self._vips.carried is True,
            servers={**servers, **self._datagrams.states(), **self._pings.states()},
            counters=counters,
            troubles=self._haproxy.troubles,
            unserved=self._haproxy.unserved,
            dropped_flows=self._datagrams.dropped,
            applied=self._way.applied,
            numbers=await self._last_lines.read(numbers, servers),
            checks={**self._haproxy.checks, **self._datagrams.checks(), **self._pings.checks()},
        )
        # By now HAProxy has finished the answers that were read. If not, the next observation only comes earlier.
        self._worked = None if self._datagrams.serves else self._haproxy.worked
        return seen

    def _open(self, datagrams: dict[str, Counters]) -> dict[str, Counters]:
        """Return counters without the flows of a draining amphora: the one that has the VIPs gets all datagrams."""
        if self.instance is None or self.instance.duty != "draining":
            return datagrams
        return {key: structs.replace(each, active_connections=0) for key, each in datagrams.items()}

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
            self._lookout.attach(self._place.amphora_id, ())
            try:
                for part in reversed(self._parts):
                    await part.remove()
                # Last, so that an interrupted removal is found again.
                self._place.host.remembered.forget(self._place.amphora_id)
            except OSError as error:
                raise HostError(f"The host cannot remove the amphora: {error}") from None

    async def _ensure(self, instance: Instance) -> bool:
        changed = False
        try:
            for part in self._parts:
                changed |= await part.ensure(instance)
        except (HostError, OSError):
            self._keepalived.mark(instance)
            raise
        return changed

    def _settle(self, instance: Instance, *, repaired: bool = False) -> None:
        self.instance = instance
        self._lookout.attach(self._place.amphora_id, [switch_end(each.port_id) for each in instance.interfaces])
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
