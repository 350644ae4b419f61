"""`hydria server` as a process, in noop mode unless a test wants hosts."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from hydria.compose.credentials import Credentials

_START_SECONDS = 60.0


class Served(Struct, frozen=True):
    """A running server: the first admin's credentials, its database's URL, and its settings in the environment."""

    credentials: Credentials
    database_url: str
    settings: dict[str, str]


@contextlib.contextmanager
def served(directory: Path, *, noop: bool = True) -> Iterator[Served]:
    """Run a server for the block, with its state in a directory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "STATE_DIR": str(directory / "state"),
        "RUN_DIR": str(directory / "run"),
        "SERVER_PORT": str(port),
        # Faster, and no test here needs durability.
        "DATABASE_SYNCHRONOUS": "normal",
    }
    settings = {f"HYDRIA_{name}": value for name, value in settings.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("HYDRIA_")}
    log = directory / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            # The server ends with the tests, even when they are killed.
            [sys.executable, "-m", "hydria.cli", "server", *(["--noop"] if noop else []), "--until-stdin-ends"],
            env=others | settings,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        )
    try:
        _wait(process, port, log)
        state = directory / "state"
        yield Served(Credentials.read(state / "clouds.yaml"), f"sqlite:///{state / 'hydria.db'}", settings)
    finally:
        process.kill()
        process.communicate()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server does not start: {log.read_text()}")
