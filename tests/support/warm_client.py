"""The stock client without the 1.5 s that its import takes: a process that has imported it forks for each command.

Each command is the client's own `main` in a process of its own, with its own arguments, environment and output.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from demo.shell import Answer, Shell

# The plugins that the client imports before any command.
_GROUPS = re.compile(r"openstack\.|cliff\.formatter\.|keystoneauth1\.plugin")
_SECONDS = 60.0
# The shell need not interpret such a command.
_PLAIN = re.compile(r"openstack [\w /.:=-]+")


class WarmShell(Shell):
    """A shell with the same environment, whose `openstack` starts at once. Close it after use."""

    def __init__(self, shell: Shell, directory: Path) -> None:
        self.environment = dict(shell.environment)
        self._socket = str(directory / "client.sock")
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._socket], env={**self.environment, "PYTHONPATH": path}
        )

    def type(self, command: str) -> Answer:
        """Run a command and return its result."""
        if not _PLAIN.fullmatch(command):
            return super().type(command)
        return self.openstack(*shlex.split(command)[1:])

    def openstack(self, *words: str, **variables: str | None) -> Answer:
        """Run the client with arguments and further variables (None: unset); return the result."""
        merged = {**self.environment, **variables}
        environment = {name: value for name, value in merged.items() if value is not None}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, self._connection() as connection:
            request = {"arguments": words, "environment": environment}
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [out.fileno(), err.fileno()])
            status = json.loads(connection.makefile().readline())
            out.seek(0)
            err.seek(0)
            return Answer(status, out.read().decode(), err.read().decode())

    def close(self) -> None:
        """End the forking process."""
        self._process.kill()
        self._process.wait()

    def _connection(self) -> socket.socket:
        deadline = time.monotonic() + _SECONDS
        while True:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(_SECONDS)
            try:
                connection.connect(self._socket)
            except OSError:
                connection.close()
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return connection


def _serve(path: str) -> None:
    from importlib import import_module  # noqa: PLC0415 - only in the process that forks

    shell: Any = import_module("openstackclient.shell")
    for entry in (each for found in distributions() for each in found.entry_points):
        if _GROUPS.match(entry.group):
            # Some plugins need packages that are not installed.
            with contextlib.suppress(Exception):
                import_module(entry.module)
    import_module("openstack.connection")
    # Every parser looks up the package of its command; the answer is cached.
    import_module("openstackclient.common.versions").ShowVersions(None, None).get_parser("versions show")
    # The kernel reaps the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(connection, shell.main)
            connection.close()


def _answer(connection: socket.socket, main: Any) -> None:
    """Run one command in this process, which ends with it."""
    status = 1
    try:
        received, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 2)
        while not received.endswith(b"\n"):
            received += connection.recv(1 << 16)
        request = json.loads(received)
        for number, descriptor in enumerate(descriptors, 1):
            os.dup2(descriptor, number)
        status = _run(main, request["arguments"], request["environment"])
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(f"{status}\n".encode())
    finally:
        os._exit(status)


def _run(main: Any, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    os.environ.clear()
    os.environ.update(environment)
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as ended:
        return int(ended.code or 0)


if __name__ == "__main__":
    _serve(sys.argv[1])
