"""Notifications of the kernel about links, addresses, routes, rules and queues of a network namespace.

A waiting socket costs nothing, so that an idle amphora needs no polling for these.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator

from hydria.adapters.linux.netns import inside, namespace_path
from hydria.adapters.linux.rtnetlink import HEADER, each_attribute, messages
from hydria.errors import HostError

# <linux/rtnetlink.h>, RTNLGRP_*: links, queues, addresses, routes and rules of IPv4 and IPv6, and their sysctls.
_GROUPS = (1, 4, 5, 7, 8, 9, 11, 19, 24, 25)
_LINKS = (1, 4)

_NEW_LINK, _DELETED_LINK, _DUMP_LINKS = 16, 17, 18
_NEW_QUEUE, _DELETED_QUEUE = 36, 37
_REQUEST_DUMP = 0x301
# The position of the link's index in both kinds of message; a link's attributes follow its header.
_INDEX = struct.Struct("=4xi")
_LINK_SIZE, _NAME = 16, 3

_RECEIVE = 1 << 18


class NamespaceWatch:
    """The notifications of one namespace. `on_change` is called for each batch of changes."""

    def __init__(self, namespace: str, on_change: Callable[[], None]) -> None:
        self._namespace = namespace
        self._on_change = on_change
        self._socket: socket.socket | None = None
        # The inode of the watched namespace, which may have lost its name since.
        self.place: int | None = None

    @property
    def moved(self) -> bool:
        """Whether another namespace, or none, has the name now."""
        return self.place != place_of(self._namespace)

    def watch(self) -> None:
        """Watch the namespace that has the name now. Raises HostError."""
        if self._socket is not None and not self.moved:
            return
        self.close()
        self.place = place_of(self._namespace)
        if self.place is not None:
            self._socket = _subscribed(self._namespace, _GROUPS)
            asyncio.get_running_loop().add_reader(self._socket, self._receive, self._socket)

    def close(self) -> None:
        """Stop watching."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        self.place = None

    def _receive(self, source: socket.socket) -> None:
        for _ in _messages(source):
            pass
        self._on_change()


class SwitchWatch:
    """The notifications of the switch. `on_change` gets the name of each changed link, and whether it is gone."""

    def __init__(self, namespace: str, on_change: Callable[[str, bool], None]) -> None:
        self._namespace = namespace
        self._on_change = on_change
        self._socket: socket.socket | None = None
        self._place: int | None = None
        self._names: dict[int, str] = {}

    def watch(self) -> bool:
        """Watch the present switch; return whether it is another one than before. Raises HostError."""
        place = place_of(self._namespace)
        if place == self._place:
            return False
        before = self._place
        self.close()
        if place is not None:
            self._socket = _subscribed(self._namespace, _LINKS)
            self._socket.send(HEADER.pack(HEADER.size + _LINK_SIZE, _DUMP_LINKS, _REQUEST_DUMP, 1, 0) + bytes(16))
            asyncio.get_running_loop().add_reader(self._socket, self._receive, self._socket)
        self._place = place
        return before is not None

    def close(self) -> None:
        """Stop watching."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        self._place = None
        self._names.clear()

    def _receive(self, source: socket.socket) -> None:
        for kind, body in _messages(source):
            if kind not in (_NEW_LINK, _DELETED_LINK, _NEW_QUEUE, _DELETED_QUEUE):
                continue
            (index,) = _INDEX.unpack_from(body)
            if kind == _NEW_LINK:
                self._names[index] = _name(body) or self._names.get(index, "")
            name = self._names.get(index) or (_name(body) if kind == _DELETED_LINK else None)
            if kind == _DELETED_LINK:
                self._names.pop(index, None)
            if name:
                self._on_change(name, kind == _DELETED_LINK)


def place_of(namespace: str) -> int | None:
    """Return the inode of the namespace that has a name; None when there is none."""
    try:
        return os.stat(namespace_path(namespace)).st_ino
    except OSError:
        return None


def _subscribed(namespace: str, groups: tuple[int, ...]) -> socket.socket:
    with inside(namespace):
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    try:
        made.bind((0, sum(1 << (group - 1) for group in groups)))
    except OSError as error:
        made.close()
        raise HostError(f"The network namespace {namespace} cannot be watched: {error.strerror}.") from None
    return made


def _messages(source: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of all messages that have arrived; an empty message stands for lost ones."""
    while True:
        try:
            data = source.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            # Messages were lost for want of room.
            yield 0, b""
            continue
        yield from ((kind, body) for kind, _, _, body in messages(data))


def _name(body: bytes) -> str | None:
    """Return the name of a message's link, if the message has it."""
    # It is the first of about fifty attributes, and thousands of messages come after a reboot.
    name = next((content for kind, content in each_attribute(body, _LINK_SIZE) if kind == _NAME), None)
    return None if name is None else name.rstrip(b"\0").decode(errors="replace")
