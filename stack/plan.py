"""What the simulated OpenStack consists of: nodes, addresses, places of files. Pure but for reading the password."""

import hashlib
import zlib
from pathlib import Path
from typing import Literal

from msgspec import Struct

ROOT = Path(__file__).parents[1]
DIRECTORY = Path("/var/lib/hydria-openstack")
# The second environment, which `./dev` makes from `requirements.txt`.
ENVIRONMENT = ROOT / ".dev/openstack"
# Databases of earlier starts, with schemas and users: they save most of a first start.
SEEDS = Path("/var/cache/hydria-openstack")

# The node of the control plane, and the one outside of the cloud.
CONTROL, OUTSIDE = "control", "outside"
KEYSTONE, NEUTRON, BARBICAN, OCTAVIA, RABBIT = 5000, 9696, 9311, 9876, 5672
# The networks that join the nodes; each is a bridge in the control node.
MANAGEMENT, UNDERLAY, PROVIDER = "management", "underlay", "provider"
PHYSICAL_NETWORK = "provider"
EXTERNAL_CIDR, EXTERNAL_GATEWAY = "203.0.113.0/24", "203.0.113.1"
EXTERNAL_POOL = ("203.0.113.100", "203.0.113.200")
# With two hosts, OVN moves no router from a host that is lost to the other one.
ENOUGH_HOSTS = 3


class Plan(Struct, frozen=True, kw_only=True):
    """The size of the cloud and where its files are; `settings` are Hydria's, as environment variables.

    `ml2` is Neutron's mechanism driver: OVN, or Open vSwitch with Neutron's own agents.
    """

    directory: Path = DIRECTORY
    hosts: int = 2
    barbican: bool = True
    hydria: bool = True
    ml2: Literal["ovn", "ovs"] = "ovn"
    settings: dict[str, str] = {}

    @property
    def host_names(self) -> list[str]:
        """The names of the hosts."""
        return [f"h{number}" for number in range(1, self.hosts + 1)]

    def home(self, node: str) -> Path:
        """Return the directory of a node: its disk and logs."""
        return self.directory / node

    @property
    def control(self) -> Path:
        """The directory of the control node."""
        return self.home(CONTROL)

    @property
    def configuration(self) -> Path:
        """The directory of the services' configuration files."""
        return self.control / "etc"

    @property
    def clouds(self) -> Path:
        """The `clouds.yaml` with the clouds admin, demo and hydria."""
        return self.directory / "clouds.yaml"

    @property
    def password_file(self) -> Path:
        """The file with the password of all users."""
        return self.control / "password"

    @property
    def password(self) -> str:
        """The password of all users."""
        return self.password_file.read_text().strip()

    @property
    def database_socket(self) -> Path:
        """MariaDB's socket."""
        return self.control / "mariadb.sock"

    def ovn_socket(self, name: str) -> str:
        """Return the connection to OVN's northbound (`nb`) or southbound (`sb`) database."""
        return f"unix:{self.control}/ovn/{name}.sock"

    def ovs(self, host: str) -> Path:
        """Return the directory of a host's Open vSwitch."""
        return self.home(host) / "ovs"

    def prefix(self, host: str) -> str:
        """Return a host's prefix: control groups are the only thing that hosts and other clusters share."""
        return f"o{zlib.crc32(str(self.directory).encode()) & 0xFFFF:04x}{host}"

    def seed(self) -> Path:
        """Return the directory with the kept database of these very versions and users."""
        parts = [Path(__file__).with_name(name).read_bytes() for name in ("requirements.txt", "identities.py")]
        return SEEDS / hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def management_address(node: str) -> str:
    """Return a node's address in the management network: agents reach the server by it."""
    return "172.30.0.1" if node == CONTROL else f"172.30.0.{10 + int(node.removeprefix('h'))}"


def underlay_address(host: str) -> str:
    """Return a host's address for tunnels."""
    return f"172.29.0.{10 + int(host.removeprefix('h'))}"


def url(port: int) -> str:
    """Return the URL of a service, which all nodes but the one outside reach."""
    return f"http://{management_address(CONTROL)}:{port}"
