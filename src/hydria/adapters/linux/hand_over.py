"""Connections that began at another amphora, which gives up the VIPs or takes them: their packets are forwarded."""

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from hydria.adapters.linux.netns import inside
from hydria.adapters.linux.parts import Part, Place
from hydria.contract import Instance, Sibling
from hydria.errors import HostError
from hydria.files import write_private
from hydria.render.hand_over import Connection, render_hand_over

# The state of a socket that listens, in the kernel's list.
_LISTENS = "0A"


class HandOver(Part):
    """The rules of one namespace, while `hand_over` or `successors` name an amphora. They cost nothing without.

    `file`, in the amphora's directory, exists while there may be rules. With several amphorae the first one gets all
    packets: nobody can tell whose a connection is.
    """

    def __init__(self, place: Place, interface: str) -> None:
        """`interface` is the name of the base port's."""
        self._place = place
        self._interface = interface
        self.file = place.directory / "hand_over.nft"
        # `Tables.place` and the VIPs and targets of the rules that were loaded last.
        self._loaded: tuple[object, object] | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Forward what began elsewhere; remove the rules when there is nobody to forward to."""
        if _others(instance) or self.file.exists():
            await asyncio.to_thread(self._ensure, instance)
        return False

    def _ensure(self, instance: Instance) -> None:
        tables, vips = self._place.tables, [address.ip for address in instance.vips]
        others = _others(instance)
        to, macs = others[0].addresses if others else (), [each.mac for each in others]
        tables.look()
        if self._loaded == (tables.place, (vips, to, macs)):
            return
        self._loaded = None
        try:
            if to:
                self.file.touch(mode=0o600)
                # The kernel has to remember new connections before the present ones are listed.
                tables.load(render_hand_over(vips, to, self._interface, macs))
            own = frozenset(_connections(self._place.namespace, vips))
            text = render_hand_over(vips, to, self._interface, macs, own)
        except ValueError as error:
            raise HostError(f"Connections cannot be handed over: {error}.") from error
        tables.load(text)
        if to:
            write_private(self.file, text.encode())
            self._loaded = tables.place, (vips, to, macs)
        else:
            self.file.unlink(missing_ok=True)


def _others(instance: Instance) -> tuple[Sibling, ...]:
    return instance.hand_over or instance.successors


def _connections(namespace: str, vips: list[str]) -> Iterator[Connection]:
    """Yield the open connections to VIPs in a namespace."""
    wanted = {str(ip_address(vip)) for vip in vips}
    with inside(namespace):
        listed = [
            line
            for table in ("tcp", "tcp6")
            if (file := Path(f"/proc/thread-self/net/{table}")).exists()
            for line in file.read_text().splitlines()[1:]
        ]
    for line in listed:
        _, local, remote, state, *_ = line.split()
        (vip, port), (client, client_port) = _end(local), _end(remote)
        if state != _LISTENS and vip in wanted:
            yield Connection(client, client_port, vip, port)


def _end(text: str) -> tuple[str, int]:
    """Return address and port of an end in the kernel's notation: words of four bytes in the machine's order."""
    words, _, port = text.partition(":")
    packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int(port, 16)
