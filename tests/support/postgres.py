"""A private PostgreSQL of one test run: Debian's programs, a temporary directory, a Unix socket and no network."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from hydria.store import Database, metadata

# The account of Debian's package: PostgreSQL refuses to run as root.
_ACCOUNT = "postgres"
_START_SECONDS = 60


class Missing(Exception):
    """There is no PostgreSQL on this machine; the message says what to do."""


class Postgres:
    """A running server, which makes a new database on each request."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        self._ready: str | None = None

    def empty(self) -> str:
        """Make a database without tables and return its SQLAlchemy URL."""
        name = f"hydria_{next(self._numbers)}"
        self.say(f'CREATE DATABASE "{name}" TEMPLATE template0')
        # The socket's directory is in the query, because it has slashes.
        return f"postgresql://hydria@/{name}?host={self._directory}"

    def ready(self) -> str:
        """Return the SQLAlchemy URL of a database with all tables and no rows, for one test at a time."""
        if self._ready is None:
            self._ready = self.empty()
            database = Database(self._ready)
            database.with_connection(metadata.create_all)
            database.close()
        # One statement over one connection: this is done before each test.
        deletions = (f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))  # noqa: S608 - names of our own tables
        self.say("; ".join(deletions), database=make_url(self._ready).database)
        return self._ready

    def drop(self, url: str) -> None:
        """Remove a database, even if it is in use."""
        self.say(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def pids(self) -> list[int]:
        """Return the ids of its processes: the first one, and one for each connection and task."""
        first = int((self._directory / "data/postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def cut(self) -> None:
        """Terminate all connections at once."""
        self.say(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
        )

    def say(self, statement: str, database: str | None = None) -> None:
        """Run a statement, outside of any database of a test unless one is named."""
        # In a thread, because the caller's thread may run an event loop already.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._say(statement, database or "postgres")).result()

    async def _say(self, statement: str, database: str) -> None:
        connection = await asyncpg.connect(host=str(self._directory), user="hydria", database=database)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.say("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}") from None
                time.sleep(0.05)
            else:
                return


def programs() -> Path:
    """Return the directory of Debian's PostgreSQL programs, the newest. Raises Missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise Missing("PostgreSQL is not installed: ./dev test installs it, or: apt-get install postgresql")
    return found[-1].parent


@contextmanager
def serving(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a server for the block; a `durable` one waits for the disk, as in production. Raises Missing."""
    here = programs()
    directory = Path(tempfile.mkdtemp(prefix="hydria-postgres-"))
    try:
        account = []
        if os.geteuid() == 0:
            shutil.chown(directory, _ACCOUNT, _ACCOUNT)
            account = ["--reuid", _ACCOUNT, "--regid", _ACCOUNT, "--clear-groups"]
        # The server ends with the tests, even when they are killed.
        begin = ["setpriv", *account, "--pdeathsig", "INT"]
        data = directory / "data"
        made = ["--auth=trust", "--username=hydria", "--encoding=UTF8", "--no-locale", "--no-sync"]
        subprocess.run([*begin, here / "initdb", "-D", data, *made], check=True, capture_output=True, cwd=directory)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "fsync": "on" if durable else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = directory / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*begin, here / "postgres", "-D", data, *options], stdout=out, stderr=out, cwd=directory
            )
        try:
            server = Postgres(directory)
            server.wait(process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
