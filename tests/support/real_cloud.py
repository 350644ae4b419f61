"""A running OpenStack with Hydria, and what tests look at in it."""

import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cluster.nodes import environment
from hydria.adapters.linux.names import Names
from stack import hydria, machines, switch
from stack.api import Api
from stack.cloud import Stack
from stack.plan import OUTSIDE, Plan

_SETTINGS = {
    "HYDRIA_FAILOVER_AFTER_SECONDS": "15",
    "HYDRIA_FAILOVER_DRAIN_SECONDS": "3",
    "HYDRIA_SECRETS_TIMEOUT_SECONDS": "3",
}


_DATAGRAM = """\
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as stream:
    stream.settimeout(2)
    stream.sendto(b"x", (sys.argv[1], 80))
    print(stream.recv(100).decode())
"""

# The owners of the ports of VIPs and of amphorae.
_OWNERS = ("Octavia", "hydria:amphora")


class RealCloud:
    """The cloud with the network `web` and its members; `demo` and `admin` are the APIs as these users."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.admin, self.demo = Api(stack.plan, stack.control, "admin"), Api(stack.plan, stack.control)
        self.members: list[str] = []
        self.public = self.web = self.subnet = ""
        # The hosts of machines by name.
        self._machines: dict[str, str] = {}

    @classmethod
    def start(cls, directory: Path) -> "RealCloud":
        """Start it; `OPENSTACK_ML2=ovs` in the environment has ML2/OVS in the place of OVN."""
        ml2: Any = os.environ.get("OPENSTACK_ML2", "ovn")
        # A gateway of OVN that is alone gives up its routers, so that the loss of a host needs three.
        stack = Stack(Plan(directory=directory, hosts=3, ml2=ml2, settings=_SETTINGS))
        stack.up()
        cloud = cls(stack)
        cloud.public, cloud.web = machines.make_networks(stack.plan, stack.control)
        cloud.subnet = cloud.demo.neutron("GET", f"networks/{cloud.web}")["network"]["subnets"][0]
        for number, host in enumerate(stack.plan.host_names[:2], 1):
            cloud.members += cloud.boot(f"web{number}", host, "web")
        return cloud

    def load_balancer(self, name: str, **attributes: Any) -> dict[str, Any]:
        """Create a load balancer over both members and return it when it is ACTIVE."""
        return self.demo.load_balancer(name, {"vip_subnet_id": self.subnet}, self.members, **attributes)

    def answer(self, address: str, machine: str | None = None) -> str:
        """Return what the address answers to a request from outside or a machine, empty without an answer."""
        place = f"[{address}]" if ":" in address else address
        return self._run(machine, "curl", "-s", "-m", "2", f"http://{place}/")

    def datagram(self, address: str, machine: str | None = None) -> str:
        """Return what the address answers to a datagram from outside or a machine, empty without an answer."""
        return self._run(machine, hydria.program("python"), "-c", _DATAGRAM, address)

    def boot(self, name: str, host: str, network: str) -> list[str]:
        """Start a machine with a web server; return its addresses, IPv4 first."""
        machines.boot(self.stack.plan, self.stack.control, self.stack.node(host), name, network)
        self._machines[name] = host
        (port,) = self.ports(device_id=name)
        return sorted((each["ip_address"] for each in port["fixed_ips"]), key=lambda ip: ":" in ip)

    def _run(self, machine: str | None, *words: str) -> str:
        if machine is None:
            command = self.stack.node(OUTSIDE).command(*words)
        else:
            command = self.stack.node(self._machines[machine]).command("ip", "netns", "exec", machine, *words)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()

    def answers(self, address: str) -> bool:
        """Say whether a web server answers."""
        return self.answer(address).startswith("you hit: web")

    def amphorae(self, load_balancer_id: str) -> list[dict[str, Any]]:
        """Return the amphorae of a load balancer as the API shows them."""
        return self.admin.amphorae(load_balancer_id)

    def host_of(self, amphora: dict[str, Any]) -> str:
        """Return the name of an amphora's host."""
        return self.admin.host_of(amphora)

    def ports(self, **query: str | list[str]) -> list[dict[str, Any]]:
        """Return ports as the admin sees them."""
        return list(self.admin.neutron("GET", f"ports?{urlencode(query, doseq=True)}")["ports"])

    def northbound(self, *words: str) -> str:
        """Return what `ovn-nbctl` prints."""
        remote = f"--db={self.stack.plan.ovn_socket('nb')}"
        return self.stack.control.run("ovn-nbctl", remote, "--timeout=10", *words, environment=environment({}))

    def namespace(self, host: str, amphora_id: str) -> str:
        """Return the namespace of an amphora."""
        return Names(self.stack.plan.prefix(host)).amphora(amphora_id)

    def left(self) -> dict[str, list[str]]:
        """Return what there is of load balancers in Neutron, in Open vSwitch and on hosts."""
        groups = self.admin.neutron("GET", "security-groups")["security_groups"]
        found = {
            "ports": [each["name"] for owner in _OWNERS for each in self.ports(device_owner=owner)],
            "groups": [each["name"] for each in groups if each["name"].startswith("lb-")],
            "rows": [],
            "namespaces": [],
        }
        for host in self.stack.plan.host_names:
            node, prefix = self.stack.node(host), self.stack.plan.prefix(host)
            columns = ["--bare", "--columns=name,external_ids", "list", "interface"]
            rows = switch.vsctl(self.stack.plan, node, *columns).splitlines()
            found["rows"] += [row for row in rows if "hydria-amphora" in row]
            names = [path.name for path in (node.root / "run/netns").glob(f"{prefix}-*")]
            found["namespaces"] += [name for name in names if not name.endswith("-switch")]
        return found
