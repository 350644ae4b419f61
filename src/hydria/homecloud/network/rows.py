"""The rows of the network service: one struct for each table. The tables' names begin with `network_`."""

from typing import Any

from msgspec import Struct

from hydria.model.fields import Cidr, IpAddress, MacAddress
from hydria.model.network import PORT_OWNER
from hydria.store import register

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"

# Owners of ports whose addresses hosts have by the topology.
PORTS_OF_TOPOLOGY = frozenset({ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP})

# Owners whose ports only the service that made them may delete: a host has their addresses until then.
HELD = PORTS_OF_TOPOLOGY | {PORT_OWNER}


class Row(Struct, frozen=True, kw_only=True):
    """The attributes that all rows share. Times are UTC, `YYYY-MM-DDTHH:MM:SSZ`, as Neutron prints them."""

    id: str
    project_id: str
    description: str = ""
    tags: tuple[str, ...] = ()
    created_at: str
    updated_at: str
    revision_number: int = 1


class Network(Row, frozen=True, kw_only=True):
    """A layer 2 network: a bridge on the host. `is_default` marks the default external network."""

    name: str = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    mtu: int = 1500
    port_security_enabled: bool = True
    # The physical network of a `flat` or `vlan` network, which hosts join it with; None for a `local` network.
    physical_network: str | None = None
    # The VLAN id of a `vlan` network; None for the other types.
    segmentation_id: int | None = None
    # Why a host could not make it: one of its `NetworkTrouble` rows, None where there is none.
    trouble: str | None = None


class Pool(Struct, frozen=True, kw_only=True):
    """A range of addresses, both ends included."""

    start: IpAddress
    end: IpAddress


class HostRoute(Struct, frozen=True, kw_only=True):
    """A route for the hosts of a subnet."""

    destination: Cidr
    nexthop: IpAddress


class Subnet(Row, frozen=True, kw_only=True):
    """A range of addresses on a network."""

    network_id: str
    name: str = ""
    ip_version: int
    cidr: Cidr
    gateway_ip: IpAddress | None
    enable_dhcp: bool = True
    allocation_pools: tuple[Pool, ...]
    dns_nameservers: tuple[IpAddress, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    revision_number: int = 0


class AddressPair(Struct, frozen=True, kw_only=True):
    """An allowed address pair. A single address is stored without `/32` or `/128`."""

    ip_address: Cidr
    mac_address: MacAddress


class BandwidthRule(Struct, frozen=True, kw_only=True):
    """A bandwidth limit for one direction; `egress` is what a port sends. A burst of 0 means 80 % of `max_kbps`."""

    id: str
    max_kbps: int
    max_burst_kbps: int = 0
    direction: str = "egress"


class QosPolicy(Row, frozen=True, kw_only=True):
    """Bandwidth limits for ports: at most one rule for each direction."""

    name: str = ""
    shared: bool = False
    rules: tuple[BandwidthRule, ...] = ()
    revision_number: int = 0


class Port(Row, frozen=True, kw_only=True):
    """A port of a network. Its addresses are `Address` rows; `device_id` and `device_owner` say who uses it."""

    network_id: str
    name: str = ""
    mac_address: MacAddress
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    port_security_enabled: bool = True
    security_groups: tuple[str, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    qos_policy_id: str | None = None
    binding_host_id: str = ""
    binding_vnic_type: str = "normal"
    binding_profile: dict[str, Any] = {}


class Address(Struct, frozen=True, kw_only=True):
    """One address of a port; `position` is its place in the port's `fixed_ips`.

    `key` is the address as hexadecimal digits of fixed width, so that a database can sort addresses of both versions;
    `next` is the key of its successor while that is free, so that the lowest free address is found at once.
    `port_id` is empty while the address is a `ReleasedAddress`.
    """

    subnet_id: str
    key: str
    next: str | None
    ip_address: IpAddress
    port_id: str
    position: int = 0


class Router(Row, frozen=True, kw_only=True):
    """A router. Its interfaces and its gateway are ports with its id as `device_id`."""

    name: str = ""
    admin_state_up: bool = True
    enable_snat: bool = True
    gw_port_id: str | None = None


class FloatingIp(Row, frozen=True, kw_only=True):
    """An address of an external network that a router translates to a port's fixed address."""

    floating_network_id: str
    floating_ip_address: IpAddress
    floating_port_id: str
    port_id: str | None = None
    fixed_ip_address: IpAddress | None = None
    router_id: str | None = None
    revision_number: int = 0


class SecurityGroup(Row, frozen=True, kw_only=True):
    """A named set of rules; every project has one called `default`."""

    name: str = ""
    stateful: bool = True
    is_default: bool = False


class SecurityGroupRule(Row, frozen=True, kw_only=True):
    """A rule of a security group."""

    security_group_id: str
    direction: str
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: Cidr | None = None
    remote_group_id: str | None = None
    revision_number: int = 0


class NetworkTrouble(Struct, frozen=True, kw_only=True):
    """A network that a host could not make, and why."""

    network_id: str
    host: str
    reason: str


class AlteredPort(Struct, frozen=True, kw_only=True):
    """A port of PORT_OWNER whose interface differs from what its host has; deleted when its owner has seen it."""

    port_id: str


class TopologyCounter(Struct, frozen=True, kw_only=True):
    """The single row that counts the changes of networks and routers on hosts."""

    id: str = "topology"
    generation: int = 1
    # Random: see `hydria.contract.Topology`.
    change_id: int = 0
    # The newest generation that all hosts have made; None while there are no hosts.
    wired: int | None = None


class RemovedWire(Struct, frozen=True, kw_only=True):
    """A network, router, port or floating IP that is deleted, in a generation that not every host has made yet."""

    id: str
    generation: int


class ReleasedAddress(Struct, frozen=True, kw_only=True):
    """An address that a deleted port of `device_id` had, and that hosts have until they make this generation."""

    subnet_id: str
    ip_address: IpAddress
    network_id: str
    device_id: str
    generation: int


register(Network, "network_networks", index=(("project_id",), ("name",)))
register(Subnet, "network_subnets", index=(("project_id",), ("network_id",), ("name",)))
register(
    Port,
    "network_ports",
    unique=(("network_id", "mac_address"),),
    index=(("project_id",), ("device_id",), ("name",), ("qos_policy_id",)),
)
register(
    Address, "network_addresses", key=("subnet_id", "key"), index=(("port_id",), ("ip_address",), ("subnet_id", "next"))
)
register(Router, "network_routers", index=(("project_id",), ("name",)))
register(
    FloatingIp,
    "network_floating_ips",
    unique=(("floating_network_id", "floating_ip_address"),),
    index=(("project_id",), ("port_id",), ("router_id",)),
)
register(SecurityGroup, "network_security_groups", index=(("project_id", "is_default"),))
register(SecurityGroupRule, "network_security_group_rules", index=(("security_group_id",), ("project_id",)))
register(QosPolicy, "network_qos_policies", index=(("project_id",), ("name",)))
register(NetworkTrouble, "network_troubles", key=("network_id", "host"), index=(("host",),))
register(AlteredPort, "network_altered_ports", key=("port_id",))
register(TopologyCounter, "network_topology")
register(RemovedWire, "network_removed_wires")
register(ReleasedAddress, "network_released_addresses", key=("subnet_id", "ip_address"))
