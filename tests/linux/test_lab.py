"""The lab's real hosts and web servers, with a fake home cloud."""

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from openstack.exceptions import ConflictException

from hydria.adapters.linux.kernel import links
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, inside, namespaces
from hydria.adapters.linux.plug import plug, plug_tap
from hydria.contract import Address, Interface, Limit
from hydria.errors import HostError
from hydria.lab import Lab
from hydria.lab.hosts import WebServer, end_all
from tests.linux.wires import host, interface, uuid
from tests.support.waiting import wait_until

# linux/if_tun.h
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
ARP, IPV4 = b"\x08\x06", b"\x08\x00"


class _Network:
    """The part of openstacksdk's network proxy that the lab calls; `busy` makes the deletion of networks fail."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Any]] = {"networks": [], "subnets": [], "ports": [], "routers": []}
        self.busy = False
        self.create_network(name="provider", project_id="admin")
        self.create_subnet(name="outer", network_id=self.kept["networks"][0].id, cidr="203.0.113.0/24")

    def _list(self, kind: str, **wanted: str) -> list[Any]:
        return [each for each in self.kept[kind] if all(getattr(each, key) == value for key, value in wanted.items())]

    def networks(self, **wanted: str) -> list[Any]:
        return self._list("networks", **wanted)

    def subnets(self, **wanted: str) -> list[Any]:
        return self._list("subnets", **wanted)

    def ports(self, **wanted: str) -> list[Any]:
        return self._list("ports", **wanted)

    def routers(self, **wanted: str) -> list[Any]:
        return self._list("routers", **wanted)

    def _create(self, kind: str, **values: Any) -> Any:
        made = SimpleNamespace(**{"id": uuid(), "project_id": "mine", **values})
        self.kept[kind].append(made)
        return made

    def create_network(self, **values: Any) -> Any:
        return self._create("networks", **{"mtu": 1500, **values})

    def create_subnet(self, **values: Any) -> Any:
        return self._create("subnets", **{"ip_version": 4, "gateway_ip": None, "host_routes": [], **values})

    def create_router(self, **values: Any) -> Any:
        return self._create("routers", **{"external_gateway_info": None, **values})

    def create_port(self, **values: Any) -> Any:
        subnet = next(each for each in self.kept["subnets"] if each.network_id == values["network_id"])
        number = len(self.kept["ports"])
        fixed = [{"subnet_id": subnet.id, "ip_address": f"203.0.113.{number + 10}"}]
        values = {"mac_address": f"fa:16:3e:00:00:{number:02x}", "fixed_ips": fixed, "qos_policy_id": None, **values}
        security = {"is_port_security_enabled": True, "allowed_address_pairs": [], "is_admin_state_up": True}
        values = {"binding_host_id": "", **security, **values}
        return self._create("ports", **values)

    def get_network(self, network_id: str) -> Any:
        return self._list("networks", id=network_id)[0]

    def get_subnet(self, subnet_id: str) -> Any:
        return self._list("subnets", id=subnet_id)[0]

    def update_port(self, port: Any, **values: Any) -> Any:
        vars(port).update(values)
        return port

    def update_router(self, router: Any, **values: Any) -> None:
        vars(router).update(values)

    def add_interface_to_router(self, router: Any, subnet_id: str) -> None:
        self._create(
            "ports",
            device_id=router.id,
            device_owner="network:router_interface",
            fixed_ips=[{"subnet_id": subnet_id, "ip_address": "10.0.0.1"}],
        )

    def remove_interface_from_router(self, router: Any, port_id: str) -> None:
        self.delete_port(self._list("ports", id=port_id, device_id=router.id)[0])

    def delete_port(self, port: Any) -> None:
        if getattr(port, "binding_host_id", ""):
            raise ConflictException(f"Port {port.id} is plugged.")
        self.kept["ports"].remove(port)

    def delete_router(self, router: Any) -> None:
        self.kept["routers"].remove(router)

    def delete_subnet(self, subnet: Any) -> None:
        if self.busy:
            raise ConflictException("One or more ports have an IP allocation from this subnet.")
        self.kept["subnets"].remove(subnet)

    def delete_network(self, network: Any) -> None:
        self.kept["networks"].remove(network)


class _Surroundings:
    def __init__(self, names: Names, run_dir: Path) -> None:
        self.network = _Network()
        self.names, self.run_dir = names, run_dir
        self.lab = self.another()

    def another(self) -> Lab:
        """The same lab as another process sees it."""
        connection: Any = SimpleNamespace(network=self.network, current_project_id="mine")
        return Lab(connection, self.names, self.run_dir, "this-host")

    def fetch(self, address: str) -> tuple[str, str]:
        """Return body and status of a request by curl on webserver1."""
        done = self.lab.run("webserver1", ["curl", "-s", "-m", "1", "-w", "%{http_code}", f"http://{address}/"])
        return done.stdout[:-3], done.stdout[-3:]


@pytest.fixture
def made(names: Names, tmp_path: Path) -> Iterator[_Surroundings]:
    surroundings = _Surroundings(names, tmp_path)
    yield surroundings
    end_all(tmp_path)


def _nginx_of(run_dir: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(run_dir) in os.readlink(entry / "cwd"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return sorted(found)


def test_the_hosts_answer_with_their_names(made: _Surroundings) -> None:
    made.lab.up()
    assert made.fetch("10.0.0.11") == ("you hit: webserver1\n", "200")
    assert made.fetch("10.0.0.12") == ("you hit: webserver2\n", "200")
    assert links(made.names.lab("client")) == ["eth0"]
    assert made.lab.hosts == ("webserver1", "webserver2", "client")


def test_up_twice_changes_nothing(made: _Surroundings) -> None:
    made.lab.up()
    running, kept = _nginx_of(made.run_dir), {kind: list(each) for kind, each in made.network.kept.items()}
    made.another().up()
    assert _nginx_of(made.run_dir) == running
    assert made.network.kept == kept


def test_down_removes_everything_and_may_be_repeated(made: _Surroundings) -> None:
    made.lab.up()
    made.another().down()
    assert _nginx_of(made.run_dir) == []
    assert namespaces(made.names.prefix) == [made.names.switch]
    assert [len(each) for each in made.network.kept.values()] == [1, 1, 0, 0]
    made.lab.down()


@pytest.mark.parametrize(
    ("how", "seen"), [("power", ("", "000")), ("service", ("", "000")), ("error", ("webserver2 is broken\n", "500"))]
)
def test_a_host_breaks_and_is_repaired(made: _Surroundings, how: Any, seen: tuple[str, str]) -> None:
    made.lab.up()
    made.lab.stop("webserver2", how)
    made.lab.stop("webserver2", how)
    assert made.fetch("10.0.0.12") == seen
    assert made.fetch("10.0.0.11") == ("you hit: webserver1\n", "200")
    made.another().start("webserver2")
    assert made.fetch("10.0.0.12") == ("you hit: webserver2\n", "200")


def test_a_killed_master_and_its_orphans_are_found(made: _Surroundings) -> None:
    made.lab.up()
    _kill_master(made.run_dir, "webserver2")
    made.another().start("webserver2")
    assert made.fetch("10.0.0.12") == ("you hit: webserver2\n", "200")
    _kill_master(made.run_dir, "webserver2")
    made.another().down()
    assert _nginx_of(made.run_dir) == []


def _kill_master(run_dir: Path, name: str) -> None:
    """Kill nginx's master and wait for its end, which takes a moment on a busy machine."""
    master = int((run_dir / "lab" / name / "nginx.pid").read_text())
    os.kill(master, signal.SIGKILL)
    wait_until(lambda: master not in _nginx_of(run_dir))


def test_a_stale_pid_file_ends_no_other_process(names: Names, tmp_path: Path) -> None:
    namespace = names.lab("w")
    ensure_namespace(namespace)
    stranger = subprocess.Popen(["sleep", "60"])
    server = WebServer("w", namespace, tmp_path)
    try:
        directory = tmp_path / "lab/w"
        directory.mkdir(parents=True)
        (directory / "nginx.pid").write_text(f"{stranger.pid}\n")
        server.start()
        server.stop()
        assert stranger.poll() is None
    finally:
        server.remove()
        stranger.kill()
        stranger.wait()


def test_down_reports_what_still_uses_the_network(made: _Surroundings) -> None:
    made.lab.up()
    made.network.busy = True
    with pytest.raises(HostError, match=r"load balancers.*One or more ports"):
        made.lab.down()
    made.network.busy = False
    made.lab.down()
    assert [len(each) for each in made.network.kept.values()] == [1, 1, 0, 0]


def test_somebody_elses_subnet_of_the_same_name_is_refused(made: _Surroundings) -> None:
    made.network.create_subnet(name="BeispielSubnet", network_id="other", cidr="192.0.2.0/24")
    with pytest.raises(HostError, match="not the lab's"):
        made.lab.up()


def test_mistakes_are_reported(made: _Surroundings) -> None:
    with pytest.raises(HostError, match="make the lab first"):
        made.lab.start("webserver1")
    with pytest.raises(HostError, match="make the lab first"):
        made.lab.run("client", ["true"])
    with pytest.raises(HostError, match="it has webserver1, webserver2, client"):
        made.lab.stop("webserver3")
    made.lab.up()
    with pytest.raises(HostError, match="only its link"):
        made.lab.stop("client", "service")
    with pytest.raises(HostError, match="nosuchprogram"):
        made.lab.run("client", ["nosuchprogram"])


def test_plug_does_not_change_a_foreign_link(names: Names) -> None:
    namespace = f"{names.prefix}-container"
    ensure_namespace(namespace)
    one, other = (
        Interface(
            port_id=uuid(),
            network_id=uuid(),
            mac=f"fa:16:3e:00:00:0{n}",
            addresses=(Address(ip="10.0.0.5", prefix=24),),
        )
        for n in (1, 2)
    )
    assert plug(names, namespace, "eth0", one)
    assert not plug(names, namespace, "eth0", one)
    with pytest.raises(HostError, match="Choose another name"):
        plug(names, namespace, "eth0", other)
    assert plug(names, namespace, "eth1", other)


def test_a_tap_device_is_connected_to_the_network_of_its_port(names: Names) -> None:
    network, mac = uuid(), "fa:16:3e:00:00:07"
    port = Interface(port_id=uuid(), network_id=network, mac=mac, addresses=(Address(ip="10.0.0.7", prefix=24),))
    with pytest.raises(HostError, match="no tap device tap0"):
        plug_tap(names, "tap0", port)
    with pytest.raises(HostError, match="lo is no tap device"):
        plug_tap(names, "lo", port)
    with pytest.raises(HostError, match="cannot be limited"):
        plug_tap(names, "tap0", structs.replace(port, egress=Limit(kbps=1, burst_kbit=1)))
    # The process with the open device is in place of a virtual machine.
    with open("/dev/net/tun", "r+b", buffering=0) as machine:
        fcntl.ioctl(machine, TUNSETIFF, struct.pack("16sH", b"tap0", IFF_TAP | IFF_NO_PI))
        os.set_blocking(machine.fileno(), False)
        assert plug_tap(names, "tap0", port)
        assert not plug_tap(names, "tap0", structs.replace(port, ingress=Limit(kbps=8000, burst_kbit=400)))
        ours = host(names, "ours", interface(network, "10.0.0.8/24"))

        def frame(kind: bytes) -> bytes:
            """Wait for a frame of an EtherType to the machine or to all."""
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                select.select([machine], [], [], 0.5)
                with contextlib.suppress(BlockingIOError):
                    found = machine.read(2000)
                    if found and found[12:14] == kind and (kind != ARP or found[38:42] == bytes((10, 0, 0, 7))):
                        return bytes(found)
            raise AssertionError(f"no frame of type {kind.hex()}")

        with inside(ours), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"for the machine", ("10.0.0.7", 9))
            asked, own = frame(ARP), bytes.fromhex(mac.replace(":", ""))
            answer = asked[14:20] + b"\0\2" + own + asked[38:42] + asked[22:32]
            machine.write(asked[6:12] + own + ARP + answer)
            assert frame(IPV4).endswith(b"for the machine")
