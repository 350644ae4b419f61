"""Whether a HAProxy that runs can still serve: looked at from outside, so that a look costs a few system calls."""

import os
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.processes import Process
from hydria.render.haproxy.parts import ROOT

# A process that left so many questions in a row without an answer is replaced.
_UNANSWERED = 2


class Vitals:
    """What is known of the process that serves one amphora."""

    def __init__(self, directory: Path, namespace_path: str) -> None:
        self._namespace_path = namespace_path
        self._socket = directory / "haproxy.sock"
        self._root = directory / ROOT
        self._socket_was: int | None = None
        self._files = (directory / "haproxy.cfg", directory / "haproxy.pid")
        self._files_were: tuple[object, ...] = ()
        self._unanswered = 0

    def begin(self) -> None:
        """Take what is there now for what must stay: a process was started or found."""
        self._socket_was = _inode(self._socket)
        self._unanswered = 0
        self.written()

    def written(self) -> None:
        """Take the files as they are now for right."""
        self._files_were = tuple(map(_signature, self._files))

    def answered(self, well: bool) -> None:
        """Count questions on the runtime socket."""
        self._unanswered = 0 if well else self._unanswered + 1

    def hopeless(self, process: Process) -> "Hopeless | None":
        """Say why a process can neither be asked nor hand its sockets over, or return None."""
        if process.stopped:
            return Hopeless(reason="HAProxy is stopped.", serves=False)
        if process.network != _inode(Path(self._namespace_path)):
            return Hopeless(reason="HAProxy is not in the network namespace of the amphora.", serves=False)
        if self._unanswered >= _UNANSWERED:
            return Hopeless(reason="HAProxy does not answer on its runtime socket.", serves=False)
        if self._socket_was != _inode(self._socket):
            return Hopeless(reason="HAProxy's runtime socket is gone.", serves=True)
        # One that was only just started has the machine's root for a moment.
        if process.root not in (_inode(self._root), _inode(Path("/"))):
            return Hopeless(reason="HAProxy's root directory is gone.", serves=True)
        return None

    def altered(self) -> bool:
        """Say whether somebody changed the files beside the process since they were written."""
        return self._files_were != tuple(map(_signature, self._files))


class Hopeless(Struct, frozen=True, kw_only=True):
    """Why a process must be replaced by one that is started anew. One that still `serves` may finish connections."""

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
