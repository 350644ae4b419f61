"""Whether a running HAProxy can still serve, as far as a few system calls show."""

import os
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.processes import Process
from hydria.render.haproxy.parts import ROOT

# A process is replaced after so many unanswered requests in a row.
_UNANSWERED = 2


class Vitals:
    """The last known state of the process that serves one amphora, and of its files."""

    def __init__(self, directory: Path, namespace_path: str) -> None:
        self._namespace_path = namespace_path
        self._socket = directory / "haproxy.sock"
        self._root = directory / ROOT
        self._socket_was: int | None = None
        self._files = (directory / "haproxy.cfg", directory / "haproxy.pid")
        self._files_were: tuple[object, ...] = ()
        self._unanswered = 0

    def begin(self) -> None:
        """Remember the state after a process was started or adopted."""
        self._socket_was = _inode(self._socket)
        self._unanswered = 0
        self.written()

    def written(self) -> None:
        """Remember the state of the files after they were written."""
        self._files_were = tuple(map(_signature, self._files))

    def answered(self, well: bool) -> None:
        """Note whether a request on the runtime socket was answered."""
        self._unanswered = 0 if well else self._unanswered + 1

    def unusable(self, process: Process) -> "Unusable | None":
        """Return why a process can neither be asked nor hand its sockets over, or None."""
        if process.stopped:
            return Unusable(reason="HAProxy is stopped.", serves=False)
        if process.network != _inode(Path(self._namespace_path)):
            return Unusable(reason="HAProxy is not in the network namespace of the amphora.", serves=False)
        if self._unanswered >= _UNANSWERED:
            return Unusable(reason="HAProxy does not answer on its runtime socket.", serves=False)
        if self._socket_was != _inode(self._socket):
            return Unusable(reason="HAProxy's runtime socket is gone.", serves=True)
        # A process has the machine's root for a moment after its start.
        if process.root not in (_inode(self._root), _inode(Path("/"))):
            return Unusable(reason="HAProxy's root directory is gone.", serves=True)
        return None

    def altered(self) -> bool:
        """Say whether somebody else changed the files since they were written."""
        return self._files_were != tuple(map(_signature, self._files))


class Unusable(Struct, frozen=True, kw_only=True):
    """Why a process must be replaced without handing its sockets over. If it `serves`, it may finish connections."""

    reason: str
    serves: bool


def _inode(path: Path) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _signature(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
