"""The settings: each key with its type, bounds, default and description, defined only here."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


def _allowed(words: str) -> dict[str, Any]:
    """Describe the allowed values of a type whose bounds do not describe them."""
    return {"allowed": words}


_URL = r"^https?://[^\s/]+(/[^\s]*)?$"
_Url = Annotated[str, Meta(pattern=_URL, extra=_allowed("an http:// or https:// address"))]
_Text = Annotated[str, Meta(min_length=1, max_length=255, extra=_allowed("1 to 255 characters"))]
_Program = Annotated[str, Meta(min_length=1, extra=_allowed("a program's name on PATH, or its absolute path"))]
_Account = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", extra=_allowed("the name of an account"))]


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP server: Octavia's API, the home cloud, and what the agents poll."""

    host: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z.:_-]+$",
            extra=_allowed("an address or a host name without a port"),
            description="Address to listen on. With an address other than loopback, other machines reach the API: put"
            " TLS in front of it.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port to listen on.")] = 9876
    public_url: Annotated[
        _Url | None,
        Meta(description="Base URL of the endpoints in the service catalogue. Unset: http://<host>:<port>."),
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
        int, Meta(ge=1, le=300, description="How long an agent's poll waits for a change before it is answered.")
    ] = 25


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The database of the server."""

    url: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://",
                extra=_allowed("sqlite:////absolute/path or postgresql://user@host/name"),
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


class KeystoneSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Keystone elsewhere. It replaces the home cloud's identity service, with its users and projects."""

    auth_url: Annotated[
        _Url | None,
        Meta(description="URL of Keystone, with or without /v3. Unset: the home cloud's identity service is used."),
    ] = None
    username: Annotated[
        _Text, Meta(description="User by which Hydria validates tokens; it needs the role service or admin.")
    ] = "hydria"
    password: Annotated[_Text | None, Meta(description="Password of that user. Prefer the environment to a file.")] = (
        None
    )
    user_domain_id: Annotated[_Text, Meta(description="Domain of that user.")] = "default"
    project_name: Annotated[_Text, Meta(description="Project in which that user logs in.")] = "service"
    project_domain_id: Annotated[_Text, Meta(description="Domain of that project.")] = "default"
    cafile: Annotated[
        Path | None,
        Meta(description="CA certificates (PEM) for Keystone. Unset: the CA certificates of the machine."),
    ] = None
    insecure: Annotated[bool, Meta(description="Do not verify Keystone's certificate.")] = False
    cache_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="How long a validated token is cached; a revoked token works at most that long. 0 asks Keystone"
            " for every request.",
        ),
    ] = 30
    timeout_seconds: Annotated[
        int, Meta(ge=1, le=60, description="Timeout of requests to Keystone; after it a request gets a 503.")
    ] = 5


class HomeCloudSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The home cloud: the small Keystone, Neutron and Barbican of a machine without OpenStack."""

    region: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z._-]{1,64}$", extra=_allowed("a name"), description="Region in the service catalogue."
        ),
    ] = "RegionOne"
    external_cidr: Annotated[
        str,
        Meta(
            extra=_allowed("an IPv4 network from /8 to /28 without host bits, such as 203.0.113.0/24"),
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
        _Url | None,
        Meta(
            description="ACME directory, such as https://acme-v02.api.letsencrypt.org/directory. By setting it you"
            " agree to the authority's terms of service. Unset: such references are refused."
        ),
    ] = None
    email: Annotated[_Text | None, Meta(description="Contact address for the authority. Unset: none.")] = None
    cafile: Annotated[
        Path | None,
        Meta(description="CA certificates (PEM) for the directory's HTTPS. Unset: the CA certificates of the machine."),
    ] = None


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent of one host, and the HAProxy processes that it runs."""

    host: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]{1,253}$", extra=_allowed("a host name"))] | None,
        Meta(description="Name by which the server knows this host. Unset: the machine's host name."),
    ] = None
    server_url: Annotated[
        _Url | None, Meta(description="URL of the server. Unset: the server of these settings, over loopback.")
    ] = None
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9]{0,11}$",
            extra=_allowed("1 to 12 lower-case letters and digits, a letter first"),
            description="Prefix of the names of everything that Hydria makes on the host. It never touches others.",
        ),
    ] = "hydria"
    haproxy: Annotated[_Program, Meta(description="HAProxy, 2.6 or newer.")] = "haproxy"
    first_uid: Annotated[
        int,
        Meta(
            ge=1000,
            le=2_147_483_647,
            description="First of the user and group ids of HAProxy processes; each amphora has its own. No account of"
            " the machine may have one of them.",
        ),
    ] = 1_900_000_000
    uids: Annotated[int, Meta(ge=1, le=100_000_000, description="Number of these user and group ids.")] = 10_000_000
    haproxy_user: Annotated[
        _Account | None,
        Meta(
            description="Account of all HAProxy processes, for machines that have no free ids (some containers). The"
            " processes can then end each other. Unset: each amphora has its own id."
        ),
    ] = None
    haproxy_group: Annotated[
        _Account | None, Meta(description="Group of haproxy_user's processes. Unset: that account's own group.")
    ] = None
    syslog: Annotated[
        Path | None,
        Meta(
            description="Datagram socket, such as /dev/log, to which HAProxy also sends access logs and changes of"
            " members' health, as RFC 5424 and local0. It costs HAProxy about a fifth more time for each request."
            " Unset: they are only kept in memory, for hydria logs."
        ),
    ] = None
    udp_flow_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="Idle timeout of short UDP flows (over within two seconds, such as a query and its answer)"
            " whose listener sets neither timeout_client_data nor timeout_member_data. An amphora has at most about"
            " 64,500 flows to one member at a time: a shorter timeout allows more new flows.",
        ),
    ] = 10
    threads: Annotated[int, Meta(ge=1, le=64, description="Threads of each HAProxy.")] = 1
    max_connections: Annotated[
        Annotated[int, Meta(ge=1, le=2_000_000)] | None,
        Meta(description="Connections of one HAProxy at once. Unset: as many as RLIMIT_NOFILE allows."),
    ] = None
    memory_mb: Annotated[
        Annotated[int, Meta(ge=16, le=1_048_576)] | None,
        Meta(
            description="Memory limit of one HAProxy in MiB. An amphora may use twice as much, because it has two"
            " during a reload. Unset: an amphora may use half of the machine's memory."
        ),
    ] = None
    cpu_weight: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Share of each amphora when the processors are busy; 100 is the kernel's default.",
        ),
    ] = 100
    pids: Annotated[int, Meta(ge=16, le=100_000, description="Limit of processes and threads of each amphora.")] = 512
    flows: Annotated[
        int,
        Meta(
            ge=1024,
            le=100_000_000,
            description="Connection tracking entries of each amphora, 0.6 KB each: for UDP and SCTP flows, and for TCP"
            " with security groups. The kernel's limit net.netfilter.nf_conntrack_max should be higher.",
        ),
    ] = 160_000
    limits: Annotated[
        Literal["auto", "required", "off"],
        Meta(
            description="Limits of amphorae by control groups (v2 or v1): auto uses the available controllers, required"
            " serves nothing without all of memory, cpu and pids, off uses none."
        ),
    ] = "auto"


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
    homecloud: HomeCloudSettings = HomeCloudSettings()
    acme: AcmeSettings = AcmeSettings()
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
