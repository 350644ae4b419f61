"""A whole cluster: made, broken, repaired and removed."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from cluster import programs
from cluster.api import LBAAS, OCTAVIA, Api
from cluster.api import NETWORK as NETWORK_API
from cluster.cables import Cables, Fault
from cluster.nodes import STATE, Node, all_nodes, environment, until
from cluster.plan import CIDR, NETWORK, PHYSICAL, POOL, SUBNET, Plan
from cluster.plan import Node as Planned
from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import netlink
from hydria.agent.membership import NAME as MEMBERSHIP
from hydria.errors import HostError

DIRECTORY = Path("/var/lib/hydria-cluster")

_FILE = "cluster.json"
# The prefix lengths of VIPs.
_ALONE = (32, 128)
_START_SECONDS = 60.0
# What all servers of one database must have.
_KEYS = ("secrets.key", "token.key", "clouds.yaml")

Say = Callable[[str], object]


class Cluster:
    """The cluster in a directory, which has the plan and the disks of all nodes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.cables = Cables(self._node("wire"))

    @classmethod
    def at(cls, directory: Path) -> "Cluster":
        """Return the cluster that was made in a directory. Raises HostError."""
        file = directory / _FILE
        if not file.exists():
            raise HostError(f"There is no cluster in {directory}: ./dev cluster up --hosts 3")
        return cls(msgspec.json.decode(file.read_bytes(), type=Plan, dec_hook=_path))

    # --- made and removed ---

    def up(self, say: Say = lambda _: None) -> None:
        """Make it. What has been made until a failure stays, for `down`. Raises HostError."""
        programs.check_machine()
        directory = self.plan.directory
        if (directory / _FILE).exists() or all_nodes(directory):
            raise HostError(f"There is a cluster in {directory} already: ./dev cluster status, or: ./dev cluster down")
        _refuse_foreign(directory)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)
        (directory / _FILE).write_bytes(msgspec.json.encode(self.plan, enc_hook=str))
        nodes = self.plan.nodes()
        # Others get their keys from the first server, which takes some seconds to start.
        later = [node for node in nodes if node.kind in ("server", "host") and node.name != "s1"]
        for planned in [node for node in nodes if node not in later]:
            say(f"{planned.name}: {planned.kind}")
            self.power_on(planned.name)
        self._wait_for_server("s1")
        for planned in later:
            say(f"{planned.name}: {planned.kind}")
            self.power_on(planned.name)
            if planned.kind == "server":
                self._wait_for_server(planned.name)
        self._make_network()
        say("waiting for the agents")
        until(self._all_poll, "Not every agent polls, see the directories' agent.log", _START_SECONDS)

    def down(self) -> None:
        """Remove everything, also of a cluster that was made only in part. Raises HostError."""
        remove(self.plan.directory)

    # --- nodes ---

    def node(self, name: str) -> Node:
        """Return a node. Raises HostError when there is none of this name."""
        if self.plan.node(name) is None:
            names = ", ".join(node.name for node in self.plan.nodes())
            raise HostError(f"The cluster has no node {name}: it has {names}.")
        return self._node(name)

    def power_on(self, name: str) -> None:
        """Start a node with its programs; nothing happens when it runs. Raises HostError."""
        node, planned = self.node(name), self._planned(name)
        if node.pid is not None:
            return
        node.start(self.plan.disk_mb(planned))
        if planned.kind == "wire":
            self.cables.make_bridges()
        else:
            self.cables.plug(node, planned)
        match planned.kind:
            case "database":
                programs.start_database(node)
            case "server":
                self._write_settings(node, planned)
                self._share_keys(node)
                programs.start_server(node, self.plan.settings)
            case "host":
                self._write_settings(node, planned)
                self._join(node)
                programs.start_agent(node, self.plan.settings)
            case "member":
                programs.start_member(node)

    def power_off(self, name: str) -> None:
        """End a node as a power cut does: its disk stays. Raises HostError."""
        node, planned = self.node(name), self._planned(name)
        if planned.kind == "wire":
            raise HostError("The wire has no power switch: ./dev cluster down removes the cluster.")
        self.cables.unplug(name)
        node.kill()
        if planned.kind == "host":
            Cgroups(self.plan.prefix(name)).remove_all()

    def cut(self, fault: Fault) -> None:
        """Add a fault to the cables. Raises HostError."""
        for name in (fault.node, *fault.peers):
            self.node(name)
        self.cables.disturb(fault)

    def heal(self, name: str | None = None) -> None:
        """Repair the cables of a node, or all. Raises HostError."""
        if name is not None:
            self.node(name)
        self.cables.heal(name)

    # --- what a user sees ---

    def api(self, *, timeout: float = 30) -> Api:
        """Return a client of the API in the admin's namespace. Raises HostError."""
        return Api(self._node("admin").network, self.plan.server_addresses, self.credentials, timeout=timeout)

    @property
    def credentials(self) -> Path:
        """The `clouds.yaml` of the first admin."""
        return self.plan.home("s1") / STATE / "clouds.yaml"

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of a command on a node: on the admin's with credentials."""
        kind = self._planned(name).kind
        if kind in ("server", "host"):
            return environment(self.plan.settings | programs.own_settings(self._node(name)))
        if kind == "admin":
            return environment({"OS_CLIENT_CONFIG_FILE": str(self.credentials), "OS_CLOUD": "hydria"})
        return environment({})

    def http_load_balancer(self, name: str, vip: str, **attributes: Any) -> dict[str, Any]:
        """Create a load balancer for HTTP over all members; return the API's answer. Raises HydriaError."""
        members = [{"address": node.wire, "protocol_port": 80} for node in self.plan.nodes() if node.kind == "member"]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener = {"name": "http", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        form = {"name": name, "vip_subnet_id": self.subnet_id(), "vip_address": vip, "listeners": [listener]}
        return self.api().make(f"{LBAAS}/loadbalancers", "loadbalancer", **form, **attributes)

    def subnet_id(self) -> str:
        """Return the id of the subnet on the wire. Raises HydriaError."""
        return str(self.api().get(f"{NETWORK_API}/subnets?name={SUBNET}")["subnets"][0]["id"])

    def amphorae(self, host: str) -> list[str]:
        """Return the ids of the amphorae on a host that runs."""
        directory = self._node(host).root / "run/hydria/amphorae"
        return sorted(path.name for path in directory.glob("*")) if directory.exists() else []

    def holders(self, vip: str) -> list[str]:
        """Return the hosts that run and have an amphora with this VIP on its interface, cut off or not."""
        return [host for host in self.plan.named("host") if vip in self.vips(host)]

    def vips(self, host: str) -> set[str]:
        """Return the VIPs that amphorae on a host carry; none for a host that does not run."""
        found: set[str] = set()
        pid = self._node(host).pid
        names = Names(self.plan.prefix(host))
        for amphora in self.amphorae(host) if pid is not None else ():
            # It may be being made or removed.
            with suppress(HostError), netlink(f"/proc/{pid}/root/run/netns/{names.amphora(amphora)}") as there:
                # A draining amphora has them on `lo`.
                for index in there.link_lookup(ifname="eth0"):
                    addresses = there.get_addr(index=index)
                    found |= {str(each.get("address")) for each in addresses if each["prefixlen"] in _ALONE}
        return found

    # --- inside ---

    def _node(self, name: str) -> Node:
        return Node(name, self.plan.home(name))

    def _planned(self, name: str) -> Planned:
        planned = self.plan.node(name)
        assert planned is not None  # noqa: S101 - the caller has asked for the node before
        return planned

    def _write_settings(self, node: Node, planned: Planned) -> None:
        (node.home / "hydria.toml").write_text(self.plan.hydria_toml(planned))

    def _share_keys(self, node: Node) -> None:
        """Copy the keys of the first server to another one."""
        first, own = self.plan.home("s1") / STATE, node.home / STATE
        if node.name != "s1" and not own.exists():
            own.mkdir(mode=0o700)
            for name in _KEYS:
                shutil.copy2(first / name, own)

    def _join(self, node: Node) -> None:
        """Let a host join by an invitation, unless its disk says that it has."""
        if (node.state / MEMBERSHIP).exists():
            return
        url = self.api().make(f"{OCTAVIA}/hosts/invitations", "invitation")["url"]
        programs.run_hydria(node, "host", "join", url)

    def _wait_for_server(self, name: str) -> None:
        api, address = self.api(), self._planned(name).management
        assert address is not None  # noqa: S101 - a server has one
        log = self.plan.home(name) / "server.log"
        until(lambda: api.answers(address), f"The server does not answer, see {log}", _START_SECONDS)

    def _make_network(self) -> None:
        """Make the network of the wire in the home cloud."""
        api = self.api()
        provider = {"provider:network_type": "flat", "provider:physical_network": PHYSICAL}
        network = api.make(f"{NETWORK_API}/networks", "network", name=NETWORK, shared=True, **provider)
        pool = [{"start": POOL[0], "end": POOL[1]}]
        subnet = {"network_id": network["id"], "cidr": CIDR, "ip_version": 4, "gateway_ip": None}
        api.make(f"{NETWORK_API}/subnets", "subnet", name=SUBNET, allocation_pools=pool, **subnet)

    def _all_poll(self) -> bool:
        hosts = map(self._node, self.plan.named("host"))
        return all((host.state / "agent-topology.json").exists() for host in hosts)


def remove(directory: Path) -> None:
    """End all nodes of a directory, whatever state they are in, and remove it. Raises HostError."""
    _refuse_foreign(directory)
    hosts = [node.name for node in all_nodes(directory) if node.name.startswith("h")]
    for node in all_nodes(directory):
        node.kill()
    for host in hosts:
        Cgroups(Plan(directory=directory).prefix(host)).remove_all()
    shutil.rmtree(directory, ignore_errors=True)


def _refuse_foreign(directory: Path) -> None:
    """Raise HostError when a directory has files that are not a cluster's."""
    if not (directory / _FILE).exists() and directory.exists() and any(directory.iterdir()):
        raise HostError(f"{directory} has files that no cluster made. Name another directory by --directory.")


def _path(kind: type, value: str) -> object:
    return kind(value)
