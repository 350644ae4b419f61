"""The shell that the commands are typed in: real processes, with the environment's programs first on the path."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

# Longer than any single command takes; one that hangs must not hang the demo.
_SECONDS = 120.0


class Answer(Struct, frozen=True):
    """What a command said: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All of it, as a terminal shows it."""
        return self.out + self.err


class Terminal:
    """A command that goes on until `close`; its output can be read meanwhile."""

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._read = 0
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            env=environment,
            start_new_session=True,
        )

    def lines(self) -> list[str]:
        """Return the whole lines that were said since the last call."""
        said = os.pread(self._file.fileno(), 1 << 20, self._read)
        said = said[: said.rfind(b"\n") + 1]
        self._read += len(said)
        return said.decode(errors="replace").splitlines()

    def close(self) -> None:
        """End the command and everything that it started."""
        if self._file.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._file.close()


class Shell:
    """A shell whose environment stays from one command to the next."""

    def __init__(self, programs: Path, environment: Mapping[str, str]) -> None:
        """Look for programs in this directory first. OpenStack's variables are not taken over: they name a cloud."""
        kept = {key: value for key, value in environment.items() if not key.startswith("OS_")}
        # The clients write to a pipe, and so do not see how wide the terminal is.
        kept |= {"COLUMNS": str(shutil.get_terminal_size((120, 24)).columns)}
        self.environment = {**kept, "PATH": f"{programs}:{environment.get('PATH', '/usr/bin:/bin')}"}

    def type(self, command: str) -> Answer:
        """Run a command and return what it said."""
        done = subprocess.run(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=self.environment,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def source(self, command: str) -> Answer:
        """Run a command that changes the environment of the following ones."""
        answer = self.type(f"set -e\n{command}\nenv -0")
        if answer.status != 0:
            return answer
        self.environment = dict(pair.split("=", 1) for pair in answer.out.split("\0") if pair)
        return Answer(0, "", answer.err)

    def open(self, command: str) -> Terminal:
        """Start a command that goes on."""
        return Terminal(command, self.environment)
