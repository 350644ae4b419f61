"""The settings: each key with its type, bounds, default and description, defined only here."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hydria.settings.agent import AgentSettings
from hydria.settings.openstack import KeystoneSettings, NetworkSettings, SecretsSettings
from hydria.settings.types import Text, Url, allowed


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP server: Octavia's API, the home cloud, and what the agents poll."""

    host: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z.:_-]+$",
            extra=allowed("an address or a host name without a port"),
            description="Address to listen on. With an address other than loopback, other machines reach the API: put"
            " TLS in front of it.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port to listen on.")] = 9876
    public_url: Annotated[
        Url | None,
        Meta(description="Base URL of the endpoints in the service catalogue. Unset: http://<host>:<port>."),
    ] = None
    agents_host: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z.:_-]+$",
            extra=allowed("an address or a host name without a port"),
            description="Address to listen on for agents of other hosts, over TLS. The port is open only after the"
            " first hydria host invite.",
        ),
    ] = "0.0.0.0"  # noqa: S104 - for other machines, and closed until there is one
    agents_port: Annotated[int, Meta(ge=1, le=65535, description="TCP port for agents of other hosts.")] = 9877
    agents_url: Annotated[
        Annotated[str, Meta(pattern=r"^https://[^\s/#?]+$", extra=allowed("https://ADDRESS:PORT"))] | None,
        Meta(
            description="URL by which agents of other hosts reach this server. Unset: agents_port at the address that"
            " this machine's default route has."
        ),
    ] = None
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=64 * 1024 * 1024, description="Largest request body in bytes; a larger one gets a 413.")
    ] = 524288
    max_head_bytes: Annotated[
        int,
        Meta(
            ge=8192,
            le=1024 * 1024,
            description="Largest request line and headers together, in bytes; larger ones get a 431.",
        ),
    ] = 65536
    request_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=600,
            description="How long a request may take to arrive and a response to be read; a slower request gets a 408.",
        ),
    ] = 20
    max_connections: Annotated[
        int,
        Meta(
            ge=10,
            le=100_000,
            description="Connections at once; one client address may have three quarters of them. Beyond that, the"
            " connection that has waited longest for a request is closed. Each needs a file descriptor.",
        ),
    ] = 800
    metrics: Annotated[
        Literal["loopback", "open", "off"],
        Meta(
            description="Who may read /metrics, for Prometheus, without a token: this machine (loopback), everybody"
            " (open), or nobody (off). Metrics contain names of hosts and routes, and nothing of projects."
        ),
    ] = "loopback"
    poll_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=300,
            description="How long an agent's poll waits for a change before it is answered, at most a third of"
            " failover.after_seconds.",
        ),
    ] = 25


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The database of the server."""

    url: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://",
                extra=allowed("sqlite:////absolute/path or postgresql://user@host/name"),
            ),
        ]
        | None,
        Meta(description="SQLAlchemy URL of the database. Unset: the SQLite file hydria.db in state_dir."),
    ] = None
    synchronous: Annotated[
        Literal["full", "normal"],
        Meta(
            description="SQLite only: full survives a power cut; normal is faster, and a power cut may lose the last"
            " changes."
        ),
    ] = "full"


class ApiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Octavia's API."""

    strict_immutable: Annotated[
        bool,
        Meta(
            description="Refuse changes of a load balancer in a PENDING status with 409, as Octavia does, instead of"
            " merging them."
        ),
    ] = False
    legacy_roles: Annotated[
        bool,
        Meta(
            description="Also authorize by Octavia's older roles: load-balancer_member, _observer, _global_observer,"
            " _quota_admin and _admin. Octavia's name for this is enforce_new_defaults = false."
        ),
    ] = False
    hide_foreign: Annotated[
        bool,
        Meta(description="Answer 404 for resources of other projects, as if they did not exist. Octavia answers 403."),
    ] = False
    policy_file: Annotated[
        Path | None,
        Meta(description="oslo.policy file in YAML whose rules override the defaults. Unset: the defaults."),
    ] = None


_Limit = Annotated[int, Meta(ge=-1, le=2_000_000_000)]


class QuotaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Default quotas, for projects without quotas of their own."""

    load_balancer: Annotated[_Limit, Meta(description="Load balancers of a project; -1 means no limit.")] = -1
    listener: Annotated[_Limit, Meta(description="Listeners of a project; -1 means no limit.")] = -1
    pool: Annotated[_Limit, Meta(description="Pools of a project; -1 means no limit.")] = -1
    member: Annotated[_Limit, Meta(description="Members of a project; -1 means no limit.")] = -1
    health_monitor: Annotated[_Limit, Meta(description="Health monitors of a project; -1 means no limit.")] = -1
    l7policy: Annotated[_Limit, Meta(description="L7 policies of a project; -1 means no limit.")] = -1
    l7rule: Annotated[_Limit, Meta(description="L7 rules of a project; -1 means no limit.")] = -1


class HomeCloudSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The home cloud: the small Keystone, Neutron and Barbican of a machine without OpenStack."""

    region: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z._-]{1,64}$", extra=allowed("a name"), description="Region in the service catalogue."
        ),
    ] = "RegionOne"
    external_cidr: Annotated[
        str,
        Meta(
            extra=allowed("an IPv4 network from /8 to /28 without host bits, such as 203.0.113.0/24"),
            description="IPv4 network of the external network 'provider'. The machine gets its first address, floating"
            " IPs get the others. Read only when the database is made.",
        ),
    ] = "203.0.113.0/24"
    token_hours: Annotated[int, Meta(ge=1, le=720, description="How long a token is valid, in hours.")] = 12
    wrong_passwords_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Wrong passwords in a minute from one client address for one user, before it gets a 429. The"
            " limit for one address and all users is three times as high, for one user and all addresses five times."
            " Clients behind a proxy that does not forward their addresses count as one address.",
        ),
    ] = 10


class AcmeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ACME authority that issues certificates for references such as acme:www.example.org."""

    directory_url: Annotated[
        Url | None,
        Meta(
            description="ACME directory, such as https://acme-v02.api.letsencrypt.org/directory. By setting it you"
            " agree to the authority's terms of service. Unset: such references are refused."
        ),
    ] = None
    email: Annotated[Text | None, Meta(description="Contact address for the authority. Unset: none.")] = None
    cafile: Annotated[
        Path | None,
        Meta(description="CA certificates (PEM) for the directory's HTTPS. Unset: the CA certificates of the machine."),
    ] = None


class ControllerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The placement of load balancers on hosts."""

    topology: Annotated[
        Literal["SINGLE", "ACTIVE_STANDBY"],
        Meta(
            description="Topology of load balancers whose flavor sets none: SINGLE is one amphora, ACTIVE_STANDBY is"
            " a pair on two hosts."
        ),
    ] = "SINGLE"
    anti_affinity: Annotated[
        Literal["soft", "hard"],
        Meta(
            description="Whether both amphorae of a pair may be on one host: soft allows it where there is only one"
            " host for them, hard does not."
        ),
    ] = "soft"
    advertisement_seconds: Annotated[
        float,
        Meta(
            ge=0.02,
            le=10.0,
            description="Time between two VRRP advertisements of a pair. A takeover takes about 3.5 times as long.",
        ),
    ] = 0.1


class FailoverSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The replacement of amphorae."""

    after_seconds: Annotated[
        int,
        Meta(
            ge=5,
            le=86_400,
            description="How long an agent may be silent before the amphorae of its host are replaced.",
        ),
    ] = 60
    drain_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="How long open connections may go on after a planned move of a load balancer; then they are"
            " cut.",
        ),
    ] = 300


class HistorySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The history of load balancers' changes. Their newest change is always kept."""

    days: Annotated[int, Meta(ge=1, le=3650, description="How long a change is kept, in days.")] = 30
    per_load_balancer: Annotated[
        int, Meta(ge=1, le=10_000, description="How many changes are kept of each load balancer, at most.")
    ] = 200


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. With the defaults, `hydria up` works on one machine."""

    state_dir: Annotated[
        Path,
        Meta(description="Directory of persistent files: the database, credentials, what each amphora last served."),
    ] = Path("/var/lib/hydria")
    run_dir: Annotated[
        Path, Meta(description="Directory of files that need not survive a reboot: sockets, HAProxy's configurations.")
    ] = Path("/run/hydria")
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Lowest level that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        Meta(description="Format of the log; auto is console on a terminal and json elsewhere."),
    ] = "auto"
    log_max_bytes: Annotated[
        int,
        Meta(
            ge=65536,
            le=10_000_000_000,
            description="Size at which the log of `hydria up --detach` is renamed to hydria.log.1 (which it replaces)"
            " and a new one is begun.",
        ),
    ] = 20_000_000
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    api: ApiSettings = ApiSettings()
    quotas: QuotaSettings = QuotaSettings()
    keystone: KeystoneSettings = KeystoneSettings()
    network: NetworkSettings = NetworkSettings()
    secrets: SecretsSettings = SecretsSettings()
    homecloud: HomeCloudSettings = HomeCloudSettings()
    acme: AcmeSettings = AcmeSettings()
    controller: ControllerSettings = ControllerSettings()
    failover: FailoverSettings = FailoverSettings()
    history: HistorySettings = HistorySettings()
    agent: AgentSettings = AgentSettings()

    @property
    def database_url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database.url or f"sqlite:///{self.state_dir / 'hydria.db'}"

    @property
    def agent_secret_file(self) -> Path:
        """The file with the secret by which agents authenticate to the server."""
        return self.state_dir / "agent.secret"

    @property
    def host_id_file(self) -> Path:
        """The file with this host's id, which stays the same when the host is renamed."""
        return self.state_dir / "host.id"

    @property
    def database_notice_file(self) -> Path:
        """The notice of a server that found an empty database and the keys of an earlier one."""
        return self.state_dir / "database.notice"

    @property
    def credentials_file(self) -> Path:
        """The `clouds.yaml` with the first admin's credentials."""
        return self.state_dir / "clouds.yaml"

    @property
    def loopback_url(self) -> str:
        """The server's base URL for programs on this machine, without a trailing slash."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.server.host, self.server.host)  # noqa: S104
        return f"http://[{host}]:{self.server.port}" if ":" in host else f"http://{host}:{self.server.port}"

    @property
    def public_url(self) -> str:
        """The base URL of the endpoints in the catalogue, without a trailing slash."""
        return (self.server.public_url or self.loopback_url).rstrip("/")

    @property
    def agent_server_url(self) -> str:
        """The server's base URL for the agent, without a trailing slash."""
        return (self.agent.server_url or self.loopback_url).rstrip("/")
