"""A netlink socket in a network namespace: links, addresses and routes by itself, the rest by pyroute2.

pyroute2 takes 1 ms of the processor for a link and as much to open a socket, and an amphora that is made or looked
through needs dozens of both (docs/decisions/011, 013). The layout of the messages is that of rtnetlink(7) and
linux/rtnetlink.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Any, Literal, TypedDict, Unpack

from pyroute2 import IPRoute

# nlmsghdr: length, type, flags, sequence, port. ifinfomsg: family, type, index, flags, change. ifaddrmsg: family,
# prefix length, flags, scope, index. rtmsg: family, lengths of destination and source, TOS, table, protocol, scope,
# type, flags.
HEADER, _LINK, _ADDRESS = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
_ROUTE, _ATTRIBUTE, _NUMBER = struct.Struct("=BBBBBBBBI"), struct.Struct("=HH"), struct.Struct("=I")
# ifa_cacheinfo: preferred and valid lifetime (seconds), and two times that only the kernel sets.
_LIFETIMES = struct.Struct("=IIII")

_ERROR, _DONE = 2, 3
_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE = 24, 25, 26
_REQUEST, _ACKNOWLEDGE, _DUMP, _INTERRUPTED = 0x1, 0x4, 0x300, 0x10
_REPLACE, _EXCLUSIVE, _CREATE = 0x100, 0x200, 0x400
_KIND_OF_ATTRIBUTE = 0x3FFF
_UP = 1

_IFLA_ADDRESS, _IFLA_NAME, _IFLA_MTU, _IFLA_LINK, _IFLA_QDISC, _IFLA_MASTER = 1, 3, 4, 5, 6, 10
_IFLA_INFO, _IFLA_ALIAS, _IFLA_GROUP, _IFLA_NAMESPACE, _IFLA_EXT_MASK = 18, 20, 27, 28, 29
_INFO_KIND, _INFO_DATA, _INFO_PORT, _PORT_STATE, _VLAN_FILTERING, _VETH_PEER = 1, 2, 5, 1, 7, 1
_SKIP_STATISTICS = 1 << 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LIFETIMES, _IFA_FLAGS = 1, 2, 6, 8
# IFA_F_NODAD: an IPv6 address that is not looked for on the network before it is used.
_NO_DAD, _FOR_EVER = 0x02, 2**32 - 1
_RTA_DESTINATION, _RTA_LINK, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
# RTN_UNICAST, RTPROT_STATIC; RT_SCOPE_UNIVERSE, of routes without a gateway RT_SCOPE_LINK, and of any route.
_UNICAST, _STATIC = 1, 4
_EVERYWHERE, _ON_LINK, _ANY_SCOPE = 0, 253, 255

# The kernel sends a dump in parts that are smaller than this (bytes).
_MOST = 256 * 1024

Row = dict[str, Any]
Network = IPv4Network | IPv6Network
State = Literal["up", "down"]


class LinkValues(TypedDict, total=False):
    """The attributes of a link that a change sets; the others stay."""

    ifname: str
    ifalias: str
    address: str
    mtu: int
    # The index of the bridge that the link is a port of.
    master: int
    group: int
    # The descriptor of the namespace to which the link moves.
    net_ns_fd: int
    state: State


_NUMBERS = {"mtu": _IFLA_MTU, "master": _IFLA_MASTER, "group": _IFLA_GROUP, "net_ns_fd": _IFLA_NAMESPACE}
_TEXTS = {"ifname": _IFLA_NAME, "ifalias": _IFLA_ALIAS}


class Netlink:
    """A socket. What it does not have itself is pyroute2's `IPRoute`, which is opened when it is used first.

    A row has the keys of pyroute2, as far as anything here asks for them. All methods raise OSError with the kernel's
    error.
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
        """Return a link by its name, or None."""
        wanted = _attribute(_IFLA_NAME, name.encode() + b"\0")
        try:
            return next(map(_link, self._ask(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + _few() + wanted, 0)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return None

    def get_links(self) -> list[Row]:
        """Return all links."""
        return [_link(body) for body in self._dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + _few())]

    def get_addr(self, *, index: int | None = None, family: int = socket.AF_UNSPEC) -> list[Row]:
        """Return the addresses, or those of a link."""
        rows = [_address(body) for body in self._dump(_GET_ADDRESS, _ADDRESS.pack(family, 0, 0, 0, 0))]
        return [row for row in rows if index is None or row["index"] == index]

    def get_routes(self, *, table: int, family: int = socket.AF_UNSPEC) -> list[Row]:
        """Return the routes of a table."""
        rows = [_route(body) for body in self._dump(_GET_ROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))]
        return [row for row in rows if row["table"] == table]

    def set_link(self, index: int, **values: Unpack[LinkValues]) -> None:
        """Change a link."""
        self._do(_NEW_LINK, _link_message(index, **values))

    def delete_link(self, index: int) -> None:
        """Delete a link."""
        self._do(_DELETE_LINK, _link_message(index))

    def delete_links(self, group: int) -> None:
        """Delete all links of a group."""
        self._do(_DELETE_LINK, _link_message(0, group=group))

    def add_veth(self, peer: LinkValues, **values: Unpack[LinkValues]) -> None:
        """Make a veth pair; `values` are those of the end here."""
        data = _attribute(_INFO_DATA, _attribute(_VETH_PEER, _link_message(0, **peer)))
        information = _attribute(_IFLA_INFO, _attribute(_INFO_KIND, b"veth") + data)
        self._do(_NEW_LINK, _link_message(0, **values) + information, _CREATE | _EXCLUSIVE)

    def add_address(self, index: int, address: IPv4Interface | IPv6Interface) -> None:
        """Add an address to a link. An IPv6 address is not looked for on the network before."""
        self._do(_NEW_ADDRESS, _address_message(index, address), _CREATE | _EXCLUSIVE)

    def replace_address(self, index: int, address: IPv4Interface | IPv6Interface, *, deprecated: bool = False) -> None:
        """Add an address to a link, or change it. A deprecated one is the source of nothing that does not name it."""
        lifetimes = _attribute(_IFA_LIFETIMES, _LIFETIMES.pack(0, _FOR_EVER, 0, 0)) if deprecated else b""
        self._do(_NEW_ADDRESS, _address_message(index, address) + lifetimes, _CREATE | _REPLACE)

    def delete_address(self, index: int, address: IPv4Interface | IPv6Interface) -> None:
        """Remove an address from a link."""
        self._do(_DELETE_ADDRESS, _address_message(index, address))

    def replace_route(self, index: int, destination: Network, via: str | None, table: int) -> None:
        """Make a static route by a link, to a gateway or without one, in place of another one to its destination."""
        scope = _ON_LINK if via is None else _EVERYWHERE
        head = (table, _STATIC, scope, _UNICAST)
        self._do(_NEW_ROUTE, _route_message(head, index, destination, via), _CREATE | _REPLACE)

    def delete_route(self, index: int, destination: Network, via: str | None, table: int) -> None:
        """Remove a route by a link, to a gateway or without one."""
        self._do(_DELETE_ROUTE, _route_message((table, 0, _ANY_SCOPE, 0), index, destination, via))

    def _do(self, kind: int, body: bytes, flags: int = 0) -> None:
        for _ in self._ask(kind, body, flags | _ACKNOWLEDGE):
            pass

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
                    if code == 0:
                        return
                    raise OSError(code, os.strerror(code))
                if answer == _DONE:
                    if interrupted:
                        raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                    return
                yield message
                if not flags & (_DUMP | _ACKNOWLEDGE):
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


def _link_message(index: int, **values: Unpack[LinkValues]) -> bytes:
    state = values.get("state")
    body = _LINK.pack(0, 0, index, _UP if state == "up" else 0, 0 if state is None else _UP)
    for name, value in values.items():
        if name in _NUMBERS:
            body += _attribute(_NUMBERS[name], _NUMBER.pack(value))
        elif name in _TEXTS:
            body += _attribute(_TEXTS[name], f"{value}\0".encode())
        elif name == "address":
            body += _attribute(_IFLA_ADDRESS, bytes.fromhex(str(value).replace(":", "")))
    return body


def _address_message(index: int, address: IPv4Interface | IPv6Interface) -> bytes:
    four, ip = address.version == 4, address.ip.packed
    family, flags = (socket.AF_INET, 0) if four else (socket.AF_INET6, _NO_DAD)
    head = _ADDRESS.pack(family, address.network.prefixlen, 0, 0, index)
    values = ((_IFA_LOCAL, ip), (_IFA_ADDRESS, ip), (_IFA_FLAGS, _NUMBER.pack(flags)))
    return head + b"".join(_attribute(kind, content) for kind, content in values)


def _route_message(head: tuple[int, int, int, int], index: int, destination: Network, via: str | None) -> bytes:
    """Return the message of a change of a route; `head` is its table, protocol, scope and type."""
    table, *marks = head
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    # Tables above 255 fit only into the attribute.
    body = _ROUTE.pack(family, destination.prefixlen, 0, 0, table if table < 256 else 0, *marks, 0)
    if destination.prefixlen:
        body += _attribute(_RTA_DESTINATION, destination.network_address.packed)
    if via is not None:
        body += _attribute(_RTA_GATEWAY, ip_address(via).packed)
    return body + _attribute(_RTA_LINK, _NUMBER.pack(index)) + _attribute(_RTA_TABLE, _NUMBER.pack(table))


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
