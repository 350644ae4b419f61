"""What a cluster consists of: its nodes, their addresses and settings. Pure."""

import zlib
from pathlib import Path
from typing import Literal

from msgspec import Struct

from cluster.nodes import STATE

Kind = Literal["wire", "database", "server", "host", "member", "client", "admin"]

# The API's port, and the port for agents over TLS.
PORT, AGENTS_PORT = 9876, 9877
# The layer 2 that hosts, members and the client share; the bridge of each host on it, and its name as a physical
# network.
BRIDGE, PHYSICAL = "br0", "physnet1"
# The network and the subnet in the home cloud that `up` makes for it.
NETWORK, SUBNET = "wire", "wire-subnet"
# Addresses outside the pool are free for VIPs that somebody chooses.
CIDR, POOL = "10.20.0.0/22", ("10.20.0.100", "10.20.2.255")
PREFIX_LENGTH = 22

# A new database takes 40 MB.
_DISKS_MB: dict[Kind, int] = {"database": 256, "host": 32}

_MANAGEMENT, _WIRE = "192.0.2", "10.20.0"
_SETTINGS = """\
state_dir = "{state}"
run_dir = "/run/hydria"
log_format = "console"
"""


class Node(Struct, frozen=True, kw_only=True):
    """A simulated machine. `management` and `wire` are its addresses; a host has only a bridge on the wire."""

    name: str
    kind: Kind
    management: str | None = None
    wire: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """The size of a cluster, and settings as environment variables (`HYDRIA_…`) of all its programs.

    With `disks` hosts and the database keep their state on disks that can be full.
    """

    directory: Path
    hosts: int = 3
    servers: int = 1
    members: int = 2
    settings: dict[str, str] = {}
    disks: bool = False

    def nodes(self) -> list[Node]:
        """Return the nodes in the order in which they are started."""
        return [
            Node(name="wire", kind="wire"),
            Node(name="db", kind="database"),
            Node(name="admin", kind="admin", management=f"{_MANAGEMENT}.2"),
            *(self._server(number) for number in range(1, self.servers + 1)),
            *(Node(name=f"web{n}", kind="member", wire=f"{_WIRE}.{10 + n}") for n in range(1, self.members + 1)),
            Node(name="client", kind="client", wire=f"{_WIRE}.5"),
            *(Node(name=f"h{n}", kind="host", management=f"{_MANAGEMENT}.{100 + n}") for n in range(1, self.hosts + 1)),
        ]

    def node(self, name: str) -> Node | None:
        """Return a node, or None."""
        return next((node for node in self.nodes() if node.name == name), None)

    def named(self, kind: Kind) -> list[str]:
        """Return the names of the nodes of a kind."""
        return [node.name for node in self.nodes() if node.kind == kind]

    @property
    def server_addresses(self) -> list[str]:
        """The addresses of all servers in the management network."""
        return [f"{_MANAGEMENT}.{10 + number}" for number in range(1, self.servers + 1)]

    def disk_mb(self, node: Node) -> int | None:
        """Return the size of a node's disk, or None when its state is in a directory of this machine."""
        return _DISKS_MB.get(node.kind) if self.disks else None

    def prefix(self, host: str) -> str:
        """Return a host's prefix: control groups are the only thing that hosts and other clusters share."""
        return f"c{zlib.crc32(str(self.directory).encode()) & 0xFFFF:04x}{host}"

    def home(self, node: str) -> Path:
        """Return the directory of a node: its disk, its settings and logs."""
        return self.directory / node

    def hydria_toml(self, node: Node) -> str:
        """Return the settings file of a server or a host."""
        text = _SETTINGS.format(state=self.home(node.name) / STATE)
        if node.kind == "server":
            return text + (
                f'[server]\nhost = "0.0.0.0"\nport = {PORT}\npublic_url = "http://{node.management}:{PORT}"\n'
                f'agents_url = "https://{node.management}:{AGENTS_PORT}"\n'
                f'[database]\nurl = "{self.database_url}"\n'
            )
        number = int(node.name.removeprefix("h"))
        return text + (
            f'[agent]\nhost = "{node.name}"\n'
            f'prefix = "{self.prefix(node.name)}"\nbridges = "{PHYSICAL}:{BRIDGE}"\n'
            # The kernel counts processes of an account over all hosts of this machine.
            f"first_uid = {1_900_000_000 + number * 1_000_000}\nuids = 1000000\n"
        )

    @property
    def database_url(self) -> str:
        """The database's SQLAlchemy URL, on a Unix socket in the database's directory."""
        return f"postgresql://hydria@/hydria?host={self.home('db')}"

    @staticmethod
    def _server(number: int) -> Node:
        return Node(name=f"s{number}", kind="server", management=f"{_MANAGEMENT}.{10 + number}")
