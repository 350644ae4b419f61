"""Whether a running HAProxy can still serve, as far as a few system calls show."""

import os
import shutil
import time
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.processes import Process
from hydria.render.haproxy.parts import ROOT

# A process is replaced after so many unanswered requests in a row.
_UNANSWERED = 2


class Vitals:
    """The last known state of the process that serves one amphora, and of its files."""

    def __init__(self, directory: Path, namespace_path: str, program: str) -> None:
        """`program` is HAProxy's, as execvp finds it."""
        # Text, because paths as objects cost more than the system calls.
        self._namespace_path = namespace_path
        self._program = program
        self._socket = str(directory / "haproxy.sock")
        self._root = str(directory / ROOT)
        self._socket_was: int | None = None
        self._files = (str(directory / "haproxy.cfg"), str(directory / "haproxy.pid"))
        self._files_were: tuple[object, ...] = ()
        self._unanswered = 0
        # The program's file when the process began; None when it was another one.
        self._installed: tuple[int, int] | None = None

    def begin(self, process: Process | None) -> None:
        """Remember the state after a process was started or adopted."""
        self._socket_was = _inode(self._socket)
        # The program may be a script that starts HAProxy, so only a file that is gone tells of an older one.
        gone = process is not None and process.program.endswith(" (deleted)")
        self._installed = None if gone else _installed(self._program)
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
        if process.network != _inode(self._namespace_path):
            return Unusable(reason="HAProxy is not in the network namespace of the amphora.", serves=False)
        if self._unanswered >= _UNANSWERED:
            return Unusable(reason="HAProxy does not answer on its runtime socket.", serves=False)
        if self._socket_was != _inode(self._socket):
            return Unusable(reason="HAProxy's runtime socket is gone.", serves=True)
        # A process has the machine's root for a moment after its start.
        if process.root not in (_inode(self._root), _inode("/")):
            return Unusable(reason="HAProxy's root directory is gone.", serves=True)
        return None

    @property
    def outdated(self) -> bool:
        """Whether another HAProxy was installed since the process began."""
        installed = _installed_lately(self._program, int(time.monotonic()))
        return installed is not None and installed != self._installed

    def pass_over(self) -> None:
        """Keep the process although another HAProxy is installed, until yet another one is."""
        self._installed = _installed(self._program)

    def drifted(self, process: Process) -> bool:
        """Say whether the process or its files are not as they should be."""
        return self.unusable(process) is not None or self.outdated or self.altered()

    def altered(self) -> bool:
        """Say whether somebody else changed the files since they were written."""
        return self._files_were != tuple(map(_signature, self._files))


class Unusable(Struct, frozen=True, kw_only=True):
    """Why a process must be replaced without handing its sockets over. If it `serves`, it may finish connections."""

    reason: str
    serves: bool


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


@lru_cache(maxsize=8)
def _installed_lately(program: str, second: int) -> tuple[int, int] | None:
    """Return what `_installed` does, looked up once in a second for all amphorae."""
    del second
    return _installed(program)


def _installed(program: str) -> tuple[int, int] | None:
    """Return the identity of a program's file, or None when there is none, as in the middle of an upgrade."""
    path = shutil.which(program)
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def _signature(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
