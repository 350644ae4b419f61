"""The tables: ports that are wanted or made, the subnets that they are on, what was applied of a load balancer."""

from typing import Literal

from msgspec import Struct

from hydria.contract import Address, Interface, Route
from hydria.model.fields import Cidr, IpAddress
from hydria.model.network import Plug, Port, Subnet
from hydria.model.neutron import GroupRule, HostRoute, NeutronSubnet
from hydria.store.tables import register

Kind = Literal["vip", "base", "member"]


class KnownSubnet(Struct, frozen=True, kw_only=True):
    """A subnet that load balancers use, as Neutron said last."""

    id: str
    network_id: str
    cidr: Cidr
    ip_version: int
    gateway_ip: IpAddress | None = None
    host_routes: tuple[HostRoute, ...] = ()

    @classmethod
    def of(cls, subnet: NeutronSubnet) -> "KnownSubnet":
        """Return the row of a subnet."""
        return cls(
            id=subnet.id,
            network_id=subnet.network_id,
            cidr=subnet.cidr,
            ip_version=subnet.ip_version,
            gateway_ip=subnet.gateway_ip,
            host_routes=subnet.host_routes,
        )

    def plain(self) -> Subnet:
        """Return it as load balancers need it."""
        return Subnet(
            id=self.id,
            network_id=self.network_id,
            cidr=self.cidr,
            gateway_ip=self.gateway_ip,
            ip_version=self.ip_version,
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of a port on the subnet, the default route first."""
        anywhere = "0.0.0.0/0" if self.ip_version == 4 else "::/0"
        default = (Route(destination=anywhere, via=self.gateway_ip),) if self.gateway_ip else ()
        return (*default, *(Route(destination=each.destination, via=each.nexthop) for each in self.host_routes))


class WantedPort(Struct, frozen=True, kw_only=True):
    """A port that a load balancer wants of Neutron, and what was made; without `port_id` it is still to be made.

    `id` is the device's id with the subnet's. `host` is the name by which Neutron knows the amphora's host. `reason`
    is why the port could not be made. `tried` means that an attempt to make it began, so that it may be there. A
    `leaving` port is to be deleted, or freed if it is not `owned`: a VIP's port that a user made. `altered` means
    that Neutron has changed it since hosts got it.
    """

    id: str
    load_balancer_id: str
    kind: Kind
    device_id: str
    subnet_id: str
    host: str = ""
    port_id: str | None = None
    network_id: str = ""
    mac: str = ""
    mtu: int = 1500
    fixed_ips: tuple[tuple[str, str], ...] = ()
    plug: Plug | None = None
    owned: bool = True
    tried: bool = False
    leaving: bool = False
    altered: bool = False
    reason: str | None = None

    def plain(self) -> Port:
        """Return it as load balancers need it."""
        return Port(
            id=self.port_id or "",
            network_id=self.network_id,
            mac=self.mac,
            device_id=self.device_id,
            device_owner="",
            fixed_ips=self.fixed_ips,
        )

    def interface(self, subnets: dict[str, KnownSubnet]) -> Interface:
        """Return what a host needs to attach it."""
        known = [(subnets[key], ip) for key, ip in self.fixed_ips if key in subnets]
        return Interface(
            port_id=self.port_id or "",
            network_id=self.network_id,
            mac=self.mac,
            mtu=self.mtu,
            addresses=tuple(Address(ip=ip, prefix=int(each.cidr.rpartition("/")[2])) for each, ip in known),
            routes=tuple(dict.fromkeys(route for each, _ in known for route in each.routes())),
            plug=self.plug,
        )


class Applied(Struct, frozen=True, kw_only=True):
    """What Neutron has of a load balancer besides ports; `id` is the load balancer's.

    `group_id` is its security group, None while that is being made. `generation` is the one that all of it belongs to.
    """

    id: str
    group_id: str | None = None
    rules: tuple[GroupRule, ...] = ()
    vip_groups: tuple[str, ...] = ()
    qos_policy_id: str | None = None
    generation: int = 0
    leaving: bool = False


class Claim(Struct, frozen=True, kw_only=True):
    """The server that works on a load balancer, so that no other one does; `id` is the load balancer's.

    `until` is when the claim ends that a crashed server leaves (UTC, seconds since the epoch).
    """

    id: str
    holder: str
    until: int


class PortCreation(Struct, frozen=True, kw_only=True):
    """A VIP's port that is being created for a load balancer that has no row yet; `id` is the port's device id.

    The row is written before the port is made, and deleted in the transaction that has the load balancer. One that
    stays was left by a crash. `created_at` is in seconds (UTC, since the epoch).
    """

    id: str
    created_at: int


register(KnownSubnet, "neutron_subnets")
register(WantedPort, "neutron_ports", index=(("load_balancer_id",), ("device_id",), ("port_id",)))
register(Applied, "neutron_applied")
register(Claim, "neutron_claims")
register(PortCreation, "neutron_port_creations")
