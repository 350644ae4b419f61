"""Events of amphorae: HAProxy's log lines about health, on datagram sockets, and the ends of processes."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from hydria.adapters.linux.processes import Process

# The most lines of one amphora that are read before it is another's turn.
_AT_ONCE = 64


class Events:
    """Collects the ids of amphorae that had an event."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        # The descriptors of processes by amphora and kind.
        self._watched: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Watch nothing more."""
        for amphora_id, kind in list(self._watched):
            self.unwatch(amphora_id, kind)

    def add(self, amphora_id: str) -> None:
        """Add an event of an amphora."""
        self._changed[amphora_id] = None
        self._woken.set()

    def watch(self, amphora_id: str, process: Process, kind: str = "haproxy") -> None:
        """Add an event when this process ends; the one of its kind that was watched before is watched no more."""
        self.unwatch(amphora_id, kind)
        pidfd = os.dup(process.pidfd)
        self._watched[amphora_id, kind] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._ended, amphora_id, kind)

    def unwatch(self, amphora_id: str, kind: str = "haproxy") -> None:
        """Stop watching an amphora's process of a kind."""
        pidfd = self._watched.pop((amphora_id, kind), None)
        if pidfd is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)

    def _ended(self, amphora_id: str, kind: str) -> None:
        self.unwatch(amphora_id, kind)
        self.add(amphora_id)

    async def next(self) -> str:
        """Wait for an event; return the amphora's id."""
        while not self._changed:
            self._woken.clear()
            await self._woken.wait()
        amphora_id = next(iter(self._changed))
        del self._changed[amphora_id]
        return amphora_id


class EventSocket:
    """One amphora's socket: HAProxy writes a line to it when the health of a member changes."""

    def __init__(self, path: Path, on_event: Callable[[], None]) -> None:
        self._path = path
        self._on_event = on_event
        self._socket: socket.socket | None = None
        self._inode = 0

    @property
    def lost(self) -> bool:
        """Whether another file, or none, is at the path now."""
        return self._socket is not None and inode(self._path) != self._inode

    def open(self, gid: int) -> None:
        """Listen, open to a group; a socket that an earlier agent left is replaced."""
        if self._socket is not None and inode(self._path) == self._inode:
            return
        self.close()
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._path))
        open_to(self._path, gid)
        self._inode = inode(self._path)
        asyncio.get_running_loop().add_reader(self._socket, self._receive, self._socket)

    def close(self) -> None:
        """Stop listening, and remove the socket."""
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)

    def _receive(self, source: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                source.recv(1)
        self._on_event()


def inode(path: Path) -> int:
    """Return the inode of the file at a path; 0 when there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def open_to(path: Path, gid: int) -> None:
    """Let only the owner and a group write to a socket."""
    os.chown(path, -1, gid)
    os.chmod(path, 0o620)
