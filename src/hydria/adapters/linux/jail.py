"""The root directory of an amphora's HAProxy, which contains only sockets to the agent and to syslog."""

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
    """The root directory of one amphora's HAProxy, which belongs to root and which HAProxy cannot write to.

    Its sockets are this amphora's alone, so that the messages need no name, and no amphora can use another's.
    """

    def __init__(
        self,
        directory: Path,
        syslog: Path | None,
        on_event: Callable[[], None],
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        """`on_event` is called when the health of a member changed, `metrics` returns the body for a scrape."""
        self._root = directory / ROOT
        self._syslog = syslog
        self._events = EventSocket(_inside(self._root, EVENTS), on_event)
        self._scrapes = PrometheusSocket(_inside(self._root, METRICS), metrics)

    async def open(self, gid: int, *, scraped: bool) -> None:
        """Make the directory and its sockets, open to a group; existing ones stay.

        `scraped` says whether there is a PROMETHEUS listener.
        """
        make_directory(self._root, 0o711)
        self._events.open(gid)
        if scraped:
            await self._scrapes.open(gid)
        else:
            self._scrapes.close()
        self.refresh()

    @property
    def drifted(self) -> bool:
        """Whether a socket was removed."""
        return self._events.lost or self._scrapes.lost

    def refresh(self) -> None:
        """Mount the syslog socket, again when its program has made another one."""
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
        """Close the sockets; the next agent opens them again."""
        self._events.close()
        self._scrapes.close()


def release(directory: Path) -> None:
    """Unmount the syslog socket, which would keep an amphora's directory from being removed."""
    _unmount(_inside(directory / ROOT, SYSLOG))


def _inside(root: Path, path: str) -> Path:
    return root / path.removeprefix("/")


def _unmount(target: Path) -> None:
    if not os.path.lexists(target):
        return
    with contextlib.suppress(FileNotFoundError):
        try:
            # There are several mounts after an interruption.
            while True:
                call(libc.umount2, str(target).encode(), _MNT_DETACH)
        except OSError as error:
            # It is a plain file, not a mount.
            if error.errno != errno.EINVAL:
                raise
        target.unlink()
