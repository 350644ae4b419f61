"""The networks and routers that a host makes."""

from msgspec import Struct

from hydria.contract.instance import Address, Interface


class Network(Struct, frozen=True, kw_only=True):
    """A network of the home cloud, which is a bridge on the host.

    `physical` is the physical network that a network of type `flat` or `vlan` is on; `vlan` is its VLAN id there, None
    for type `flat`.
    """

    id: str
    mtu: int = 1500
    external: bool = False
    physical: str | None = None
    vlan: int | None = None
    # The machine's own addresses on the external network, by which it reaches floating IPs.
    host_addresses: tuple[Address, ...] = ()


class FloatingIp(Struct, frozen=True, kw_only=True):
    """An external address that a router translates to a fixed one, in both directions."""

    floating_ip: str
    fixed_ip: str
    id: str = ""


class Router(Struct, frozen=True, kw_only=True):
    """A home-cloud router: a namespace that forwards between its interfaces."""

    id: str
    interfaces: tuple[Interface, ...] = ()
    gateway: Interface | None = None
    # Sources that get the gateway's address by SNAT; empty when SNAT is off.
    snat_cidrs: tuple[str, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()


class Topology(Struct, frozen=True, kw_only=True):
    """The networks and routers that a host must have. `generation` counts all changes of them.

    `change_id` is a random number of the newest change, which differs when a restored database counts again.
    `removed` are the ids of networks, routers, their ports and floating IPs that were deleted or switched off. A host
    removes only these, and keeps what the topology does not name.
    `plugged` are the ports of plugged containers and virtual machines. `hydria plug` made their links; the topology has
    their port security.
    """

    generation: int
    change_id: int = 0
    removed: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    routers: tuple[Router, ...] = ()
    plugged: tuple[Interface, ...] = ()
