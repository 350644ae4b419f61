"""The contract between the server and a host's agent: what to serve, what is served. Pure data.

The exchange is two HTTP calls of the agent: `poll` (a long poll: what I hold in, what to do out) and `report`.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hydria.model.status import OperatingStatus, ServerState
from hydria.model.tree import Tree


class Address(Struct, frozen=True, kw_only=True):
    """One address of an interface with its subnet's prefix length."""

    ip: str
    prefix: int


DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")


class Route(Struct, frozen=True, kw_only=True):
    """A route in CIDR notation, None via nobody: on the link. A default route is one of `DEFAULT_ROUTES`."""

    destination: str
    via: str | None


class Limit(Struct, frozen=True, kw_only=True):
    """A bandwidth in kbit/s, and how many kbit may pass at once before it holds."""

    kbps: int
    burst_kbit: int

    @classmethod
    def of(cls, kbps: int, burst_kbit: int) -> "Limit":
        """Return what Neutron means: without a burst it is four fifths of what a second lets through."""
        return cls(kbps=kbps, burst_kbit=burst_kbit or kbps * 4 // 5)


class FirewallRule(Struct, frozen=True, kw_only=True):
    """What may come in: an ingress rule of a security group, as Neutron words it.

    `ethertype` is `IPv4` or `IPv6`, `protocol` a name or number, None any. Ports are a range, of ICMP type and code.
    `sources` are CIDRs or addresses, None anybody, empty nobody.
    """

    ethertype: str
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    sources: tuple[str, ...] | None = None


class AddressPair(Struct, frozen=True, kw_only=True):
    """Addresses that a port may send from besides its own, and the MAC that goes with them."""

    mac: str
    cidr: str


class Interface(Struct, frozen=True, kw_only=True):
    """One leg of a namespace in a network: the data of a Neutron port.

    `egress` limits what the namespace sends, `ingress` what it is sent. `guard` is what may come in, None everything;
    answers always may. With `port_security` only the port's MAC and addresses may be sent from, and `address_pairs`.
    A port that is switched off (`admin_state_up`) has no carrier.
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


class Instance(Struct, frozen=True, kw_only=True):
    """What one amphora must serve; `generation` is the load balancer's. The first interface carries the VIP.

    Generation 0 is no order: the part of a remembered instance that a host can serve until the server answers.
    `flavor` and `zone` are the data of the profiles of its flavor and availability zone, empty without.
    `secrets` are PEM texts by the references (Barbican's) that the tree names: of a certificate the leaf, the
    intermediates and the private key in this order; of a CA its certificates; of a revocation list the list. They
    are for memory and tmpfs only. `lost` says of references that lead nowhere any more why; a host that has what one
    led to serves on with it. `challenges` are HTTP-01's: what is answered at
    `/.well-known/acme-challenge/<token>` on port 80, by token.
    """

    amphora_id: str
    generation: int
    tree: Tree
    interfaces: tuple[Interface, ...]
    flavor: dict[str, Any] = {}
    zone: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    lost: dict[str, str] = {}
    challenges: dict[str, str] = {}


class Counters(Struct, frozen=True, kw_only=True):
    """Traffic of one listener since its amphora began; bytes and counts, `active_connections` is a level."""

    bytes_in: int = 0
    bytes_out: int = 0
    active_connections: int = 0
    total_connections: int = 0
    request_errors: int = 0

    def plus(self, other: "Counters") -> "Counters":
        """Return the sums."""
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Observation(Struct, frozen=True, kw_only=True):
    """What a host sees of one running amphora: members' states by id, traffic by listener id.

    `troubles` are the reasons of listeners, pools and policies that are not served as they should be, by id;
    `unserved` are those of them that are not served at all.
    """

    servers: Mapping[str, ServerState] = {}
    counters: Mapping[str, Counters] = {}
    troubles: Mapping[str, str] = {}
    unserved: frozenset[str] = frozenset()


class Report(Struct, frozen=True, kw_only=True):
    """What a host says of one amphora. Every part is complete, not a difference.

    `generation` is what it serves now (0: nothing yet), `reason` why it does not serve generation `attempted`.
    `change_id` is the load balancer's of that generation, None if the agent does not say it.
    `reachable` is True when the amphora was just observed, False when it serves something and cannot be asked, None
    when there is nothing to say of its health.
    `servers` are by member id and `counters` by listener id. `troubles` are the reasons why something is not served as
    it should be, by id; `unserved` are those of them that are not served at all. The rest of the generation is served.
    `operating` comes from agents before 0.2, which derived operating statuses themselves, instead of `reachable`,
    `servers` and `unserved`.
    """

    amphora_id: str
    generation: int
    change_id: int | None = None
    attempted: int = 0
    reason: str | None = None
    reachable: bool | None = None
    servers: dict[str, ServerState] = {}
    unserved: tuple[str, ...] = ()
    counters: dict[str, Counters] = {}
    troubles: dict[str, str] = {}
    operating: dict[str, OperatingStatus] = {}


class Network(Struct, frozen=True, kw_only=True):
    """A home-cloud network as the host makes it: a bridge.

    `physical` is a bridge that the machine itself has and that is one network with it, of a network of type `flat`.
    """

    id: str
    mtu: int = 1500
    external: bool = False
    physical: str | None = None
    # The machine's own address on the external network, so that its curl reaches floating IPs.
    host_addresses: tuple[Address, ...] = ()


class FloatingIp(Struct, frozen=True, kw_only=True):
    """An external address that a router translates to a fixed one, both ways."""

    floating_ip: str
    fixed_ip: str
    id: str = ""


class Router(Struct, frozen=True, kw_only=True):
    """A home-cloud router: a namespace that forwards between its interfaces."""

    id: str
    interfaces: tuple[Interface, ...] = ()
    gateway: Interface | None = None
    # Sources that leave through the gateway under its own address; empty when SNAT is off.
    snat_cidrs: tuple[str, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()


class Topology(Struct, frozen=True, kw_only=True):
    """Every network and router that a host must have. `generation` counts changes of any of it.

    `change_id` is a random number of the newest change, which differs where a restored database counts anew.
    `removed` are the ids of networks, routers, their ports and floating IPs that were deleted or switched off. Only
    these a host removes; what is named nowhere stays.
    `plugged` are the ports that something else than an amphora or router has: whoever plugged it made its leg, the
    topology says what may be sent from there.
    """

    generation: int
    change_id: int = 0
    removed: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    routers: tuple[Router, ...] = ()
    plugged: tuple[Interface, ...] = ()


class Holding(Struct, frozen=True, kw_only=True):
    """What an agent says it has when it polls: generations by amphora id (the newest that it was told, not served).

    `host` is the host's id, which stays the same when it is renamed; `name` is what people call it. An agent from
    before hosts had ids sends its name as `host` and no `name`.
    `change_ids` are the load balancers' of these generations: after a database was restored from a backup, equal
    generations may be different changes. None where the agent does not say them.
    `withdrawing` are the amphorae that it is busy removing and need not be told of again.
    """

    host: str
    name: str = ""
    amphorae: dict[str, int] = {}
    change_ids: dict[str, int] | None = None
    withdrawing: tuple[str, ...] = ()
    topology: int = 0
    topology_change: int | None = None


class Description(Struct, frozen=True, kw_only=True):
    """An amphora that the server does not know, as its host remembers it: without secrets, None where it does not."""

    amphora_id: str
    instance: Instance | None


class Orders(Struct, frozen=True, kw_only=True):
    """The answer to a poll: what differs from the holding. An empty one means that the wait ran out.

    `describe` are amphorae that the server does not know: it asks what they are, and they serve on.
    `report` asks for every report again: the server takes what it knows of this host's amphorae for outdated.
    """

    serve: tuple[Instance, ...] = ()
    withdraw: tuple[str, ...] = ()
    topology: Topology | None = None
    describe: tuple[str, ...] = ()
    report: bool = False


class Reports(Struct, frozen=True, kw_only=True):
    """What an agent sends when something changed: reports, and the amphorae of which nothing is left."""

    host: str
    reports: tuple[Report, ...] = ()
    withdrawn: tuple[str, ...] = ()
    # The newest topology that was tried, and why it could not be made, or None when it could.
    topology: int = 0
    topology_change: int | None = None
    topology_reason: str | None = None
    # Why of each network that could not be made, by id; None where there is nothing new to say.
    networks_down: dict[str, str] | None = None
    # Amphorae that the server asked to describe, beside all that the host holds (empty without them).
    described: tuple[Description, ...] = ()
    held: tuple[str, ...] = ()
    # Networks, routers and parts of routers that no topology names; None where there is nothing new to say.
    unknown: Topology | None = None
