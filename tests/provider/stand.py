"""The real Octavia with its driver agent beside a Hydria in noop mode, as processes on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from hydria.compose.credentials import Credentials
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".dev/octavia"
PROGRAM = ROOT / "compare/octavia/programs.py"

Body = dict[str, Any]
R = TypeVar("R")

# Seconds between two looks at Octavia.
_PAUSE = 0.15

_CONF = """\
[DEFAULT]
transport_url = fake:/
[database]
connection = sqlite:///{directory}/octavia.db?timeout=60
[oslo_messaging]
topic = octavia
[api_settings]
auth_strategy = noauth
bind_host = 127.0.0.1
healthcheck_enabled = True
allow_prometheus_listeners = True
enabled_provider_drivers = hydria: Hydria, noop_driver: nothing
default_provider_driver = hydria
[driver_agent]
status_socket_path = {directory}/status.sock
stats_socket_path = {directory}/stats.sock
get_socket_path = {directory}/get.sock
status_request_timeout = 1
stats_request_timeout = 1
get_request_timeout = 1
enabled_provider_agents = hydria
[controller_worker]
network_driver = network_noop_driver
[certificates]
cert_manager = noop_cert_manager
[service_auth]
auth_type = none
[hydria]
endpoint = {hydria}/load-balancer
octavia_endpoint = {octavia}
auth_type = password
auth_url = {hydria}/identity/v3
username = admin
password = {password}
project_name = admin
user_domain_id = default
project_domain_id = default
interval = 0.5
status_interval = 1
give_up_after = {give_up_after}
"""


class Program:
    """A process that can be stopped and started again; its output is in a file."""

    def __init__(self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self._command = list(command)
        self._environ = {**os.environ, **(environ or {})}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environ, start_new_session=True
            )

    def stop(self) -> None:
        """End the process and those that it started."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
        self._process = None

    def check(self) -> None:
        """Fail if the process has ended."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self._command} has ended:\n{self.log.read_text(errors='replace')[-4000:]}")


class Side:
    """One of the two APIs, as an admin uses it."""

    def __init__(self, http: httpx.Client, headers: Mapping[str, str]) -> None:
        self._http = http
        self._headers = dict(headers)

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self._http.request(method, f"/v2/lbaas/{path}", json=body, params=query, headers=self._headers)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Body:
        """Return the body of a call that must succeed."""
        answer = self.send(method, path, body, **query)
        assert answer.status_code < 300, f"{method} {path} {body}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def wait(self, condition: Callable[[], R | None], say: Callable[[], object]) -> R:
        """Wait until a condition of this side holds, and return what it returns. Octavia needs long for each look."""

        def looked() -> R | None:
            time.sleep(_PAUSE)
            return condition()

        return wait_until(looked, say=say)

    def show(self, path: str) -> Body:
        """Return a resource."""
        (found,) = self.call("GET", path).values()
        assert isinstance(found, dict)
        return found

    def find(self, path: str) -> Body | None:
        """Return a resource, or None."""
        answer = self.send("GET", path)
        return None if answer.status_code == 404 else next(iter(answer.json().values()))


class Stand:
    """Octavia's API, its driver agent and Hydria."""

    def __init__(self, directory: Path, *, give_up_after: float = 600.0) -> None:
        """`directory` must have a short path: it is for sockets, too."""
        self._directory = directory
        self.hydria_port, self.octavia_port = _free_port(), _free_port()
        self._give_up_after = give_up_after
        state = directory / "state"
        self.database_url = f"sqlite:///{state / 'hydria.db'}"
        environ = {
            "HYDRIA_STATE_DIR": str(state),
            "HYDRIA_RUN_DIR": str(directory / "run"),
            "HYDRIA_SERVER_PORT": str(self.hydria_port),
            "HYDRIA_DATABASE_SYNCHRONOUS": "normal",
        }
        python, conf = str(ENVIRONMENT / "bin/python"), str(directory / "octavia.conf")
        self.hydria_server = Program(
            [sys.executable, "-m", "hydria.cli", "server", "--noop", "--until-stdin-ends"],
            directory / "hydria.log",
            environ,
        )
        self.octavia_api = Program(
            [python, str(PROGRAM), "api", conf, str(self.octavia_port)], directory / "octavia-api.log"
        )
        self.agent = Program([python, str(PROGRAM), "agent", conf], directory / "octavia-agent.log")
        self._clients = [_client(self.hydria_port, "/load-balancer"), _client(self.octavia_port)]

    def start(self) -> None:
        """Start everything, and wait until it answers."""
        self.hydria_server.start()
        self.wait_for_hydria()
        self._log_in()
        self._write_conf()
        self.octavia_api.start()
        _wait_for_port(self.octavia_api, self.octavia_port)
        self.agent.start()

    def stop(self) -> None:
        for program in (self.agent, self.octavia_api, self.hydria_server):
            program.stop()
        for client in self._clients:
            client.close()

    def wait_for_hydria(self) -> None:
        _wait_for_port(self.hydria_server, self.hydria_port)

    def settled(self, key: str, *, status: str = "ACTIVE") -> Body:
        """Wait until Octavia shows a load balancer with a status, and return it."""

        def found() -> Body | None:
            body = self.octavia.show(f"loadbalancers/{key}")
            return body if body["provisioning_status"] == status else None

        return self.octavia.wait(found, self.logs)

    def wait_until_gone(self, path: str) -> None:
        """Wait until Octavia does not show a resource."""
        self.octavia.wait(lambda: self.octavia.find(path) is None, self.logs)

    def logs(self) -> str:
        """Return the ends of the logs, for a failure."""
        programs = (self.octavia_api, self.agent, self.hydria_server)
        return "\n".join(f"--- {each.log.name}\n{each.log.read_text(errors='replace')[-3000:]}" for each in programs)

    def _log_in(self) -> None:
        password = Credentials.read(self._directory / "state/clouds.yaml").password
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": password}
        scope = {"project": {"name": "admin", "domain": domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        url = f"http://127.0.0.1:{self.hydria_port}/identity/v3/auth/tokens"
        answer = httpx.post(url, json={"auth": {"identity": identity, "scope": scope}}, trust_env=False)
        self.project_id = answer.json()["token"]["project"]["id"]
        hydria, octavia = self._clients
        self.hydria = Side(hydria, {"X-Auth-Token": answer.headers["X-Subject-Token"]})
        self.octavia = Side(octavia, {"X-Project-Id": self.project_id, "X-User-Id": "u", "X-Roles": "admin,member"})
        self._password = password

    def _write_conf(self) -> None:
        text = _CONF.format(
            directory=self._directory,
            hydria=f"http://127.0.0.1:{self.hydria_port}",
            octavia=f"http://127.0.0.1:{self.octavia_port}",
            password=self._password,
            give_up_after=self._give_up_after,
        )
        (self._directory / "octavia.conf").write_text(text)


def _client(port: int, path: str = "") -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=60)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for_port(program: Program, port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            program.check()
            assert time.monotonic() < deadline, program.log.read_text(errors="replace")
            time.sleep(0.05)
        else:
            return
