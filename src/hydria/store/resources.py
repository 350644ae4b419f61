"""The tables of Octavia's resources and of hosts' reports, and the statements that several packages use."""

from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, select, union_all

from hydria.contract import Counters, Duty, Facts
from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Tree
from hydria.model.applied import Applied
from hydria.model.availability_zone import AvailabilityZone
from hydria.model.availability_zone_profile import AvailabilityZoneProfile
from hydria.model.flavor import Flavor
from hydria.model.flavor_profile import FlavorProfile
from hydria.model.quota import Quota
from hydria.model.status import AmphoraHealth
from hydria.store.functions import string_at
from hydria.store.tables import columns, register, rows_of
from hydria.store.transaction import Transaction
from hydria.store.union_select import UnionSelect

Replacing = Literal["", "lost", "waiting", "handing_over", "draining"]


# The priority of the first amphora of a pair; the others have lower ones.
FIRST_PRIORITY = 100


class Amphora(Struct, frozen=True, kw_only=True):
    """One instance of a load balancer on one host; `served` is the generation that the host last confirmed.

    `host` is the host's id. `change_id` is the load balancer's of generation `served`, None when the agent did not
    report it. `attempted` is the generation that the host last failed to serve, `reason` its error. `leaving` means
    that the amphora must be removed from its host.
    `base_port_id` is the amphora's own port in the VIP's network, with its MAC and addresses; None for an amphora that
    has the VIP's port itself. `priority` is that of VRRP, None for an amphora that is not one of a pair.
    `duty` is the contract's. `carries_vip` and `applied` are what the host last reported, None before it did.
    `replacing` is how far its replacement is, empty when it is not being replaced: `lost` while its host is silent,
    `waiting` until the new amphora serves, `handing_over` until the new one has the VIPs, `draining` until its
    connections have ended or the time for that has passed. `replacing_since` is when that step began (UTC, seconds
    since the epoch), `replacing_in` the generation that has its orders.
    """

    id: str
    load_balancer_id: str
    host: str
    created_at: str
    updated_at: str | None = None
    served: int = 0
    change_id: int | None = None
    attempted: int = 0
    reason: str | None = None
    leaving: bool = False
    base_port_id: str | None = None
    base_mac: str = ""
    base_addresses: tuple[str, ...] = ()
    priority: int | None = None
    duty: Duty = "active"
    carries_vip: bool | None = None
    applied: Applied | None = None
    replacing: Replacing = ""
    replacing_since: int = 0
    replacing_in: int = 0


class AmphoraPort(Struct, frozen=True, kw_only=True):
    """A port of its own that an amphora has on a subnet of its members; the VIP's port is not among them."""

    amphora_id: str
    subnet_id: str
    port_id: str


class KnownHost(Struct, frozen=True, kw_only=True):
    """A host whose agent has polled; `seen_at` is the time of its last poll (UTC, seconds since the epoch).

    `id` is the identity that the host keeps when it is renamed. A host whose agent is older than these identities has
    its `name` as `id`, until a newer agent claims it (`hydria.controller.hosts`).
    """

    id: str
    name: str = ""
    seen_at: int
    # The newest topology that the host made completely.
    wired: int = 0
    # The version of the contract that the agent speaks, and what it says about the host.
    speaks: int = 0
    facts: Facts = Facts()
    # Whether the host gets new amphorae; a draining host also gives away those that it has.
    enabled: bool = True
    draining: bool = False
    # Whether it has the networks of one machine, and the routers. One host has them.
    home: bool = False
    # The hash (SHA-256, hexadecimal) of the secret by which the host authenticates; None for the server's own machine.
    secret_hash: str | None = None
    joined_at: str | None = None


class Orphan(Struct, frozen=True, kw_only=True):
    """An amphora, network, router or part of a router that a host has and the database does not know.

    `kind` is `amphora`, `network` or `router`. `data` is what the host remembers: an `Instance` without secrets, a
    `Network` or a `Router` of the contract, or None. `leaving` means that an operator asked for its removal.
    """

    id: str
    kind: str
    host: str
    data: dict[str, Any] | None
    found_at: str
    leaving: bool = False


class Health(Struct, frozen=True, kw_only=True):
    """The operating status of one resource, derived from the health of all amphorae. Without a row: UNREPORTED.

    `trouble` is the reason why a host cannot serve the resource as configured.
    """

    id: str
    load_balancer_id: str
    operating_status: str
    trouble: str | None = None


class Wait(Struct, frozen=True, kw_only=True):
    """What a load balancer waits for outside of hosts; `id` is the load balancer's.

    `service` is the one that did not answer, or `refused` what was asked of it, with its words as `reason`. It is asked
    again until it has done so. `since` is when that began.
    """

    id: str
    service: str
    reason: str
    refused: bool
    since: str

    @property
    def sentence(self) -> str:
        """What to tell the owner."""
        what = "refuses what is needed" if self.refused else "is waited for"
        return f"{self.service} {what}, and is asked again: {self.reason}"


class Traffic(Struct, frozen=True, kw_only=True):
    """The last reported counters of one listener on one amphora.

    An empty `amphora_id` stands for the sum over all removed amphorae.
    """

    amphora_id: str
    listener_id: str
    load_balancer_id: str
    counters: Counters


CHILDREN = (Listener, Pool, Member, HealthMonitor, L7Policy, L7Rule)

# The default order of lists: with this index the database reads only the rows of the page.
_LISTED = ("project_id", "created_at", "id")

register(
    LoadBalancer,
    "load_balancers",
    index=(_LISTED, ("created_at", "id"), ("vip_port_id",)),
    special={
        "behind": lambda c: (c.generation - c.observed, None),
        "reason": lambda c: (c.id, c.reason.is_not(None)),
        "ticket_day": lambda c: (c.ticket_day, c.ticket_day != ""),
        "pair": lambda c: (c.id, c.topology == "ACTIVE_STANDBY"),
    },
)
register(Listener, "listeners", index=(("load_balancer_id",), _LISTED, ("default_pool_id",)))
register(Pool, "pools", index=(("load_balancer_id",), _LISTED))
register(Member, "members", index=(("load_balancer_id",), ("pool_id",), ("project_id",)))
register(HealthMonitor, "health_monitors", index=(("load_balancer_id",), ("pool_id",), _LISTED))
register(L7Policy, "l7_policies", index=(("load_balancer_id",), ("listener_id",), ("redirect_pool_id",), _LISTED))
register(L7Rule, "l7_rules", index=(("load_balancer_id",), ("l7policy_id",), ("project_id",)))
register(FlavorProfile, "flavor_profiles")
register(Flavor, "flavors", unique=(("name",),), index=(("flavor_profile_id",),))
register(AvailabilityZoneProfile, "availability_zone_profiles")
register(AvailabilityZone, "availability_zones", key=("name",), index=(("availability_zone_profile_id",),))
register(Quota, "quotas", key=("project_id",))
register(
    Amphora,
    "amphorae",
    index=(("load_balancer_id",), ("host",)),
    special={
        "leaving": lambda c: (c.host, c.leaving.is_(True)),
        "replacing": lambda c: (c.load_balancer_id, c.replacing != ""),
        "new": lambda c: (c.load_balancer_id, c.served == 0),
        "pair": lambda c: (c.load_balancer_id, c.priority.is_not(None)),
    },
)
register(AmphoraPort, "amphora_ports", key=("amphora_id", "subnet_id"))
register(KnownHost, "hosts")
register(Orphan, "orphans", key=("id", "host"), index=(("host",),))
register(
    AmphoraHealth,
    "amphora_health",
    key=("amphora_id",),
    index=(("load_balancer_id",),),
    special={"unreachable": lambda c: (c.amphora_id, c.reachable.is_(False))},
)
register(Health, "health", index=(("load_balancer_id",),))
register(Wait, "waits")
register(Traffic, "traffic", key=("amphora_id", "listener_id"), index=(("load_balancer_id",),))


# The following conditions hold for few rows and have indexes. Their constants are part of the statement's text, because
# PostgreSQL cannot choose such an index for a value that it does not know when it plans.


def is_behind() -> ColumnElement[bool]:
    """Return the condition that the newest generation of a load balancer is not served yet."""
    lb = columns(LoadBalancer)
    return lb.generation - lb.observed > literal_column("0")


def is_pair() -> ColumnElement[bool]:
    """Return the condition that a load balancer shall have two amphorae."""
    return columns(LoadBalancer).topology == literal_column("'ACTIVE_STANDBY'")


def has_ticket_keys() -> ColumnElement[bool]:
    """Return the condition that a load balancer has TLS session ticket keys, as pairs have."""
    return columns(LoadBalancer).ticket_day != literal_column("''")


def is_new() -> ColumnElement[bool]:
    """Return the condition that an amphora has served nothing yet."""
    return columns(Amphora).served == literal_column("0")


def is_replacing() -> ColumnElement[bool]:
    """Return the condition that an amphora is being replaced."""
    return columns(Amphora).replacing != literal_column("''")


def tree(transaction: Transaction, load_balancer: LoadBalancer) -> Tree:
    """Load everything below a load balancer that is not being deleted."""
    union = _select_children()
    children = union.load(transaction.execute(union.statement, {"key": load_balancer.id}))
    for found in children.values():
        found.sort(key=lambda child: (child.created_at, child.id))
    return Tree(
        load_balancer=load_balancer,
        listeners=tuple(children[Listener]),
        pools=tuple(children[Pool]),
        members=tuple(children[Member]),
        health_monitors=tuple(children[HealthMonitor]),
        l7_policies=tuple(children[L7Policy]),
        l7_rules=tuple(children[L7Rule]),
    )


@cache
def _select_children() -> UnionSelect:
    tables = {kind: columns(kind) for kind in CHILDREN}
    return UnionSelect({k: (c.load_balancer_id == bindparam("key"), c.deleted_in.is_(None)) for k, c in tables.items()})


def health_of(transaction: Transaction, load_balancer_id: str) -> dict[str, Health]:
    """Return the health rows of a load balancer and of everything below it, by resource id."""
    return {health.id: health for health in transaction.load(Health, _health(), {"key": load_balancer_id})}


@cache
def _health() -> Select[Any]:
    return select(rows_of(Health).table).where(columns(Health).load_balancer_id == bindparam("key"))


def ids_of(transaction: Transaction, load_balancer_id: str) -> frozenset[str]:
    """Return the ids of a load balancer and of everything below it."""
    below = (select(columns(kind).id).where(columns(kind).load_balancer_id == bindparam("key")) for kind in CHILDREN)
    root = select(columns(LoadBalancer).id).where(columns(LoadBalancer).id == bindparam("key"))
    return frozenset(key for (key,) in transaction.execute(union_all(root, *below), {"key": load_balancer_id}))


def host_name_sql(host: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an SQL expression for the name of the host with this id; the id when it has no name."""
    c = columns(KnownHost)
    return func.coalesce(select(func.nullif(c.name, "")).where(c.id == host).scalar_subquery(), host)


def host_zone_sql(host: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an SQL expression for the zone of the host with this id; its name when it is in no zone."""
    c = columns(KnownHost)
    zone = func.nullif(string_at(c.facts, "zone"), "")
    return func.coalesce(select(zone).where(c.id == host).scalar_subquery(), host_name_sql(host))


def flavor_data(transaction: Transaction, flavor_id: str | None) -> dict[str, Any]:
    """Return the data of a flavor's profile; empty without a flavor."""
    if flavor_id is None:
        return {}
    flavor, profile = columns(Flavor), columns(FlavorProfile)
    statement = select(profile.flavor_data).where(profile.id == flavor.flavor_profile_id, flavor.id == flavor_id)
    return _data(transaction, statement)


def zone_data(transaction: Transaction, name: str | None) -> dict[str, Any]:
    """Return the data of an availability zone's profile; empty without a zone."""
    if name is None:
        return {}
    zone, profile = columns(AvailabilityZone), columns(AvailabilityZoneProfile)
    statement = select(profile.availability_zone_data)
    return _data(transaction, statement.where(profile.id == zone.availability_zone_profile_id, zone.name == name))


def _data(transaction: Transaction, statement: Select[Any]) -> dict[str, Any]:
    row = transaction.execute(statement).first()
    return {} if row is None else msgspec.json.decode(row[0], type=dict[str, Any])
