"""The shell for the commands: real processes, with the environment's programs first on the path."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

# Longer than any single command takes, so that a command that hangs ends.
_SECONDS = 120.0


class Answer(Struct, frozen=True):
    """The result of a command: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """The output as a terminal shows it."""
        return self.out + self.err


class Terminal:
    """A command that runs until `close`; its output can be read meanwhile."""

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
        """Return the complete lines since the last call."""
        output = os.pread(self._file.fileno(), 1 << 20, self._read)
        output = output[: output.rfind(b"\n") + 1]
        self._read += len(output)
        return output.decode(errors="replace").splitlines()

    def close(self) -> None:
        """End the command and its child processes."""
        if self._file.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._file.close()


class Shell:
    """A shell whose environment stays from one command to the next."""

    def __init__(self, programs: Path, environment: Mapping[str, str]) -> None:
        """`programs` is first on the path. Variables of OpenStack are left out: they would name another cloud."""
        kept = {key: value for key, value in environment.items() if not key.startswith("OS_")}
        # The clients write to a pipe, and so do not know the width of the terminal.
        kept |= {"COLUMNS": str(shutil.get_terminal_size((120, 24)).columns)}
        self.environment = {**kept, "PATH": f"{programs}:{environment.get('PATH', '/usr/bin:/bin')}"}

    def type(self, command: str) -> Answer:
        """Run a command and return its result."""
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
        """Start a command that goes on running."""
        return Terminal(command, self.environment)
