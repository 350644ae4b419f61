"""What one amphora is to serve: its tree, interfaces, secrets, and its part beside other amphorae."""

from typing import Any, Literal

from msgspec import Struct, structs

from hydria.model.network import Plug
from hydria.model.tree import Tree


class Address(Struct, frozen=True, kw_only=True):
    """An address of an interface, with its subnet's prefix length."""

    ip: str
    prefix: int


DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")


class Route(Struct, frozen=True, kw_only=True):
    """A route in CIDR notation, on the link when `via` is None. A default route is one of `DEFAULT_ROUTES`."""

    destination: str
    via: str | None


class Limit(Struct, frozen=True, kw_only=True):
    """A bandwidth in kbit/s, and the burst in kbit that may exceed it."""

    kbps: int
    burst_kbit: int

    @classmethod
    def of(cls, kbps: int, burst_kbit: int) -> "Limit":
        """Return the limit as Neutron defines it: an unset burst is four fifths of the bandwidth of a second."""
        return cls(kbps=kbps, burst_kbit=burst_kbit or kbps * 4 // 5)


class FirewallRule(Struct, frozen=True, kw_only=True):
    """An ingress rule of a security group, in Neutron's terms.

    `ethertype` is `IPv4` or `IPv6`. `protocol` is a name or number, or None for any. The ports are a range, or type
    and code of ICMP. `sources` are CIDRs or addresses: None allows every source, an empty tuple none.
    """

    ethertype: str
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    sources: tuple[str, ...] | None = None


class AddressPair(Struct, frozen=True, kw_only=True):
    """An allowed address pair: further addresses that a port may send from, with their MAC."""

    mac: str
    cidr: str


class Interface(Struct, frozen=True, kw_only=True):
    """An interface of a namespace in a network: the data of a Neutron port.

    `egress` limits what the namespace sends, `ingress` what it receives. `guard` has the ingress rules, None allows
    everything; answers are always allowed. With `port_security` the port may send only from its MAC and addresses and
    from `address_pairs`. A port that is switched off (`admin_state_up`) has no carrier. With `plug` it is a Neutron's.
    """

    port_id: str
    network_id: str
    mac: str
    mtu: int = 1500
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    egress: Limit | None = None
    ingress: Limit | None = None
    guard: tuple[FirewallRule, ...] | None = None
    port_security: bool = False
    address_pairs: tuple[AddressPair, ...] = ()
    admin_state_up: bool = True
    plug: Plug | None = None


class Sibling(Struct, frozen=True, kw_only=True):
    """Another amphora of the same load balancer: the MAC and the addresses of its base port, IPv4 first."""

    amphora_id: str
    mac: str
    addresses: tuple[str, ...]


class Vrrp(Struct, frozen=True, kw_only=True):
    """The election of the active amphora of a pair by VRRP (version 3, unicast between the base ports).

    `priority` is 1 to 254, the highest wins; `interval` is the time between two advertisements in seconds. The peers
    are the instance's siblings.
    """

    router_id: int
    priority: int
    interval: float


# What an amphora does with the VIPs. `active`: it carries them, or takes part in the election of a pair. `standby`: it
# serves them as soon as it gets them. `draining`: it has given them up, and serves open connections until they end.
Duty = Literal["active", "standby", "draining"]


class Instance(Struct, frozen=True, kw_only=True):
    """The desired state of one amphora; `generation` is the load balancer's.

    The first interface is the amphora's base port in the VIP's network, and `vips` are the addresses that the active
    amphora carries there too. Without `vips` the first interface is the VIP's port itself, with the VIPs as its
    addresses (amphorae on hosts whose agent speaks version 0).
    `duty` says what the amphora does with the VIPs. With `vrrp` the amphora is one of a pair, and keepalived decides
    which of those with the duty `active` carries them.
    `siblings` are the other amphorae of the load balancer that share its state (the peers of a pair).
    `hand_over` are amphorae that give up the VIPs: packets of connections that began there are forwarded to them.
    `successors` take the VIPs from this amphora: packets of connections that began there are forwarded to them, because
    a client may use this amphora's MAC once more meanwhile.
    `probe` asks the host to make sure that nobody else in the network uses the VIPs before it takes them.
    `ticket_keys` are the keys of TLS session tickets in base64, the oldest first, the same for all siblings.

    Generation 0 is no order: it is the part of a remembered instance that a host can serve until the server answers.
    `flavor` and `zone` are the data of the profiles of its flavor and availability zone; empty without.
    `secrets` are PEM texts by the tree's references to Barbican: for a certificate the leaf, the intermediates and the
    private key in this order, for a CA its certificates, for a revocation list the list. They may be kept in memory and
    on tmpfs only. `lost` has the reason for each reference that cannot be read any more; a host goes on with its copy.
    `challenges` are the HTTP-01 answers by token, for `/.well-known/acme-challenge/<token>` on port 80.
    """

    amphora_id: str
    generation: int
    tree: Tree
    interfaces: tuple[Interface, ...]
    vips: tuple[Address, ...] = ()
    duty: Duty = "active"
    vrrp: Vrrp | None = None
    siblings: tuple[Sibling, ...] = ()
    hand_over: tuple[Sibling, ...] = ()
    successors: tuple[Sibling, ...] = ()
    probe: bool = False
    ticket_keys: tuple[str, ...] = ()
    flavor: dict[str, Any] = {}
    zone: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    lost: dict[str, str] = {}
    challenges: dict[str, str] = {}

    def after_power_cut(self) -> "Instance":
        """Return what a host serves that comes back, until a server has answered: the VIPs may have moved meanwhile.

        That is a part (generation 0) of an amphora that takes the VIPs by order, and the instance itself of others.
        """
        takes = self.vips and self.duty == "active" and self.vrrp is None
        return structs.replace(self, generation=0, duty="standby") if takes else self
