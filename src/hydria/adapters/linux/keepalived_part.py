"""keepalived as a part of an amphora: it decides which amphora of a pair carries the VIPs."""

from hydria.adapters.linux.haproxy import Haproxy
from hydria.adapters.linux.keepalived import Keepalived
from hydria.adapters.linux.netns import namespace_path
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.vips import Vips
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.render.haproxy import needs_no_haproxy
from hydria.render.keepalived import render_keepalived


class KeepalivedPart(Part):
    """The keepalived of one amphora, or none where the server decides about the VIPs."""

    def __init__(self, place: Place, haproxy: Haproxy, vips: Vips, interface: str) -> None:
        """`interface` is the name of the base port's."""
        self._place = place
        self._haproxy = haproxy
        self._vips = vips
        self._interface = interface
        self._keepalived = Keepalived(place.host.settings.keepalived, place.directory, namespace_path(place.namespace))
        self._wanted = False
        # The number of the process whose end is watched for.
        self._watched: int | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Take part in the election, or leave it. Raises HostError."""
        before, self._wanted = self._wanted, elects(instance)
        if not self._wanted:
            self._place.host.events.unwatch(self._place.amphora_id, "keepalived")
            await self._keepalived.end()
            return False
        await self._vips.probed()
        self.mark(instance)
        try:
            text = render_keepalived(instance, self._interface, str(self._keepalived.failed))
        except ValueError as error:
            raise HostError(f"The host cannot serve this: {error}.") from None
        started = await self._keepalived.ensure(text, self._haproxy.groups)
        process = self._keepalived.process
        if process is not None and process.pid != self._watched:
            self._place.host.events.watch(self._place.amphora_id, process, "keepalived")
            self._watched = process.pid
        return before and started

    @property
    def drifted(self) -> bool:
        """Whether keepalived has ended, which it does not by itself."""
        return self._wanted and self._keepalived.process is None

    def mark(self, instance: Instance) -> None:
        """Tell keepalived whether HAProxy can serve."""
        if elects(instance):
            self._keepalived.mark(failed=self._haproxy.process is None and not needs_no_haproxy(instance))

    async def close(self) -> None:
        """Close the handle of the process, which goes on."""
        self._place.host.events.unwatch(self._place.amphora_id, "keepalived")
        self._keepalived.close()

    async def remove(self) -> None:
        """End it, so that the other amphora takes over at once."""
        self._place.host.events.unwatch(self._place.amphora_id, "keepalived")
        await self._keepalived.end()


def elects(instance: Instance) -> bool:
    """Say whether the amphora takes part in an election."""
    return instance.duty == "active" and instance.vrrp is not None and bool(instance.vips)
