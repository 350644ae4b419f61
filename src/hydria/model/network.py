"""The subnets, ports and devices of a network service, as load balancers need them. Pure."""

from msgspec import Struct

from hydria.model.fields import Cidr, IpAddress

# The `device_owner` of the ports that are made through `Networking`. Neutron's users know Octavia's ports by it.
PORT_OWNER = "Octavia"


class Subnet(Struct, frozen=True, kw_only=True):
    """A subnet, with the attributes that load balancers need."""

    id: str
    network_id: str
    cidr: Cidr
    gateway_ip: IpAddress | None
    ip_version: int


class Port(Struct, frozen=True, kw_only=True):
    """A port, with the attributes that load balancers need; `fixed_ips` are (subnet id, address).

    `plugged` is the host on which something other than a load balancer has it, empty when nothing has.
    """

    id: str
    network_id: str
    mac: str
    device_id: str
    device_owner: str
    fixed_ips: tuple[tuple[str, str], ...]
    qos_policy_id: str | None = None
    plugged: str = ""

    def on(self, subnet_id: str | None, address: str | None = None) -> tuple[tuple[str, str], ...]:
        """Return the `fixed_ips` that are on a subnet and are an address; None stands for any."""
        return tuple(
            (subnet, ip) for subnet, ip in self.fixed_ips if subnet_id in (None, subnet) and address in (None, ip)
        )


class Device(Struct, frozen=True, kw_only=True):
    """The user of a port: Neutron's `device_id` and `device_owner`.

    `load_balancer_id` and `host`, the name by which Neutron knows the host, are those of an amphora.
    """

    id: str
    owner: str
    load_balancer_id: str = ""
    host: str = ""


class Plug(Struct, frozen=True, kw_only=True):
    """How a port that Neutron has bound to a host is attached there: to an integration bridge of Open vSwitch.

    Neutron enforces security groups, port security and QoS of such a port itself.

    `datapath` is Open vSwitch's `datapath_type`: `netdev` is the userspace datapath, which fills in no checksums.
    `driver` is Neutron's mechanism driver that has bound the port: `ovn`, or `openvswitch`.
    """

    bridge: str = "br-int"
    datapath: str = "system"
    driver: str = "ovn"
