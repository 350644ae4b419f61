"""A private MariaDB for one run: Debian's programs, a directory, a Unix socket and no network."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stand import until

# The account for the server: only the package mariadb-server, which is not needed otherwise, makes `mysql`.
_ACCOUNT = "root"
_NAME = "octavia"


class MariaDb:
    """A running server with one empty database, as durable as Debian's settings make it."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "socket"
        self.url = f"mysql+pymysql://root@localhost/{_NAME}?unix_socket={self.socket}"

    def say(self, *statements: str, database: str = _NAME) -> None:
        """Run statements. Raises CalledProcessError."""
        command = ["mariadb", "--no-defaults", "--user=root", f"--socket={self.socket}", database]
        subprocess.run(command, input=";\n".join(statements).encode(), check=True, capture_output=True)

    def answers(self) -> bool:
        """Return True when the server answers."""
        try:
            self.say("SELECT 1", database="mysql")
        except subprocess.CalledProcessError:
            return False
        return True


@contextmanager
def serving(directory: Path) -> Iterator[MariaDb]:
    """Run a server in a new directory for the block."""
    directory.mkdir()
    data = directory / "data"
    made = ["--no-defaults", f"--datadir={data}", f"--user={_ACCOUNT}", "--auth-root-authentication-method=normal"]
    subprocess.run(["mariadb-install-db", *made], check=True, capture_output=True, cwd=directory)
    server = MariaDb(directory)
    command = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--user={_ACCOUNT}", f"--socket={server.socket}"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--skip-networking"], stdout=log, stderr=log, cwd=directory)
    try:
        until(server.answers, 30, pause=0.1)
        server.say(f"CREATE DATABASE {_NAME}", database="mysql")
        yield server
    finally:
        process.terminate()
        process.wait(30)
