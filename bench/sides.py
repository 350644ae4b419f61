"""The servers whose API is compared, each with the same load balancers: Hydria's and the real Octavia."""

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Update, update

import mariadb
from hydria.model import LoadBalancer
from hydria.store import Database, columns
from hydria.store.resources import KnownHost
from hydria.store.tables import rows_of
from memory import pss
from rest import Refused, Rest
from stand import LB, PORT, Stand, directory, until

ROOT = Path(__file__).resolve().parent.parent
_OCTAVIA_PORT = PORT + 2
_WORKERS, _THREADS = 2, 4
_TABLES = ("load_balancer", "listener", "pool", "member")

Act = Callable[[Rest, int], object]


class Side:
    """One server. `settle` finishes pending changes, for a server that refuses calls to pending resources."""

    def __init__(self, name: str, port: int, path: str, subnet_id: str) -> None:
        self.name = name
        self.port = port
        self.path = path
        self.subnet_id = subnet_id
        self.headers: dict[str, str] = {}
        self.settle: Callable[[], None] = lambda: None
        self.pids: Callable[[], list[int]] = list

    @property
    def arguments(self) -> tuple[str, ...]:
        """wrk's arguments for authentication."""
        return tuple(part for name, value in self.headers.items() for part in ("-H", f"{name}: {value}"))

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{self.path}{path}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one call on a new connection."""
        rest = Rest("127.0.0.1", self.port)
        try:
            return rest.call(method, self.path + path, body, self.headers)
        finally:
            rest.close()

    def memory(self) -> float:
        """Return the proportional set size of all its processes, without the database's (MB)."""
        return sum(map(pss, self.pids()))

    def each(self, act: Act, count: int, clients: int = 2) -> float:
        """Call `act` for each number below `count`, some at once; return calls a second. Raises what `act` raises."""
        numbers, failures = iter(range(count)), list[Exception]()
        turn = threading.Lock()

        def work() -> None:
            rest = Rest("127.0.0.1", self.port)
            try:
                while not failures:
                    with turn:
                        number = next(numbers, None)
                    if number is None:
                        return
                    act(rest, number)
            except Exception as error:
                failures.append(error)
            finally:
                rest.close()

        threads = [threading.Thread(target=work) for _ in range(clients)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise RuntimeError(f"{self.name}: {failures[0]}") from failures[0]
        return count / (time.perf_counter() - begun)

    def call_on(self, rest: Rest, method: str, path: str, body: Any = None) -> Any:
        """Send one call on an existing connection."""
        return rest.call(method, self.path + path, body, self.headers)

    def tree(self, rest: Rest, name: str) -> dict[str, Any]:
        """Create a load balancer with listener, pool and two members in one call."""
        members = [
            {"address": f"10.0.0.{number}", "protocol_port": 80, "subnet_id": self.subnet_id} for number in (11, 12)
        ]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"name": "listener", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        form = {"name": name, "vip_subnet_id": self.subnet_id, "listeners": [listener]}
        made = self.call_on(rest, "POST", "/loadbalancers", {"loadbalancer": form})["loadbalancer"]
        return {"id": made["id"], "pool": made["pools"][0]["id"]}


@contextmanager
def hydria(name: str, port: int, database: str | None = None) -> Iterator[Side]:
    """Run Hydria's server without an agent; it knows a host that serves nothing."""
    with directory() as place:
        stand = Stand(place, database, port)
        with stand.server() as process:
            side = Side(name, port, LB, stand.subnet_id)
            side.headers = {"x-auth-token": stand.rest.token}
            side.pids = lambda: [process.pid]
            stand.make_host()
            address = database or f"sqlite:///{place}/state/hydria.db"
            # The host does not poll, because it would get all instances. It counts as alive for a day.
            _say(address, update(rows_of(KnownHost).table).values(seen_at=int(time.time()) + 86400))
            c = columns(LoadBalancer)
            # As its report would do.
            served = update(rows_of(LoadBalancer).table).where(c.deleted_in.is_(None)).values(observed=c.generation)
            side.settle = lambda: _say(address, served)
            yield side


def _say(url: str, statement: Update) -> None:
    """Change the database as a host's report would."""
    database = Database(url)
    try:
        database.transact(lambda transaction: transaction.execute(statement))
    finally:
        database.close()


@contextmanager
def octavia(environment: Path) -> Iterator[Side]:
    """Run the real Octavia on MariaDB under gunicorn, without Keystone and with noop drivers: only its API works."""
    with directory() as place, mariadb.serving(place / "mariadb") as database:
        environ = {**os.environ, "OCTAVIA_CONF": str(place / "octavia.conf"), "PYTHONPATH": str(ROOT)}
        python = str(environment / "bin/python")
        schema = [python, str(ROOT / "compare/octavia/schema.py"), str(place), database.url]
        subprocess.run(schema, check=True, env=environ, capture_output=True)
        command = [python, "-m", "gunicorn", "--bind", f"127.0.0.1:{_OCTAVIA_PORT}", "compare.octavia.app:application"]
        options = ["--workers", str(_WORKERS), "--threads", str(_THREADS), "--timeout", "120"]
        side = Side("Octavia", _OCTAVIA_PORT, "/v2.0/lbaas", str(uuid.uuid4()))
        side.headers = {"X-Project-Id": uuid.uuid4().hex, "X-User-Id": "bench", "X-Roles": "admin,member,reader"}
        side.settle = lambda: database.say(*_settling())
        with (place / "log").open("wb") as log:
            process = subprocess.Popen([*command, *options], env=environ, stdout=log, stderr=log)
        side.pids = lambda: [process.pid, *_children(process.pid)]
        try:
            until(lambda: _answers(side), 60, pause=0.2)
            yield side
        finally:
            process.terminate()
            process.wait(30)


def _settling() -> Iterator[str]:
    """Return the statements for what Octavia's workers would have done."""
    yield "DELETE FROM member WHERE provisioning_status = 'PENDING_DELETE'"
    for table in _TABLES:
        yield f"UPDATE {table} SET provisioning_status = 'DELETED' WHERE provisioning_status = 'PENDING_DELETE'"  # noqa: S608
        yield f"UPDATE {table} SET provisioning_status = 'ACTIVE' WHERE provisioning_status LIKE 'PENDING%'"  # noqa: S608


def _answers(side: Side) -> bool:
    try:
        side.call("GET", "/loadbalancers?limit=1")
    except (OSError, Refused):
        return False
    return True


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
