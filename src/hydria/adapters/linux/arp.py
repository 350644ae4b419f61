"""Tell the neighbours where an IPv4 address is now, so that they forget where it was."""

import socket
import struct
from ipaddress import IPv4Address

from hydria.adapters.linux.netns import inside

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ETHERNET, _IPV4, _REQUEST = 1, 0x0800, 1


def announce(namespace: str, link: str, mac: str, addresses: list[IPv4Address]) -> None:
    """Send a gratuitous ARP request for each address from a link of a namespace. Raises OSError."""
    if not addresses:
        return
    with inside(namespace):
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with packets:
        packets.bind((link, 0))
        for address in addresses:
            packets.send(_frame(bytes.fromhex(mac.replace(":", "")), address.packed))


def _frame(mac: bytes, address: bytes) -> bytes:
    ethernet = struct.pack("!6s6sH", _BROADCAST, mac, _ETHERTYPE_ARP)
    return ethernet + struct.pack(
        "!HHBBH6s4s6s4s", _ETHERNET, _IPV4, 6, 4, _REQUEST, mac, address, bytes(6), address
    )
