"""A netlink socket in a network namespace: it reads links, addresses and routes by itself, pyroute2 does the rest.

pyroute2 takes 1 ms of the processor for a link and as much to open a socket, and an amphora that is looked through
needs dozens of both (docs/decisions/011). The layout of the messages is that of rtnetlink(7) and linux/rtnetlink.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from pyroute2 import IPRoute

# nlmsghdr: length, type, flags, sequence, port. ifinfomsg: family, type, index, flags, change. ifaddrmsg: family,
# prefix length, flags, scope, index. rtmsg: family, lengths of destination and source, TOS, table, protocol, scope,
# type, flags.
HEADER, _LINK, _ADDRESS = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
_ROUTE, _ATTRIBUTE, _NUMBER = struct.Struct("=BBBBBBBBI"), struct.Struct("=HH"), struct.Struct("=I")

_ERROR, _DONE = 2, 3
_GET_LINK, _GET_ADDRESS, _GET_ROUTE = 18, 22, 26
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
_KIND_OF_ATTRIBUTE = 0x3FFF
_UP = 1

_IFLA_ADDRESS, _IFLA_NAME, _IFLA_MTU, _IFLA_LINK, _IFLA_QDISC, _IFLA_MASTER = 1, 3, 4, 5, 6, 10
_IFLA_INFO, _IFLA_ALIAS, _IFLA_GROUP, _IFLA_EXT_MASK = 18, 20, 27, 29
_INFO_KIND, _INFO_DATA, _INFO_PORT, _PORT_STATE, _VLAN_FILTERING = 1, 2, 5, 1, 7
_SKIP_STATISTICS = 1 << 3
_IFA_ADDRESS = 1
_RTA_DESTINATION, _RTA_LINK, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15

# The kernel sends a dump in parts that are smaller than this (bytes).
_MOST = 256 * 1024

Row = dict[str, Any]


class Netlink:
    """A socket. What it does not have itself is pyroute2's `IPRoute`, which is opened when it is used first.

    A row has the keys of pyroute2, as far as anything here asks for them.
    """

    def __init__(self, changes: Callable[[], IPRoute]) -> None:
        """Open it in the namespace of the calling thread; `changes` opens pyroute2's there. Raises OSError."""
        self._changes = changes
        self._opened: IPRoute | None = None
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sequence = 0

    def __getattr__(self, name: str) -> Any:
        """Return what pyroute2 has, such as `link` and `addr`."""
        if self._opened is None:
            self._opened = self._changes()
        return getattr(self._opened, name)

    def close(self) -> None:
        """Close both."""
        self._socket.close()
        if self._opened is not None:
            self._opened.close()

    def find(self, name: str) -> Row | None:
        """Return a link by its name, or None. Raises OSError."""
        wanted = _attribute(_IFLA_NAME, name.encode() + b"\0")
        try:
            return next(map(_link, self._ask(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + _few() + wanted, 0)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return None

    def get_links(self) -> list[Row]:
        """Return all links. Raises OSError."""
        return [_link(body) for body in self._dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + _few())]

    def get_addr(self, *, index: int | None = None, family: int = socket.AF_UNSPEC) -> list[Row]:
        """Return the addresses, or those of a link. Raises OSError."""
        rows = [_address(body) for body in self._dump(_GET_ADDRESS, _ADDRESS.pack(family, 0, 0, 0, 0))]
        return [row for row in rows if index is None or row["index"] == index]

    def get_routes(self, *, table: int, family: int = socket.AF_UNSPEC) -> list[Row]:
        """Return the routes of a table. Raises OSError."""
        rows = [_route(body) for body in self._dump(_GET_ROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))]
        return [row for row in rows if row["table"] == table]

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        while True:
            try:
                return list(self._ask(kind, body, _DUMP))
            except InterruptedError:
                # Something changed meanwhile, and the dump may miss what is there.
                continue

    def _ask(self, kind: int, body: bytes, flags: int) -> Iterator[bytes]:
        """Send a request, and yield the bodies of the answer's messages. Raises OSError."""
        self._sequence += 1
        length = HEADER.size + len(body)
        self._socket.send(HEADER.pack(length, kind, _REQUEST | flags, self._sequence, 0) + body)
        interrupted = False
        while True:
            for answer, marks, sequence, message in messages(self._socket.recv(_MOST)):
                if sequence != self._sequence:
                    # The rest of a dump that was given up.
                    continue
                interrupted |= bool(marks & _INTERRUPTED)
                if answer == _ERROR:
                    code = -struct.unpack_from("=i", message)[0]
                    raise OSError(code, os.strerror(code))
                if answer == _DONE:
                    if interrupted:
                        raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                    return
                yield message
                if not flags & _DUMP:
                    return


def messages(content: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield kind, flags, sequence number and body of the messages that were received together."""
    place = 0
    while place + HEADER.size <= len(content):
        length, kind, flags, sequence, _ = HEADER.unpack_from(content, place)
        if length < HEADER.size:
            return
        yield kind, flags, sequence, content[place + HEADER.size : place + length]
        place += _aligned(length)


def attributes(content: bytes, place: int = 0) -> dict[int, bytes]:
    """Return the attributes of a message by their kinds; they begin at a place of its body."""
    return dict(each_attribute(content, place))


def each_attribute(content: bytes, place: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the attributes of a message; they begin at a place of its body."""
    while place + _ATTRIBUTE.size <= len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, place)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _KIND_OF_ATTRIBUTE, content[place + _ATTRIBUTE.size : place + length]
        place += _aligned(length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _attribute(kind: int, content: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(_aligned(length) - length)


def _few() -> bytes:
    """Return the attribute that leaves out a link's statistics."""
    return _attribute(_IFLA_EXT_MASK, _NUMBER.pack(_SKIP_STATISTICS))


def _number(attributes: dict[int, bytes], kind: int) -> int | None:
    content = attributes.get(kind)
    return None if content is None else int(_NUMBER.unpack(content)[0])


def _text(attributes: dict[int, bytes], kind: int) -> str | None:
    content = attributes.get(kind)
    return None if content is None else content.rstrip(b"\0").decode(errors="replace")


def _ip(attributes: dict[int, bytes], kind: int) -> str | None:
    content = attributes.get(kind)
    return None if content is None else str(ip_address(content))


def _link(body: bytes) -> Row:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body, _LINK.size)
    info = attributes(found.get(_IFLA_INFO, b""))
    port = attributes(info.get(_INFO_PORT, b""))
    data = attributes(info.get(_INFO_DATA, b""))
    mac = found.get(_IFLA_ADDRESS)
    return {
        "index": index,
        "state": "up" if flags & _UP else "down",
        "ifname": _text(found, _IFLA_NAME),
        "address": None if mac is None else mac.hex(":"),
        "mtu": _number(found, _IFLA_MTU),
        "link": _number(found, _IFLA_LINK),
        "master": _number(found, _IFLA_MASTER),
        "group": _number(found, _IFLA_GROUP),
        "qdisc": _text(found, _IFLA_QDISC),
        "ifalias": _text(found, _IFLA_ALIAS),
        "kind": _text(info, _INFO_KIND),
        "vlan_filtering": _text(info, _INFO_KIND) == "bridge" and any(data.get(_VLAN_FILTERING, b"")),
        "port_state": port[_PORT_STATE][0] if _PORT_STATE in port else None,
    }


def _address(body: bytes) -> Row:
    family, prefix, flags, scope, index = _ADDRESS.unpack_from(body)
    ip = _ip(attributes(body, _ADDRESS.size), _IFA_ADDRESS)
    return {"family": family, "prefixlen": prefix, "flags": flags, "scope": scope, "index": index, "address": ip}


def _route(body: bytes) -> Row:
    family, length, _, _, table, protocol, scope, kind, _ = _ROUTE.unpack_from(body)
    found = attributes(body, _ROUTE.size)
    return {
        "family": family,
        "dst": _ip(found, _RTA_DESTINATION),
        "dst_len": length,
        "table": _number(found, _RTA_TABLE) or table,
        "proto": protocol,
        "scope": scope,
        "type": kind,
        "oif": _number(found, _RTA_LINK),
        "gateway": _ip(found, _RTA_GATEWAY),
    }
