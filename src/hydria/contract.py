"""The contract between the server and a host's agent: desired state and reports. Pure data.

The exchange has two HTTP calls of the agent: `poll` (a long poll: `Holding` in, `Orders` out) and `report` (`Reports`).
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hydria.model.status import OperatingStatus, ServerState
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
    from `address_pairs`. A port that is switched off (`admin_state_up`) has no carrier.
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
    """The desired state of one amphora; `generation` is the load balancer's. The first interface has the VIP.

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
    flavor: dict[str, Any] = {}
    zone: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    lost: dict[str, str] = {}
    challenges: dict[str, str] = {}


class Counters(Struct, frozen=True, kw_only=True):
    """Traffic of one listener since its amphora was made. `active_connections` is the current number."""

    bytes_in: int = 0
    bytes_out: int = 0
    active_connections: int = 0
    total_connections: int = 0
    request_errors: int = 0

    def plus(self, other: "Counters") -> "Counters":
        """Return the sums."""
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Observation(Struct, frozen=True, kw_only=True):
    """What a host observes of a running amphora: members' states by member id, counters by listener id.

    `troubles` has the reasons, by resource id, of listeners, pools and policies that are not served as configured;
    `unserved` are the ids of those that are not served at all.
    """

    servers: Mapping[str, ServerState] = {}
    counters: Mapping[str, Counters] = {}
    troubles: Mapping[str, str] = {}
    unserved: frozenset[str] = frozenset()


class Report(Struct, frozen=True, kw_only=True):
    """A host's report about one amphora. Every part is complete, not a difference.

    `generation` is the served one (0: none yet). `reason` is why generation `attempted` is not served. `change_id`
    belongs to `generation`, and is None from agents that do not send it.
    `reachable` is True when the amphora was just observed, False when it serves but could not be observed, None when
    the report says nothing about its health.
    `servers` are by member id and `counters` by listener id. `troubles` has the reasons, by resource id, of what is not
    served as configured; `unserved` are the ids of those that are not served at all. The rest of the generation is
    served. Agents before 0.2 send `operating`, which they derived themselves, instead of `reachable`, `servers` and
    `unserved`.
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
    """A network of the home cloud, which is a bridge on the host.

    `physical` is the machine's bridge that a network of type `flat` is joined with.
    """

    id: str
    mtu: int = 1500
    external: bool = False
    physical: str | None = None
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


class Holding(Struct, frozen=True, kw_only=True):
    """What an agent has when it polls: by amphora id the newest generation that it was sent, served or not.

    `host` is the host's id, which stays the same when it is renamed; `name` is its name. An agent from before hosts had
    ids sends its name as `host`, and no `name`.
    `change_ids` belong to these generations: after a database was restored from a backup, equal generations may be
    different changes. None from agents that do not send them.
    `withdrawing` are the amphorae that it is removing, so that the order is not repeated.
    """

    host: str
    name: str = ""
    amphorae: dict[str, int] = {}
    change_ids: dict[str, int] | None = None
    withdrawing: tuple[str, ...] = ()
    topology: int = 0
    topology_change: int | None = None


class Description(Struct, frozen=True, kw_only=True):
    """An amphora that the server does not know. `instance` is what the host remembers, without secrets, or None."""

    amphora_id: str
    instance: Instance | None


class Orders(Struct, frozen=True, kw_only=True):
    """The answer to a poll: what differs from the holding. It is empty when the poll timed out.

    `describe` are amphorae that the server does not know and asks about; they go on serving.
    `report` asks for all reports again, because the server takes its own state of this host's amphorae for outdated.
    """

    serve: tuple[Instance, ...] = ()
    withdraw: tuple[str, ...] = ()
    topology: Topology | None = None
    describe: tuple[str, ...] = ()
    report: bool = False


class Reports(Struct, frozen=True, kw_only=True):
    """What an agent sends when something changed: reports, and the amphorae that were removed completely."""

    host: str
    reports: tuple[Report, ...] = ()
    withdrawn: tuple[str, ...] = ()
    # The newest topology that was tried, and the reason why it could not be made, or None.
    topology: int = 0
    topology_change: int | None = None
    topology_reason: str | None = None
    # The reasons of networks that could not be made, by id; None when nothing changed.
    networks_down: dict[str, str] | None = None
    # The amphorae that the server asked about; with them `held` has all amphorae of the host.
    described: tuple[Description, ...] = ()
    held: tuple[str, ...] = ()
    # Networks, routers and parts of routers that no topology names; None when nothing changed.
    unknown: Topology | None = None
