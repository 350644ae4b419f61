"""The test stand: a Hydria for the run, a network in its home cloud, a host with members and a client."""

import base64
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from hydria.adapters.linux.kernel import ensure_interface
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, inside, remove_namespace
from hydria.contract import Address, Interface
from rest import Refused, Rest
from tests.support.certificates import Signed

PREFIX, PORT = "hybench", 9899
NETWORK = "10.0"
MEMBERS, CLIENT = f"{NETWORK}.0.11", f"{NETWORK}.0.12"
# The ports of the members' host; each answers with its own number.
MEMBER_PORTS = range(8001, 8017)
LB = "/load-balancer/v2.0/lbaas"

_SETTINGS = """\
state_dir = "{directory}/state"
run_dir = "{directory}/run"
log_level = "warning"
[server]
port = {port}
[agent]
prefix = "{prefix}"
"""

_MEMBERS = """\
global
    maxconn 4000
defaults
    mode http
    timeout client 60s
    timeout http-keep-alive 60s
frontend members
{binds}
    http-request return status 200 content-type text/plain lf-string "%[dst_port]\\n"
"""


class Stand:
    """The test stand. Every name has the prefix, so that the leftovers of an interrupted run are found."""

    def __init__(
        self, directory: Path, database: str | None = None, port: int = PORT, program: Sequence[str] = ()
    ) -> None:
        """`database` is an SQLAlchemy URL, None for SQLite; `program` replaces the command `hydria`."""
        self.directory = directory
        self._program = program or _program()
        self._port = port
        self.names = Names(PREFIX)
        self.client, self.members = self.names.lab("client"), self.names.lab("members")
        self.rest = Rest("127.0.0.1", port)
        self.network_id = self.subnet_id = ""
        self._ports: dict[str, Interface] = {}
        # The process of all members, while it runs.
        self.member_pid = 0
        self._settings = directory / "hydria.toml"
        text = _SETTINGS.format(directory=directory, port=port, prefix=PREFIX)
        self._settings.write_text(text + (f'[database]\nurl = "{database}"\n' if database else ""))

    # --- Hydria ---

    def hydria(self, *arguments: str) -> None:
        """Run a `hydria` command to its end."""
        subprocess.run(self._command(*arguments), check=True, stdout=subprocess.DEVNULL)

    def _command(self, *arguments: str) -> list[str]:
        return [*self._program, "--settings", str(self._settings), *arguments]

    @contextlib.contextmanager
    def server(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the server without an agent, with the network."""
        process = subprocess.Popen(self._command("server"), stdin=subprocess.DEVNULL)
        try:
            until(self._answers, 30)
            self._log_in()
            self._make_network()
            yield process
        finally:
            self.rest.close()
            process.terminate()
            process.wait(20)

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Run server and agent, with the network, the members' host and the client."""
        try:
            self.hydria("up", "--detach")
            self._log_in()
            self._make_network()
            self._ports = {namespace: self._make_port(address) for namespace, address in self._machines()}
            self.plug()
            with self._member_answers():
                yield
        finally:
            self.clean()

    @contextlib.contextmanager
    def starting_again(self) -> Iterator[None]:
        """Start server and agent after everything in the switch was removed; the block runs from when clients can ask.

        Load balancers may answer before `hydria up` returns.
        """
        starting = subprocess.Popen(self._command("up", "--detach"), stdout=subprocess.DEVNULL)
        try:
            self.plug()
            yield
        finally:
            if starting.wait(120) != 0:
                raise RuntimeError("`hydria up --detach` failed")

    def clean(self) -> None:
        """Remove everything by name."""
        self.rest.close()
        for namespace in (self.client, self.members):
            remove_namespace(namespace)
        self.hydria("down", "--purge")

    def make_host(self) -> None:
        """Make a host known to a server without an agent, so that load balancers can be placed."""
        secret = (self.directory / "state" / "agent.secret").read_text()
        other = Rest("127.0.0.1", self._port)
        other.call("POST", "/agent/v1/poll", {"host": "bench"}, {"authorization": f"Bearer {secret}"})
        other.close()

    def _answers(self) -> bool:
        try:
            self.rest.call("GET", "/identity/v3")
        except (OSError, Refused):
            self.rest.close()
            return False
        return True

    def _log_in(self) -> None:
        clouds = yaml.safe_load((self.directory / "state" / "clouds.yaml").read_text())
        self.rest.log_in(clouds["clouds"]["hydria"]["auth"])

    # --- network and members ---

    def _make_network(self) -> None:
        made = self.rest.call("POST", "/network/v2.0/networks", {"network": {"name": "bench"}})
        self.network_id = made["network"]["id"]
        subnet = {
            "network_id": self.network_id,
            "ip_version": 4,
            "cidr": f"{NETWORK}.0.0/16",
            "gateway_ip": None,
            "allocation_pools": [{"start": f"{NETWORK}.0.10", "end": f"{NETWORK}.200.255"}],
        }
        self.subnet_id = self.rest.call("POST", "/network/v2.0/subnets", {"subnet": subnet})["subnet"]["id"]

    def _machines(self) -> list[tuple[str, str]]:
        return [(self.members, MEMBERS), (self.client, CLIENT)]

    def _make_port(self, address: str) -> Interface:
        fixed = {"subnet_id": self.subnet_id, "ip_address": address}
        port = {"network_id": self.network_id, "fixed_ips": [fixed], "device_owner": "compute:bench"}
        made = self.rest.call("POST", "/network/v2.0/ports", {"port": port})["port"]
        return Interface(
            port_id=made["id"],
            network_id=self.network_id,
            mac=made["mac_address"],
            addresses=(Address(ip=address, prefix=16),),
        )

    def plug(self) -> None:
        """Plug the namespaces of members and client into the switch, which is made where it is missing."""
        for namespace, interface in self._ports.items():
            ensure_namespace(namespace)
            ensure_interface(self.names, namespace, "eth0", interface)
        # An address that is resolved too early would cost a second.
        with inside(self.client):
            for key, value in {"retrans_time_ms": "4", "gc_stale_time": "3600"}.items():
                Path(f"/proc/sys/net/ipv4/neigh/eth0/{key}").write_text(value)

    @contextlib.contextmanager
    def _member_answers(self) -> Iterator[None]:
        """Run the members: each port answers with its number."""
        configuration = self.directory / "members.cfg"
        binds = "\n".join(f"    bind {MEMBERS}:{port}" for port in MEMBER_PORTS)
        configuration.write_text(_MEMBERS.format(binds=binds))
        with inside(self.members):
            process = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(configuration)])
        self.member_pid = process.pid
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)

    def secret(self, bundle: Signed) -> str:
        """Store a certificate with its key in the home cloud; return its reference."""
        form = {
            "name": "bench",
            "payload": base64.b64encode(bundle.pkcs12()).decode(),
            "payload_content_type": "application/octet-stream",
            "payload_content_encoding": "base64",
        }
        return str(self.rest.call("POST", "/key-manager/v1/secrets", form)["secret_ref"])

    # --- load balancers ---

    def whole_load_balancer(self, name: str, ports: tuple[int, ...] = tuple(MEMBER_PORTS[:2])) -> dict[str, Any]:
        """Create a load balancer with listener, pool and members in one call; return the answer."""
        members = [{"address": MEMBERS, "protocol_port": port, "subnet_id": self.subnet_id} for port in ports]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"name": "listener", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        form = {"name": name, "vip_subnet_id": self.subnet_id, "listeners": [listener]}
        made = self.rest.call("POST", f"{LB}/loadbalancers", {"loadbalancer": form})
        return dict(made["loadbalancer"])

    def delete(self, load_balancer_id: str, *, wait: bool = True) -> None:
        """Delete a load balancer with everything below it, and wait until nothing is left."""
        path = f"{LB}/loadbalancers/{load_balancer_id}"
        self.rest.call("DELETE", f"{path}?cascade=true")
        if wait:
            until(lambda: self._gone(path), 30)

    def _gone(self, path: str) -> bool:
        try:
            self.rest.call("GET", path)
        except Refused as refused:
            return refused.status == 404
        return False

    def qos_policy(self, **rule: Any) -> str:
        """Create a QoS policy that limits egress; return its id."""
        net = "/network/v2.0"
        made = self.rest.call("POST", f"{net}/qos/policies", {"policy": {"name": "bench"}})["policy"]["id"]
        rules = f"{net}/qos/policies/{made}/bandwidth_limit_rules"
        self.rest.call("POST", rules, {"bandwidth_limit_rule": rule})
        return str(made)

    def security_group(self, *rules: dict[str, Any]) -> str:
        """Create a security group with ingress rules; return its id."""
        net = "/network/v2.0"
        made = self.rest.call("POST", f"{net}/security-groups", {"security_group": {"name": "bench"}})
        key = made["security_group"]["id"]
        for rule in rules:
            form = {"security_group_id": key, "direction": "ingress", **rule}
            self.rest.call("POST", f"{net}/security-group-rules", {"security_group_rule": form})
        return str(key)

    def settle(self, count: int, *, seconds: float = 120) -> None:
        """Wait until `count` load balancers are ACTIVE."""
        until(lambda: self.count("provisioning_status=ACTIVE&") == count, seconds, pause=0.1)

    def count(self, query: str = "") -> int:
        """Return how many load balancers a query finds, on all pages."""
        found, marker = 0, ""
        while True:
            try:
                page = self.rest.call("GET", f"{LB}/loadbalancers?{query}fields=id{marker}")["loadbalancers"]
            except Refused as refused:
                if not marker or refused.status != 400:
                    raise
                # The last one of the page before was deleted meanwhile, so there is no next page.
                found, marker = 0, ""
                continue
            if not page:
                return found
            found, marker = found + len(page), f"&marker={page[-1]['id']}"

    def amphora(self, vip: str) -> str:
        """Return the id of the amphora with this VIP."""
        found = self.rest.call("GET", f"/load-balancer/v2.0/octavia/amphorae?ha_ip={vip}&fields=id")
        return str(found["amphorae"][0]["id"])

    def configuration(self, vip: str) -> Path:
        """Return the configuration file of the amphora with this VIP."""
        for file in (self.directory / "run" / "amphorae").glob("*/haproxy.cfg"):
            if f"bind {vip}:" in file.read_text():
                return file
        raise RuntimeError(f"no amphora has the VIP {vip}")


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """Make a directory for one run, which HAProxy's user may enter. `run` in it is in memory, as /run is."""
    made = Path(tempfile.mkdtemp(prefix="hydria-bench-"))
    made.chmod(0o711)
    run = made / "run"
    run.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", run], check=True)
    try:
        yield made
    finally:
        # Lazily: a process that has just been killed may still be in there.
        subprocess.run(["umount", "--lazy", run], check=False)
        shutil.rmtree(made, ignore_errors=True)


def until(condition: Callable[[], bool], seconds: float, *, pause: float = 0.005) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain")
        time.sleep(pause)


def _program() -> list[str]:
    program = Path(sys.executable).with_name("hydria")
    return [os.fspath(program)]
