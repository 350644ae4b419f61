"""The VIPs of an amphora with a base port: taken, given up, and kept for open connections."""

import asyncio
import contextlib
from collections.abc import Sequence
from ipaddress import ip_address

import structlog

from hydria.adapters.linux import neighbours, vip_addresses
from hydria.adapters.linux.parts import Part, Place
from hydria.contract import Instance
from hydria.errors import HostError

log = structlog.get_logger(__name__)

# The pauses before taken VIPs are announced again: an announcement may be lost (seconds). A bridge copies each one to
# all its ports, so those that nobody is known to have had are announced only twice, as RFC 5227 has it.
_AGAIN, _ONCE_MORE = (0.1, 0.5, 2.0), (2.0,)
# How often they are announced while another amphora gives them up, which answers for them until it does (seconds).
_MEANWHILE = 1.0

_LOOPBACK = "lo"


class KeptVips(Part):
    """The VIPs of a draining amphora, on `lo`, where no neighbour sees them: open connections go on to use them."""

    def __init__(self, place: Place, interface: str) -> None:
        """`interface` is the name of the base port's."""
        self._place = place
        self._interface = interface

    async def ensure(self, instance: Instance) -> bool:
        """Keep the VIPs while the amphora drains. They are removed from `lo` by `Vips`, which takes them before."""
        namespace, ips = self._place.namespace, _ips(instance)
        if instance.duty == "draining" and ips:
            await asyncio.to_thread(vip_addresses.take, namespace, _LOOPBACK, ips)
        if not takes(instance) and ips:
            # keepalived would not remove what an amphora with the VIP's port had.
            await asyncio.to_thread(vip_addresses.give_up, namespace, self._interface, ips, wider=True)
        return False


class VipProbe(Part):
    """The look for others who have the VIPs, which goes on while HAProxy starts."""

    def __init__(self, vips: "Vips") -> None:
        self._vips = vips

    async def ensure(self, instance: Instance) -> bool:
        """Begin to look."""
        self._vips.begin_probe(instance)
        return False


class Vips(Part):
    """The VIPs on the base port. Where keepalived decides, it adds and removes them, and this only looks."""

    def __init__(self, place: Place, interface: str) -> None:
        """`interface` is the name of the base port's."""
        self._place = place
        self._interface = interface
        # Whether the amphora has all VIPs; None before the first look.
        self.carried: bool | None = None
        self._probing: asyncio.Task[None] | None = None
        self._announcing: asyncio.Task[None] | None = None
        # The MAC and the VIPs that are announced, and whether that lasts until another amphora has given them up.
        self._announced: tuple[tuple[str, ...], bool] | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Take the VIPs, or give them up. Raises HostError when somebody else has one and `probe` is set."""
        ips = _ips(instance)
        if not ips:
            self.carried = True
            return False
        repaired = False
        if instance.successors or not takes(instance):
            # Neighbours would come back from the one that has the VIPs now, or takes them.
            self._stop_announcing()
        if takes(instance):
            await self.probed()
        new, carried = await asyncio.to_thread(self._arrange, instance, ips)
        if takes(instance):
            repaired = bool(new) and self.carried is True
            if not instance.successors:
                self._announce(instance, ips, new=bool(new))
        if carried != bool(self.carried):
            log.info("vips_taken" if carried else "vips_given_up", amphora=instance.amphora_id, vips=ips)
        self.carried = carried
        return repaired

    def _arrange(self, instance: Instance, ips: Sequence[str]) -> tuple[list[str], bool]:
        """Put the VIPs where the duty wants them; return those that were taken anew, and whether it has all now."""
        namespace, new = self._place.namespace, list[str]()
        if takes(instance):
            new = vip_addresses.take(namespace, self._interface, ips)
        elif instance.duty != "active":
            vip_addresses.give_up(namespace, self._interface, ips)
        if instance.duty != "draining":
            vip_addresses.give_up(namespace, _LOOPBACK, ips)
        return new, vip_addresses.carried(namespace, self._interface, ips)

    # --- somebody else's addresses ---

    def begin_probe(self, instance: Instance) -> None:
        """Begin to look whether somebody else has the VIPs, where that is asked for and the amphora has them not."""
        wanted = instance.probe and instance.vips and instance.duty == "active" and not self.carried
        self._stop_probing()
        if wanted:
            self._probing = asyncio.create_task(self._probe(instance))
            # When another part fails, the task is not awaited, and its exception must not be logged as lost.
            self._probing.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def probed(self) -> None:
        """Wait for the result. Raises HostError when somebody else has a VIP."""
        probing, self._probing = self._probing, None
        if probing is not None:
            await probing

    async def _probe(self, instance: Instance) -> None:
        namespace, ips, base = self._place.namespace, _ips(instance), instance.interfaces[0]
        if await asyncio.to_thread(vip_addresses.carried, namespace, self._interface, ips):
            return
        sources = [address.ip for address in base.addresses]
        found = await asyncio.to_thread(neighbours.probe, namespace, self._interface, base.mac, sources, ips)
        allowed = {each.mac.lower() for each in (*instance.hand_over, *instance.siblings)}
        others = {ip: mac for ip, mac in found.items() if mac not in allowed}
        if others:
            used = ", ".join(f"{ip} is used by the MAC {mac}" for ip, mac in sorted(others.items()))
            raise HostError(
                f"The VIP is not taken, because somebody else in the network has it: {used}. Remove the address there."
            )

    def _stop_probing(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            self._probing = None

    # --- announcements ---

    def _announce(self, instance: Instance, ips: Sequence[str], *, new: bool) -> None:
        mac, handing = instance.interfaces[0].mac, bool(instance.hand_over)
        what = (mac, *ips), handing
        if not new and (what == self._announced or self._announced is None):
            return
        self._stop_announcing()
        self._announced = what
        pauses = _AGAIN if handing or instance.probe else _ONCE_MORE
        self._announcing = asyncio.create_task(self._keep_announcing(mac, ips, pauses, handing=handing))

    async def _keep_announcing(self, mac: str, ips: Sequence[str], again: Sequence[float], *, handing: bool) -> None:
        pauses = iter(again)
        while True:
            with contextlib.suppress(HostError):
                await asyncio.to_thread(neighbours.announce, self._place.namespace, self._interface, mac, ips)
            pause = next(pauses, _MEANWHILE if handing else None)
            if pause is None:
                return
            await asyncio.sleep(pause)

    def _stop_announcing(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
            self._announcing = None

    async def close(self) -> None:
        """Stop looking and announcing."""
        self._stop_announcing()
        self._stop_probing()


def takes(instance: Instance) -> bool:
    """Say whether the amphora takes the VIPs without an election."""
    return instance.duty == "active" and instance.vrrp is None


def _ips(instance: Instance) -> list[str]:
    return [str(ip_address(address.ip)) for address in instance.vips]
