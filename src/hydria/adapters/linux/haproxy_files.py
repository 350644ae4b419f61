"""The files of one amphora's HAProxy.

`haproxy.cfg` is the running configuration, `candidate.cfg` that of a change in progress, `changing` exists while the
two may differ; `tls` has certificates and keys, which only root can read.
"""

import contextlib
import errno
from collections.abc import Mapping
from pathlib import Path

from hydria.files import has, make_directory, write_private
from hydria.render.haproxy import Rendering
from hydria.render.haproxy.tls import FOLDER

_FULL = (errno.ENOSPC, errno.EDQUOT)


class HaproxyFiles:
    """The paths of the files, and how they are written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.configuration = directory / "haproxy.cfg"
        self.candidate = directory / "candidate.cfg"
        self.changing = directory / "changing"
        self.number = directory / "haproxy.pid"
        self.candidate_number = directory / "candidate.pid"
        self.states = directory / "servers.state"

    def propose(self, rendering: Rendering, states: str) -> None:
        """Write the files that a new process reads; `states` is a server-state file's content.

        On a full disk, a file with the same text of the process before is used.
        """
        try:
            self.changing.touch()
            write_private(self.states, states.encode())
            self.write(rendering.files)
            write_private(self.candidate, rendering.text.encode())
        except OSError as error:
            if error.errno not in _FULL or not _all_there(rendering.files):
                raise
            there = next(
                (each for each in (self.candidate, self.configuration) if has(each, rendering.text.encode())), None
            )
            if there is None:
                raise
            there.rename(self.candidate)

    def accept(self, pid: int, *, numbered: bool) -> None:
        """Make the candidate the running configuration; `numbered` says that its process has written its pid file."""
        try:
            if not numbered:
                write_private(self.candidate_number, f"{pid}\n".encode())
            self.candidate_number.rename(self.number)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._overwrite_number(pid)
        self.candidate.rename(self.configuration)

    def _overwrite_number(self, pid: int) -> None:
        # The existing file has room for it. Without it, a restarted agent finds a process that no file names.
        with contextlib.suppress(OSError), self.number.open("r+") as file:
            file.write(f"{pid}\n")
            file.truncate()

    def write(self, files: Mapping[str, str]) -> None:
        """Write certificates, keys and lists by their paths."""
        if files:
            make_directory(self.directory / FOLDER)
        for path, content in files.items():
            write_private(Path(path), content.encode())

    def remove_others(self, files: Mapping[str, str]) -> None:
        """Remove the files of earlier configurations."""
        with contextlib.suppress(FileNotFoundError):
            for file in (self.directory / FOLDER).iterdir():
                if str(file) not in files:
                    file.unlink()

    def restore(self, rendering: Rendering, pid: int) -> None:
        """Restore the files of the running configuration that somebody else removed or changed."""
        files = {**rendering.files, str(self.configuration): rendering.text, str(self.number): f"{pid}\n"}
        for path, content in files.items():
            if not has(Path(path), content.encode()):
                make_directory(Path(path).parent)
                write_private(Path(path), content.encode())


def _all_there(files: Mapping[str, str]) -> bool:
    return all(has(Path(path), content.encode()) for path, content in files.items())
