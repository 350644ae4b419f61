"""The directory that an amphora's HAProxy has as its root: nothing is in it but sockets that lead out."""

import contextlib
import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from hydria.adapters.linux.events import EventSocket
from hydria.adapters.linux.libc import call, libc
from hydria.adapters.linux.prometheus_socket import PrometheusSocket
from hydria.files import make_directory
from hydria.render.haproxy.parts import EVENTS, METRICS, ROOT, SYSLOG

_MS_BIND = 0x1000
_MNT_DETACH = 2


class Jail:
    """The root of one amphora's HAProxy, root's own, which HAProxy can enter and not write to.

    Its sockets are this amphora's alone: what comes in by them needs no name, and nobody can ask in another's.
    """

    def __init__(
        self, directory: Path, syslog: Path | None, told: Callable[[], None], numbers: Callable[[], Awaitable[bytes]]
    ) -> None:
        """`told` is called when HAProxy said something, `numbers` returns what a scrape is answered with."""
        self._root = directory / ROOT
        self._syslog = syslog
        self._events = EventSocket(_inside(self._root, EVENTS), told)
        self._scrapes = PrometheusSocket(_inside(self._root, METRICS), numbers)

    async def open(self, gid: int) -> None:
        """Make it, its sockets open to a group; what is there already stays."""
        make_directory(self._root, 0o711)
        self._events.open(gid)
        await self._scrapes.open(gid)
        self.refresh()

    @property
    def drifted(self) -> bool:
        """Whether somebody removed a socket that this listens on."""
        return self._events.lost or self._scrapes.lost

    def refresh(self) -> None:
        """Bring the syslog socket in, again when its program has made another."""
        target = _inside(self._root, SYSLOG)
        if self._syslog is None or not self._root.exists():
            _unmount(target)
            return
        with contextlib.suppress(FileNotFoundError):
            wanted = os.stat(self._syslog)
            if target.exists() and os.path.samestat(wanted, os.stat(target)):
                return
            _unmount(target)
            target.touch(mode=0o600)
            source = os.path.realpath(self._syslog)
            call(libc.mount, source.encode(), str(target).encode(), None, _MS_BIND, None)

    def close(self) -> None:
        """Close the sockets; whoever comes next opens them again."""
        self._events.close()
        self._scrapes.close()


def release(directory: Path) -> None:
    """Take out of an amphora's directory what would keep it from being removed."""
    _unmount(_inside(directory / ROOT, SYSLOG))


def _inside(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _unmount(target: Path) -> None:
    if not os.path.lexists(target):
        return
    with contextlib.suppress(FileNotFoundError):
        try:
            # Several, where an agent was cut off.
            while True:
                call(libc.umount2, str(target).encode(), _MNT_DETACH)
        except OSError as error:
            # It is a plain file.
            if error.errno != errno.EINVAL:
                raise
        target.unlink()
