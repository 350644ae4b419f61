"""State changes as they happen: HAProxy's log lines on a datagram socket, and the ends of processes."""

import asyncio
import contextlib
import os
import re
import socket
from pathlib import Path

from hydria.adapters.linux.processes import Process

# The log tag is the amphora's id.
_TAG = re.compile(rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\[\d+\]:")


class Events:
    """Gathers the ids of amphorae to which something happened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changed: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._socket: socket.socket | None = None
        self._watched: dict[str, int] = {}

    async def open(self) -> None:
        """Listen; a socket that a dead agent left is replaced."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self.path))
        asyncio.get_running_loop().add_reader(self._socket, self._receive, self._socket)
        # HAProxy has dropped its privileges when it writes.
        os.chmod(self.path, 0o622)  # noqa: S103

    def close(self) -> None:
        """Listen no more."""
        for amphora_id in list(self._watched):
            self.unwatch(amphora_id)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self.path.unlink(missing_ok=True)

    def _receive(self, source: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                tag = _TAG.search(source.recv(2048))
                if tag is not None:
                    self.add(tag[1].decode())

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
