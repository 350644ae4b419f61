"""ARP (RFC 826, 5227) and neighbour discovery (RFC 4861): who uses an address, and announcements of own addresses."""

import select
import socket
import struct
import time
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from hydria.adapters.linux.netns import inside, reporting
from hydria.model.addresses import link_local

# The probes: how many, the pause between them, and how long answers are awaited after the last one (seconds).
_PROBES, _PAUSE, _PATIENCE = 3, 0.08, 0.1

_ARP, _IPV6, _ICMPV6 = 0x0806, 0x86DD, 58
_REQUEST = 1
_SOLICITATION, _ADVERTISEMENT, _OVERRIDE = 135, 136, 0x20000000
_SOURCE_MAC, _TARGET_MAC = 1, 2
_EVERYBODY, _ALL_NODES = b"\xff" * 6, IPv6Address("ff02::1")

_ETHERNET = struct.Struct("!6s6sH")
_ARP_PACKET = struct.Struct("!HHBBH6s4s6s4s")
# The fixed header of IPv6, and what an advertisement has behind it: type, flags, target.
_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_DISCOVERY = struct.Struct("!BBHI16s")

_Ip = IPv4Address | IPv6Address


def probe(namespace: str, link: str, mac: str, sources: Collection[str], addresses: Collection[str]) -> dict[str, str]:
    """Ask who uses addresses; return the MACs of those who answered in time, by address. Raises HostError.

    `mac` is the link's, `sources` its own addresses. A request has one of those as its source, so that port security
    lets it pass and no neighbour learns anything wrong. Blocks for about 0.3 s, or until all have answered.
    """
    wanted = [ip_address(each) for each in addresses]
    source = next((each for each in map(ip_address, sources) if isinstance(each, IPv4Address)), IPv4Address(0))
    frames = [_request(mac, source, each) if isinstance(each, IPv4Address) else _solicit(mac, each) for each in wanted]
    found: dict[str, str] = {}
    with reporting(f"The neighbours of {link} in {namespace} cannot be asked"), _packets(namespace, link) as packets:
        for number in range(_PROBES):
            for frame in frames:
                packets.send(frame)
            until = time.monotonic() + (_PAUSE if number < _PROBES - 1 else _PATIENCE)
            while len(found) < len(wanted) and (left := until - time.monotonic()) > 0:
                if select.select([packets], [], [], left)[0]:
                    found |= _answers(packets.recv(2048), _bytes(mac), wanted)
            if len(found) == len(wanted):
                break
    return found


def announce(namespace: str, link: str, mac: str, addresses: Collection[str]) -> None:
    """Tell all neighbours that addresses are at a MAC: gratuitous ARP, unsolicited advertisements. Raises HostError."""
    with reporting(f"Addresses of {link} in {namespace} cannot be announced"), _packets(namespace, link, 0) as packets:
        for address in map(ip_address, addresses):
            if isinstance(address, IPv4Address):
                packets.send(_request(mac, address, address))
            else:
                packets.send(_advertise(mac, address))


def _packets(namespace: str, link: str, protocol: int = 0x0003) -> socket.socket:
    """Open a packet socket on a link; without a protocol it only sends."""
    with inside(namespace):
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        packets.bind((link, protocol))
    except BaseException:
        packets.close()
        raise
    return packets


def _request(mac: str, source: IPv4Address, target: IPv4Address) -> bytes:
    own = _bytes(mac)
    packet = _ARP_PACKET.pack(1, 0x0800, 6, 4, _REQUEST, own, source.packed, bytes(6), target.packed)
    return _ETHERNET.pack(_EVERYBODY, own, _ARP) + packet


def _solicit(mac: str, target: IPv6Address) -> bytes:
    group = IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + target.packed[13:])
    return _discovery(mac, link_local(mac), group, _SOLICITATION, target)


def _advertise(mac: str, target: IPv6Address) -> bytes:
    return _discovery(mac, target, _ALL_NODES, _ADVERTISEMENT, target)


def _discovery(mac: str, source: IPv6Address, group: IPv6Address, kind: int, target: IPv6Address) -> bytes:
    own = _bytes(mac)
    flags, option = (0, _SOURCE_MAC) if kind == _SOLICITATION else (_OVERRIDE, _TARGET_MAC)
    rest = struct.pack("!I16sBB6s", flags, target.packed, option, 1, own)
    length = 4 + len(rest)
    pseudo = source.packed + group.packed + struct.pack("!II", length, _ICMPV6)
    checksum = _checksum(pseudo + struct.pack("!BBH", kind, 0, 0) + rest)
    header = _IPV6_HEADER.pack(6 << 28, length, _ICMPV6, 255, source.packed, group.packed)
    ethernet = _ETHERNET.pack(b"\x33\x33" + group.packed[12:], own, _IPV6)
    return ethernet + header + struct.pack("!BBH", kind, 0, checksum) + rest


def _answers(frame: bytes, own: bytes, wanted: Collection[_Ip]) -> Iterator[tuple[str, str]]:
    """Yield address and MAC where a frame says that somebody else has a wanted address."""
    if len(frame) < _ETHERNET.size:
        return
    _, sender, kind = _ETHERNET.unpack_from(frame)
    body = frame[_ETHERNET.size :]
    holder: _Ip
    if kind == _ARP and len(body) >= _ARP_PACKET.size:
        *_, sender, source, _, _ = _ARP_PACKET.unpack_from(body)
        holder = IPv4Address(source)
    elif kind == _IPV6 and len(body) >= _IPV6_HEADER.size + _DISCOVERY.size and body[6] == _ICMPV6:
        what, *_, target = _DISCOVERY.unpack_from(body, _IPV6_HEADER.size)
        if what != _ADVERTISEMENT:
            return
        holder = IPv6Address(target)
    else:
        return
    if holder in wanted and sender != own:
        yield str(holder), ":".join(f"{each:02x}" for each in sender)


def _bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
