"""A web server of the lab: an nginx in a namespace, which is found by its working directory."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hydria.adapters.linux.netns import inside
from hydria.adapters.linux.processes import Process, hold, hold_all
from hydria.errors import HostError
from hydria.files import has, make_directory, write_private

_SECONDS = 10.0
_PAUSE = 0.02

_CONFIGURATION = """\
pid nginx.pid;
error_log error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 80;
        default_type text/plain;
        location / {{ return {status} "{text}\\n"; }}
    }}
}}
"""


class WebServer:
    """nginx in a namespace, which answers each request with one line: `you hit: NAME`."""

    def __init__(self, name: str, namespace: str, run_dir: Path) -> None:
        self.name = name
        self._namespace = namespace
        self._directory = _lab(run_dir) / name

    def start(self) -> None:
        """Start nginx or replace its configuration, so that it answers `you hit: NAME` with 200. Raises HostError."""
        self._answer(200, f"you hit: {self.name}")

    def fail(self) -> None:
        """Make nginx answer each request with 500. Raises HostError."""
        self._answer(500, f"{self.name} is broken")

    def stop(self) -> None:
        """End nginx and its workers, if there are any. Raises HostError."""
        _end(self._directory)

    def remove(self) -> None:
        """End nginx and delete its files. Raises HostError."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self, status: int, text: str) -> None:
        make_directory(self._directory)
        file, wanted = self._directory / "nginx.conf", _CONFIGURATION.format(status=status, text=text)
        if not (self._runs() and has(file, wanted.encode())):
            # A restart instead of a reload: after a reload the old worker answers for a while.
            self.stop()
            write_private(file, wanted.encode())
            self._begin()
        self._await(status, f"{text}\n")

    def _begin(self) -> None:
        failure = f"nginx of {self.name} does not start"
        command = ["nginx", "-p", f"{self._directory}/", "-c", "nginx.conf", "-e", "error.log"]
        with inside(self._namespace):
            try:
                # nginx becomes a daemon, and `run` reaps its parent. A pipe for the output would stay open for ever.
                done = subprocess.run(
                    command,
                    cwd=self._directory,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
            except FileNotFoundError:
                raise HostError(f"{failure}: the program is missing. Install the package nginx-light.") from None
        if done.returncode != 0:
            raise HostError(f"{failure}: {_last_line(self._directory / 'error.log')}")

    def _runs(self) -> bool:
        """Return True when nginx's master runs: workers without a master hold the port but cannot be controlled."""
        try:
            pid = int((self._directory / "nginx.pid").read_text())
        except (OSError, ValueError):
            return False
        master = _nginx(pid, self._directory)
        return master is not None and _closed(master)

    def _await(self, status: int, body: str) -> None:
        """Wait until nginx answers so: a worker starts a moment after its master."""
        deadline = time.monotonic() + _SECONDS
        while (seen := self._ask()) != (status, body):
            if time.monotonic() > deadline:
                raise HostError(f"nginx of {self.name} should answer {status}, but the answer is {seen!r}.")
            time.sleep(_PAUSE)

    def _ask(self) -> tuple[int, str] | str:
        connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=_SECONDS)
        try:
            with inside(self._namespace):
                connection.sock = socket.create_connection(("127.0.0.1", 80), timeout=_SECONDS)
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return str(error)
        finally:
            connection.close()


def end_all(run_dir: Path) -> None:
    """End all web servers of the lab of this run directory, also those that a crash left. Raises HostError."""
    _end(_lab(run_dir))


def _lab(run_dir: Path) -> Path:
    return run_dir / "lab"


def _end(directory: Path) -> None:
    """Send SIGTERM, then SIGKILL, to each nginx whose working directory is in or below the directory."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        processes = list(_processes(directory))
        for process in processes:
            process.signal(number)
        deadline = time.monotonic() + _SECONDS / 2
        left = [process for process in processes if not process.ended(max(0.0, deadline - time.monotonic()))]
        for process in processes:
            process.close()
        # A process may have been forked between the search and the signal.
        if not left and not any(_closed(process) for process in _processes(directory)):
            return
    raise HostError(f"nginx in {directory} does not end. See: ps -C nginx")


def _closed(process: Process) -> bool:
    process.close()
    return True


def _processes(directory: Path) -> Iterator[Process]:
    return hold_all(lambda pid: _works_in(pid, directory))


def _nginx(pid: int, directory: Path) -> Process | None:
    """Return the process with this id if it is an nginx whose working directory is in or below the directory."""
    return hold(pid, lambda number: _works_in(number, directory))


def _works_in(pid: int, directory: Path) -> bool:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        where = Path(os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)"))
    except OSError:
        return False
    return name == "nginx" and where.is_relative_to(directory.resolve())


def _last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return "no reason given"
