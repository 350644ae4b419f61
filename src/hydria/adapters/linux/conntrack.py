"""The kernel's connection tracking in a network namespace: its flows by their marks."""

import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from pyroute2 import NFCTSocket
from pyroute2.netlink import NETLINK_NETFILTER

from hydria.adapters.linux.netns import inside, reporting

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_GET, _DELETE, _DONE, _ERROR = 1 << 8 | 1, 1 << 8 | 2, 3, 2
_REQUEST_DUMP, _REQUEST_ACK = 0x301, 0x005
_TYPE, _NESTED = 0x3FFF, 0x8000
# Family, version, zero. The kernel regards the family since version 1.
_GENERIC = struct.Struct("=BBH")
_ANY = _GENERIC.pack(0, 0, 0)

# <linux/netfilter/nfnetlink_conntrack.h>
_ORIGINAL, _MARK, _MASK, _FILTER = 1, 8, 21, 25

_PROTOCOLS = {"udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}

_RECEIVE = 1 << 18


def end_flows(namespace: str, marks: Iterable[int]) -> None:
    """End all flows with one of these marks, so that their next packets begin new ones. Raises HostError."""
    failure = f"The flows of the network namespace {namespace} cannot be ended"
    # pyroute2 opens this kind of socket with its first request.
    with reporting(failure), inside(namespace), NFCTSocket() as conntrack:
        for mark in marks:
            conntrack.flush(mark=mark, mark_mask=0xFFFFFFFF)


def end_unmarked_flows(namespace: str, ends: Iterable[tuple[str, str, int]]) -> None:
    """End the flows without a mark to these (address, protocol, port): they began before there were rules for them.

    Raises HostError.
    """
    with reporting(f"The flows of the network namespace {namespace} cannot be ended"):
        with inside(namespace):
            netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with netfilter:
            for end in ends:
                body = _to(*end)
                netfilter.send(_HEADER.pack(_HEADER.size + len(body), _DELETE, _REQUEST_ACK, 1, 0) + body)
                _take(netfilter.recv(_RECEIVE), Counter())


def _to(address: str, protocol: str, port: int) -> bytes:
    ip = ip_address(address)
    transport = _attribute(1, bytes([_PROTOCOLS[protocol]])) + _attribute(3, port.to_bytes(2))
    tuple_, compared = _attribute(2 | _NESTED, transport), 1 << 3 | 1 << 5
    # Linux 6.18 considers equal IPv6 addresses different here, so all of them are meant then.
    if ip.version == 4:
        tuple_, compared = _attribute(1 | _NESTED, _attribute(2, ip.packed)) + tuple_, compared | 1 << 1
    return b"".join(
        (
            _GENERIC.pack(socket.AF_INET if ip.version == 4 else socket.AF_INET6, 1, 0),
            _attribute(_ORIGINAL | _NESTED, tuple_),
            _attribute(_MARK, bytes(4)),
            _attribute(_MASK, b"\xff" * 4),
            _attribute(_FILTER | _NESTED, _attribute(1, struct.pack("=I", compared))),
        )
    )


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def count_flows(namespace: str) -> Counter[int]:
    """Return the number of flows by mark, without mark 0. Raises HostError.

    The messages are parsed here because every flow has one: 20,000 take 0.1 s, and 2.3 s with pyroute2's parser.
    """
    found: Counter[int] = Counter()
    with reporting(f"The flows of the network namespace {namespace} cannot be counted"):
        with inside(namespace):
            netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with netfilter:
            netfilter.send(_HEADER.pack(_HEADER.size + len(_ANY), _GET, _REQUEST_DUMP, 1, 0) + _ANY)
            while _take(netfilter.recv(_RECEIVE), found):
                pass
    return found


def dropped_flows(namespace: str) -> int:
    """Return the number of packets so far that began no flow for want of a source port or memory. Raises HostError."""
    with reporting(f"The kernel's memory of flows in {namespace} cannot be read"), inside(namespace):
        text = Path("/proc/thread-self/net/stat/nf_conntrack").read_text("ascii")
    names, *processors = (line.split() for line in text.splitlines())
    column = names.index("drop")
    # Each processor has a counter of its own, of 32 bits.
    return sum(int(numbers[column], 16) for numbers in processors)


def _take(data: bytes, found: Counter[int]) -> bool:
    """Count the flows of one reading; return whether there is more."""
    at = 0
    while at < len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if kind == _DONE:
            return False
        if kind == _ERROR:
            code = -struct.unpack_from("=i", data, at + _HEADER.size)[0]
            if code:
                raise OSError(code, os.strerror(code))
            return False
        mark = _mark(data, at + _HEADER.size + len(_ANY), at + length)
        if mark:
            found[mark] += 1
        at += (length + 3) & ~3
    return True


def _mark(data: bytes, at: int, end: int) -> int:
    while at < end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if kind & _TYPE == _MARK:
            return int.from_bytes(data[at + 4 : at + 8])
        at += (length + 3) & ~3
    return 0
