"""The whole product as users run it: its programs as processes, its API over HTTP, web servers and clients."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import namespaces, netlink, remove_namespace
from hydria.adapters.linux.processes import find_all
from hydria.adapters.linux.topology import TopologyWiring
from hydria.compose.credentials import Credentials
from hydria.settings import AgentSettings, ServerSettings, Settings
from tests.linux.haproxies import Web, get
from tests.linux.wires import host, interface
from tests.support.waiting import wait_until

R = TypeVar("R")
Body = dict[str, Any]

LBAAS = "/load-balancer/v2.0/lbaas"


class Program:
    """A running `hydria` command."""

    def __init__(self, product: "Product", *command: str, **popen: Any) -> None:
        self._log = product.log.open("ab")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "hydria.cli", *command],
            env=product.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            **popen,
        )
        self.pid = self._child.pid

    def kill(self) -> None:
        """Send SIGKILL, as the kernel does when memory runs out."""
        self._child.kill()
        self._child.wait()
        self._log.close()

    def children(self) -> list[int]:
        """Return the ids of its child processes."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


class Product:
    """One Hydria with directories, a prefix and a port of its own."""

    def __init__(self, **agent: Any) -> None:
        # A socket's path may have 107 characters; pytest's own directories have longer paths.
        self.directory = Path(mkdtemp(prefix="hy"))
        os.chmod(self.directory, 0o711)  # noqa: S103 - HAProxy runs unprivileged and opens a socket in it
        self.names = Names(f"t{uuid4().hex[:8]}")
        self.settings = Settings(
            state_dir=self.directory / "state",
            run_dir=self.directory / "run",
            server=ServerSettings(port=_free_port()),
            agent=AgentSettings(prefix=self.names.prefix, host="this", **agent),
        )
        self.log = self.directory / "log"
        self.running: dict[str, Program] = {}
        self.webs: list[Web] = []
        # Further settings, as environment variables.
        self.extra: dict[str, str] = {}
        self._http = httpx.Client(base_url=self.settings.public_url, trust_env=False, timeout=30)

    @property
    def environment(self) -> dict[str, str]:
        settings = self.settings
        return {
            **os.environ,
            "HYDRIA_STATE_DIR": str(settings.state_dir),
            "HYDRIA_RUN_DIR": str(settings.run_dir),
            "HYDRIA_SERVER_PORT": str(settings.server.port),
            "HYDRIA_AGENT_PREFIX": settings.agent.prefix,
            "HYDRIA_AGENT_HOST": "this",
            "HYDRIA_AGENT_HAPROXY": settings.agent.haproxy,
            "HYDRIA_AGENT_LOOK_SECONDS": str(settings.agent.look_seconds),
            **self.extra,
        }

    # --- its programs ---

    def start(self, *commands: str) -> None:
        """Start `server`, `agent` or `up`."""
        for command in commands:
            self.running[command] = Program(self, command)

    def kill(self, *commands: str) -> None:
        """Kill programs. Their children may go on or end."""
        for command in commands:
            self.running.pop(command).kill()

    def fails(self, *command: str) -> str:
        """Run a command that must exit with status 1, and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "hydria.cli", *command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done
        return done.stderr

    def run(self, *command: str) -> str:
        """Run a command that must exit with status 0, and return its output."""
        program = [sys.executable, "-m", "hydria.cli", *command]
        done = subprocess.run(program, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def close(self) -> None:
        """End all processes and remove what they made."""
        for web in self.webs:
            web.stop()
        pids = [pid for program in self.running.values() for pid in program.children()]
        self.kill(*tuple(self.running))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.end_proxies()
        TopologyWiring(self.names).remove_all()
        Cgroups(self.names.prefix).remove_all()
        subprocess.run(["rm", "-rf", str(self.directory)], check=True)
        self._http.close()

    def end_proxies(self) -> None:
        """Kill all its HAProxy processes."""
        for pid in self.proxies():
            os.kill(pid, signal.SIGKILL)

    def proxies(self) -> list[int]:
        """Return the ids of its HAProxy processes."""
        found = []
        for directory in (self.settings.run_dir / "amphorae").glob("*"):
            for process in find_all(str(directory / "candidate.cfg")):
                found.append(process.pid)
                process.close()
        return found

    def reboot(self) -> None:
        """Remove what a power cut removes. The programs must have ended before."""
        self.end_proxies()
        for namespace in namespaces(self.names.prefix):
            remove_namespace(namespace)
        subprocess.run(["rm", "-rf", str(self.settings.run_dir)], check=True)

    # --- its API ---

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Body | None = None, **query: Any
    ) -> httpx.Response:
        """Send a request; repeat it while the server does not answer."""
        url = path if path.startswith("/") else f"{LBAAS}/{path}"

        def answered() -> httpx.Response | None:
            try:
                sent = {"X-Auth-Token": self._token(), **(headers or {})}
                return self._http.request(method, url, json=body, params=query or None, headers=sent)
            except httpx.TransportError:
                return None

        return wait_until(answered)

    def _token(self) -> str:
        if not hasattr(self, "_kept_token"):
            credentials = Credentials.read(self.settings.credentials_file)
            user = {"name": "admin", "domain": {"id": "default"}, "password": credentials.password}
            scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
            identity = {"methods": ["password"], "password": {"user": user}}
            answer = self._http.post("/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
            self._kept_token: str = answer.headers["x-subject-token"]
        return self._kept_token

    def make(self, collection: str, kind: str, **attributes: Any) -> Body:
        """Create a resource and return it."""
        answer = self.ask("POST", collection, {kind: attributes})
        assert answer.status_code == 201, answer.text
        body: Body = answer.json()[kind]
        return body

    def all(self, collection: str) -> list[Body]:
        """Return a collection."""
        found: list[Body] = self.ask("GET", collection).json()[collection.rpartition("/")[2]]
        return found

    def surroundings(self, *hosts: int) -> None:
        """Make a network with web servers at 10.0.0.<host> and a client."""
        wait_until(self.settings.credentials_file.exists)
        network = self.make("/network/v2.0/networks", "network", name="n")
        self.network_id = network["id"]
        subnet = {"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
        self.subnet_id = self.make("/network/v2.0/subnets", "subnet", **subnet)["id"]
        self.rewire(*hosts)

    def rewire(self, *hosts: int) -> None:
        """Connect web servers and client to the network (again after a reboot)."""
        for web in self.webs:
            web.stop()
        self.webs = [Web(self.names, self.network_id, f"web{each}", f"10.0.0.{each}") for each in hosts]
        self.client = host(self.names, "client", interface(self.network_id, "10.0.0.50/24"))

    def create(self, name: str = "lb", vip: str = "10.0.0.100", members: tuple[int, ...] = (11, 12)) -> Body:
        """Create a load balancer with listener, pool and members."""
        return self.make("loadbalancers", "loadbalancer", **self.form(name, vip, members))

    def form(self, name: str, vip: str, members: tuple[int, ...] = (11, 12)) -> Body:
        """Return the form of a whole tree."""
        addresses = [{"address": f"10.0.0.{each}", "protocol_port": 80} for each in members]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": addresses}
        listener = {"name": "http", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        return {"name": name, "vip_subnet_id": self.subnet_id, "vip_address": vip, "listeners": [listener]}

    def balancer(self, name: str = "lb") -> Body | None:
        """Return a load balancer, or None."""
        return next((each for each in self.all("loadbalancers") if each["name"] == name), None)

    def status(self, name: str = "lb") -> str:
        """Return a load balancer's provisioning status."""
        found = self.balancer(name)
        return "gone" if found is None else str(found["provisioning_status"])

    def becomes(self, status: str, name: str = "lb", seconds: float = 60) -> None:
        """Wait for a provisioning status, or for `gone`."""
        wait_until(lambda: self.status(name) == status, seconds, lambda: f"{self.status(name)}, {self.reason(name)}")

    def reason(self, name: str = "lb") -> str | None:
        """Return the reason for a load balancer's ERROR."""
        found = self.balancer(name)
        if found is None:
            return None
        tree = self.ask("GET", f"loadbalancers/{found['id']}/status").json()["statuses"]["loadbalancer"]
        why: str | None = tree.get("provisioning_status_reason")
        return why

    def delete(self, name: str = "lb") -> None:
        """Delete a load balancer with everything below it, and wait until it is gone."""
        found = self.balancer(name)
        if found is not None:
            answer = self.ask("DELETE", f"loadbalancers/{found['id']}", cascade="true")
            assert answer.status_code in (204, 404), answer.text
        self.becomes("gone", name)

    @property
    def amphora(self) -> str:
        """The only amphora's id."""
        (directory,) = (self.settings.run_dir / "amphorae").iterdir()
        return directory.name

    @property
    def proxy(self) -> int:
        """The process id of the only amphora's HAProxy."""
        return int((self.settings.run_dir / "amphorae" / self.amphora / "haproxy.pid").read_text())

    def leftovers(self) -> list[str]:
        """Return what load balancers have left on the host and in the home cloud."""
        found = [each for each in namespaces(self.names.prefix) if _amphora(each)]
        found += [str(each) for each in (self.settings.run_dir / "amphorae").glob("*")]
        found += [str(each) for each in (self.settings.state_dir / "agent").glob("*")]
        found += [f"process {pid}" for pid in self.proxies()]
        ports = self.ask("GET", "/network/v2.0/ports").json()["ports"]
        found += [f"port {each['name']}" for each in ports if each["device_owner"] == "Octavia"]
        with netlink(self.names.switch) as switch:
            links = [str(link.get("ifname")) for link in switch.get_links()]
        # The web servers, the client and the router to the external network have one each.
        hosts = len(self.webs) + 2
        ends = [name for name in links if name.startswith("p")]
        return found + (ends if len(ends) != hosts else [])


def _amphora(namespace: str) -> bool:
    return namespace.count("-") == 5


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Visitor:
    """Sends requests one after another from the client's namespace until the block ends, each on a new connection."""

    def __init__(self, product: Product, address: str = "10.0.0.100", *, clients: int = 2) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._target = (product.client, address)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Visitor":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 20) -> None:
        """Wait for `count` more answers."""
        before = self.answers + len(self.failures)
        wait_until(lambda: self.answers + len(self.failures) >= before + count)

    def _visit(self) -> None:
        while not self._over.is_set():
            try:
                status, body = get(*self._target)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                continue
            if status == 200:
                self.answers += 1
            else:
                self.failures.append(f"{status} {body}")
            # On two cores the programs must get their share of the time.
            self._over.wait(0.005)


@contextlib.contextmanager
def product(**agent: Any) -> Iterator[Product]:
    """Yield a Hydria without running programs, and remove it afterwards."""
    made = Product(**agent)
    try:
        yield made
    except BaseException:
        if made.log.exists():
            sys.stderr.write("\n".join(made.log.read_text(errors="replace").splitlines()[-40:]))
        raise
    finally:
        made.close()
