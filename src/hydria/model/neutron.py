"""What Neutron says about its resources, and what is asked of it. Pure."""

from typing import Any

from msgspec import Struct, field

from hydria.model.fields import Cidr, IpAddress, MacAddress
from hydria.model.network import Plug, Port, Subnet

# The `device_owner` of the ports of amphorae: not `network:`, which Neutron keeps for itself, nor `compute:`, for which
# it would tell Nova.
AMPHORA_OWNER = "hydria:amphora"

VIF_OVS = "ovs"


class NeutronNetwork(Struct, frozen=True, kw_only=True):
    """A network as Neutron's API shows it."""

    id: str
    project_id: str = ""
    mtu: int = 1500
    shared: bool = False
    port_security_enabled: bool = True


class HostRoute(Struct, frozen=True, kw_only=True):
    """A route that a subnet gives its ports."""

    destination: Cidr
    nexthop: IpAddress


class NeutronSubnet(Struct, frozen=True, kw_only=True):
    """A subnet as Neutron's API shows it."""

    id: str
    network_id: str
    cidr: Cidr
    ip_version: int
    project_id: str = ""
    gateway_ip: IpAddress | None = None
    host_routes: tuple[HostRoute, ...] = ()

    def plain(self) -> Subnet:
        """Return it as load balancers need it."""
        return Subnet(
            id=self.id,
            network_id=self.network_id,
            cidr=self.cidr,
            gateway_ip=self.gateway_ip,
            ip_version=self.ip_version,
        )


class FixedIp(Struct, frozen=True, kw_only=True):
    """An address of a port."""

    subnet_id: str
    ip_address: IpAddress = ""


class NeutronPort(Struct, frozen=True, kw_only=True):
    """A port as Neutron's API shows it to an admin."""

    id: str
    network_id: str
    mac_address: MacAddress
    name: str = ""
    project_id: str = ""
    device_id: str = ""
    device_owner: str = ""
    status: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    security_groups: tuple[str, ...] = ()
    allowed_address_pairs: tuple[dict[str, Any], ...] = ()
    qos_policy_id: str | None = None
    host: str = field(name="binding:host_id", default="")
    vif_type: str = field(name="binding:vif_type", default="")
    vif_details: dict[str, Any] = field(name="binding:vif_details", default_factory=dict)

    def plain(self) -> Port:
        """Return it as load balancers need it."""
        return Port(
            id=self.id,
            network_id=self.network_id,
            mac=self.mac_address,
            device_id=self.device_id,
            device_owner=self.device_owner,
            fixed_ips=self.addresses,
            qos_policy_id=self.qos_policy_id,
        )

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """The addresses with their subnets' ids."""
        return tuple((each.subnet_id, each.ip_address) for each in self.fixed_ips)

    def plug(self) -> Plug:
        """Return how it is plugged on the host that it is bound to."""
        drivers = self.vif_details.get("bound_drivers") or {}
        return Plug(
            bridge=str(self.vif_details.get("bridge_name") or "br-int"),
            datapath=str(self.vif_details.get("datapath_type") or "system"),
            driver=str(drivers.get("0", "ovn")),
        )


class GroupRule(Struct, frozen=True, kw_only=True, order=True):
    """An ingress rule of the security group of a load balancer.

    `protocol` is a name or number. `port` -1 stands for all. An empty `cidr` allows every source; `among` allows only
    the ports of the group itself.
    """

    ethertype: str
    protocol: str
    port: int = -1
    cidr: Cidr = ""
    among: bool = False

    @classmethod
    def of(cls, body: dict[str, Any]) -> "GroupRule":
        """Return a rule as Neutron shows it."""
        low = body.get("port_range_min")
        return cls(
            ethertype=str(body["ethertype"]),
            protocol=str(body.get("protocol") or ""),
            port=-1 if low is None else int(low),
            cidr=str(body.get("remote_ip_prefix") or ""),
            among=body.get("remote_group_id") is not None,
        )

    def body(self, group_id: str) -> dict[str, Any]:
        """Return the body of its creation."""
        port = None if self.port < 0 else self.port
        return {
            "security_group_id": group_id,
            "direction": "ingress",
            "ethertype": self.ethertype,
            "protocol": self.protocol,
            "port_range_min": port,
            "port_range_max": port,
            "remote_ip_prefix": self.cidr or None,
            "remote_group_id": group_id if self.among else None,
        }
