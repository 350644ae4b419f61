"""The messages of the exchange, and its version."""

from msgspec import Struct

from hydria.contract.instance import Instance
from hydria.contract.observation import Report
from hydria.contract.topology import Topology

# The version of these messages. Agents say theirs in each poll; amphorae of those that say none have the VIP's port.
VERSION = 1

POLL_SECONDS = "hydria-poll-seconds"  # The header of a poll's answer with how long the server holds polls.


class Facts(Struct, frozen=True, kw_only=True):
    """What an agent says about its host.

    `version` is Hydria's. `zone` is its availability zone, empty without. `physical_networks` are the names of those
    that it is connected to, `neutron_host` is Neutron's name of it. `capacity` in amphorae is 0 for unknown.
    """

    version: str = ""
    zone: str = ""
    physical_networks: tuple[str, ...] = ()
    capacity: int = 0
    neutron_host: str = ""


class Holding(Struct, frozen=True, kw_only=True):
    """What an agent has when it polls: by amphora id the newest generation that it was sent, served or not.

    The order of `amphorae` is the one in which the agent wants newer instances, after those that it does not have.
    `host` is the host's id, which stays the same when it is renamed; `name` is its name. An agent from before hosts had
    ids sends its name as `host`, and no `name`.
    `change_ids` belong to these generations, which may be other changes in a restored database; None is not sent.
    `withdrawing` are the amphorae that it is removing, so that the order is not repeated.
    `speaks` is the `VERSION` of the contract that the agent speaks.
    """

    host: str
    name: str = ""
    speaks: int = 0
    facts: Facts = Facts()
    amphorae: dict[str, int] = {}
    change_ids: dict[str, int] | None = None
    withdrawing: tuple[str, ...] = ()
    topology: int = 0
    topology_change: int | None = None
    # The URLs of the servers that the agent knows, if it has joined.
    servers: tuple[str, ...] = ()


class Joining(Struct, frozen=True, kw_only=True):
    """What a host sends to join: the token of its invitation, its id and its name."""

    token: str
    host: str
    name: str = ""


class Joined(Struct, frozen=True, kw_only=True):
    """The answer to `Joining`: the secret by which the host authenticates, its zone, the URLs of all servers."""

    secret: str
    zone: str = ""
    servers: tuple[str, ...] = ()


class Description(Struct, frozen=True, kw_only=True):
    """An amphora that the server does not know. `instance` is what the host remembers, without secrets, or None."""

    amphora_id: str
    instance: Instance | None


class Orders(Struct, frozen=True, kw_only=True):
    """The answer to a poll: what differs from the holding. It is empty when the poll timed out.

    `describe` are amphorae that the server does not know and asks about; they go on serving.
    `report` asks for all reports again, because the server takes its own state of this host's amphorae for outdated.
    `servers` are the URLs of all servers, None when the agent knows them.
    """

    serve: tuple[Instance, ...] = ()
    withdraw: tuple[str, ...] = ()
    topology: Topology | None = None
    describe: tuple[str, ...] = ()
    report: bool = False
    servers: tuple[str, ...] | None = None


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
