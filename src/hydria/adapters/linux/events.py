"""State changes as they happen: HAProxy's log lines on datagram sockets, and the ends of processes."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from hydria.adapters.linux.processes import Process

# How many lines of one amphora are taken before others have their turn.
_AT_ONCE = 64


class Events:
    """Gathers the ids of amphorae to which something happened."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._watched: dict[str, int] = {}

    def close(self) -> None:
        """Watch nothing more."""
        for amphora_id in list(self._watched):
            self.unwatch(amphora_id)

    def add(self, amphora_id: str) -> None:
        """Say that something happened to an amphora."""
        self._changed[amphora_id] = None
        self._woken.set()

    def watch(self, amphora_id: str, process: Process) -> None:
        """Say so when this process ends, in the place of the one that was watched before."""
        self.unwatch(amphora_id)
        pidfd = os.dup(process.pidfd)
        self._watched[amphora_id] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._ended, amphora_id)

    def unwatch(self, amphora_id: str) -> None:
        """Watch an amphora's process no more."""
        pidfd = self._watched.pop(amphora_id, None)
        if pidfd is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)

    def _ended(self, amphora_id: str) -> None:
        self.unwatch(amphora_id)
        self.add(amphora_id)

    async def next(self) -> str:
        """Wait for an amphora to which something happened."""
        while not self._changed:
            self._woken.clear()
            await self._woken.wait()
        amphora_id = next(iter(self._changed))
        del self._changed[amphora_id]
        return amphora_id


class EventSocket:
    """One amphora's socket: HAProxy writes a line to it when the health of a member changes."""

    def __init__(self, path: Path, told: Callable[[], None]) -> None:
        self._path = path
        self._told = told
        self._socket: socket.socket | None = None
        self._inode = 0

    @property
    def lost(self) -> bool:
        """Whether it listens where nobody finds it."""
        return self._socket is not None and inode(self._path) != self._inode

    def open(self, gid: int) -> None:
        """Listen, open to a group; a socket that a dead agent left is replaced."""
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
        """Listen no more."""
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
        self._told()


def inode(path: Path) -> int:
    """Return what tells one file at a path from another; 0 when there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def open_to(path: Path, gid: int) -> None:
    """Let a group, which is not the owner, write to a socket, and nobody else."""
    os.chown(path, -1, gid)
    os.chmod(path, 0o620)
