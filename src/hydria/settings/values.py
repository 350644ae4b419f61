"""The values themselves: every key with its type, its bounds, its default and its description, in this place only."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


def _right(words: str) -> dict[str, Any]:
    """Say in words what a value must look like where its type does not say it."""
    return {"right": words}


_URL = r"^https?://[^\s/]+(/[^\s]*)?$"
_Url = Annotated[str, Meta(pattern=_URL, extra=_right("an http:// or https:// address"))]
_Text = Annotated[str, Meta(min_length=1, max_length=255, extra=_right("1 to 255 characters"))]
_Program = Annotated[str, Meta(min_length=1, extra=_right("a program's name on PATH, or its absolute path"))]
_Account = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", extra=_right("the name of an account"))]


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP server: Octavia's API, the home cloud, and what the agents poll."""

    host: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Za-z.:_-]+$",
            extra=_right("an address or a host name without a port"),
            description="Address to listen on. Anything but loopback lets others reach the API: put TLS before it.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port to listen on.")] = 9876
    public_url: Annotated[
        _Url | None,
        Meta(description="Address that the catalogue tells clients, without a path. Unset: http://<host>:<port>."),
    ] = None
    max_body_bytes: Annotated[
        int, Meta(ge=1024, le=64 * 1024 * 1024, description="Largest request body in bytes; a larger one is a 413.")
    ] = 524288
    max_head_bytes: Annotated[
        int,
        Meta(
            ge=8192,
            le=1024 * 1024,
            description="Largest address and headers of a request together, in bytes; larger ones are a 431.",
        ),
    ] = 65536
    request_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=600,
            description="How long a request may take to arrive, and an answer to be taken; what is slower is a 408.",
        ),
    ] = 20
    max_connections: Annotated[
        int,
        Meta(
            ge=10,
            le=100_000,
            description="Connections at once, of which one address has three quarters at most. Beyond that, the one"
            " goes that has waited longest for its client's request. Each needs a file descriptor.",
        ),
    ] = 800
    metrics: Annotated[
        Literal["loopback", "open", "off"],
        Meta(
            description="Who may read /metrics, the server's numbers for Prometheus, without a token: this machine,"
            " all, or nobody. They have names of hosts and routes, and nothing of projects."
        ),
    ] = "loopback"
    poll_seconds: Annotated[
        int, Meta(ge=1, le=300, description="How long an agent's poll is held open when there is nothing to do.")
    ] = 25


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where desired state is kept."""

    url: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://",
                extra=_right("sqlite:////absolute/path or postgresql+psycopg://user@host/name"),
            ),
        ]
        | None,
        Meta(description="SQLAlchemy URL of the database. Unset: the SQLite file hydria.db in state_dir."),
    ] = None
    synchronous: Annotated[
        Literal["full", "normal"],
        Meta(description="SQLite only: full survives a power cut, normal is faster and may lose the last changes."),
    ] = "full"


class ApiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Octavia's API behaves."""

    strict_immutable: Annotated[
        bool,
        Meta(description="Refuse a change to a load balancer that is PENDING with 409 as Octavia does, not merge it."),
    ] = False
    legacy_roles: Annotated[
        bool,
        Meta(
            description="Also let in by Octavia's older roles: load-balancer_member, _observer, _global_observer,"
            " _quota_admin and _admin. Octavia's name for it is enforce_new_defaults = false."
        ),
    ] = False
    hide_foreign: Annotated[
        bool,
        Meta(description="Answer 404 for what another project has, as if it were not there. Octavia answers 403."),
    ] = False
    policy_file: Annotated[
        Path | None,
        Meta(description="oslo.policy file in YAML whose rules override the defaults. Unset: the defaults."),
    ] = None


_Limit = Annotated[int, Meta(ge=-1, le=2_000_000_000)]


class QuotaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a project may have that has no quota of its own."""

    load_balancer: Annotated[_Limit, Meta(description="Load balancers of a project; -1 is without limit.")] = -1
    listener: Annotated[_Limit, Meta(description="Listeners of a project; -1 is without limit.")] = -1
    pool: Annotated[_Limit, Meta(description="Pools of a project; -1 is without limit.")] = -1
    member: Annotated[_Limit, Meta(description="Members of a project; -1 is without limit.")] = -1
    health_monitor: Annotated[_Limit, Meta(description="Health monitors of a project; -1 is without limit.")] = -1
    l7policy: Annotated[_Limit, Meta(description="L7 policies of a project; -1 is without limit.")] = -1
    l7rule: Annotated[_Limit, Meta(description="L7 rules of a project; -1 is without limit.")] = -1


class KeystoneSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Keystone elsewhere, whose users and projects are served; the home cloud's identity is away then."""

    auth_url: Annotated[
        _Url | None,
        Meta(description="Address of Keystone, with or without /v3. Unset: users are the home cloud's."),
    ] = None
    username: Annotated[
        _Text, Meta(description="User that Hydria looks at tokens as; it needs the role service or admin.")
    ] = "hydria"
    password: Annotated[
        _Text | None, Meta(description="Password of that user. Better in the environment than in a file.")
    ] = None
    user_domain_id: Annotated[_Text, Meta(description="Domain of that user.")] = "default"
    project_name: Annotated[_Text, Meta(description="Project that it logs in to.")] = "service"
    project_domain_id: Annotated[_Text, Meta(description="Domain of that project.")] = "default"
    cafile: Annotated[
        Path | None,
        Meta(description="Certificates (PEM) that Keystone's is checked by. Unset: those that the machine trusts."),
    ] = None
    insecure: Annotated[bool, Meta(description="Do not check Keystone's certificate at all.")] = False
    cache_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="How long an answer about a token counts; a token that was revoked is good for so long at most."
            " 0 asks for every request.",
        ),
    ] = 30
    timeout_seconds: Annotated[
        int, Meta(ge=1, le=60, description="How long Keystone may take to answer before requests get a 503.")
    ] = 5


class HomeCloudSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stand-in cloud of a machine without OpenStack."""

    region: Annotated[
        str,
        Meta(pattern=r"^[0-9A-Za-z._-]{1,64}$", extra=_right("a name"), description="Region in the service catalogue."),
    ] = "RegionOne"
    external_cidr: Annotated[
        str,
        Meta(
            extra=_right("an IPv4 network from /8 to /28 without host bits, such as 203.0.113.0/24"),
            description="IPv4 network of the external network 'provider'. The machine itself gets its first address,"
            " floating IPs come from the rest. Read when the database is made.",
        ),
    ] = "203.0.113.0/24"
    token_hours: Annotated[int, Meta(ge=1, le=720, description="How long a token is good for, in hours.")] = 12
    wrong_passwords_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="How many wrong passwords one address may try for one user in a minute before it has to wait"
            " (429). It may try three times as many for all users together, and all addresses five times as many for"
            " one user. Clients behind a proxy that does not pass their addresses on are one address.",
        ),
    ] = 10


class AcmeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The authority that makes certificates for listeners with a reference such as acme:www.example.org."""

    directory_url: Annotated[
        _Url | None,
        Meta(
            description="Its ACME directory, such as https://acme-v02.api.letsencrypt.org/directory. Setting it agrees"
            " to its terms of service. Unset: such references are refused."
        ),
    ] = None
    email: Annotated[_Text | None, Meta(description="Where the authority may write to. Unset: nowhere.")] = None
    cafile: Annotated[
        Path | None,
        Meta(description="Certificates (PEM) that the authority's own is checked by. Unset: those trusted anyway."),
    ] = None


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent of one host, and the HAProxy processes that it runs."""

    host: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]{1,253}$", extra=_right("a host name"))] | None,
        Meta(description="Name by which the server knows this host. Unset: the machine's host name."),
    ] = None
    server_url: Annotated[
        _Url | None, Meta(description="Address of the server. Unset: the server of these settings, over loopback.")
    ] = None
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9]{0,11}$",
            extra=_right("1 to 12 lower-case letters and digits, a letter first"),
            description="Beginning of the names of all that we make on the host; what lacks it is never touched.",
        ),
    ] = "hydria"
    haproxy: Annotated[_Program, Meta(description="HAProxy, 2.4 or newer.")] = "haproxy"
    first_uid: Annotated[
        int,
        Meta(
            ge=1000,
            le=2_147_483_647,
            description="First of the user and group ids that HAProxy processes run as, each amphora's as its own. No"
            " account of the machine may have one of them.",
        ),
    ] = 1_900_000_000
    uids: Annotated[int, Meta(ge=1, le=100_000_000, description="How many of them there are.")] = 10_000_000
    haproxy_user: Annotated[
        _Account | None,
        Meta(
            description="Account that the HAProxy of every amphora runs as, where there are no ids to spare (some"
            " containers). They can then end each other. Unset: each runs as an id of its own."
        ),
    ] = None
    haproxy_group: Annotated[
        _Account | None, Meta(description="Group beside haproxy_user. Unset: that account's own.")
    ] = None
    syslog: Annotated[
        Path | None,
        Meta(
            description="Datagram socket, such as /dev/log, to which HAProxy also sends the access logs and changes of"
            " members' health, as RFC 5424 and local0. It costs HAProxy a fifth more time for each request or so."
            " Unset: they are only in memory, for hydria logs."
        ),
    ] = None
    udp_flow_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="How long after its last packet a flow of UDP ends that was over within two seconds, such as a"
            " question and its answer, where its listener has no timeout_client_data or timeout_member_data of its"
            " own. About 64,500 flows of an amphora are with one member at a time: shorter is room for more.",
        ),
    ] = 10
    threads: Annotated[int, Meta(ge=1, le=64, description="Threads of each HAProxy.")] = 1
    max_connections: Annotated[
        Annotated[int, Meta(ge=1, le=2_000_000)] | None,
        Meta(description="Connections that one HAProxy takes at once. Unset: what RLIMIT_NOFILE allows."),
    ] = None
    memory_mb: Annotated[
        Annotated[int, Meta(ge=16, le=1_048_576)] | None,
        Meta(
            description="Memory limit of one HAProxy in MiB; its amphora, which has two during a reload, may use twice"
            " as much. Unset: an amphora may use half of the machine's memory."
        ),
    ] = None
    cpu_weight: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Share of the processors of each amphora while they are busy; 100 is usual."),
    ] = 100
    pids: Annotated[int, Meta(ge=16, le=100_000, description="Processes and threads of each amphora at once.")] = 512
    flows: Annotated[
        int,
        Meta(
            ge=1024,
            le=100_000_000,
            description="Flows of UDP and SCTP, and with security groups of TCP, that the kernel may remember for each"
            " amphora, 0.6 KB each. net.netfilter.nf_conntrack_max, the kernel's own bound, should be more.",
        ),
    ] = 131_072
    limits: Annotated[
        Literal["auto", "required", "off"],
        Meta(
            description="Limits of amphorae by control groups (v2 or v1): auto uses those that there are, required"
            " serves nothing without all of memory, cpu and pids, off uses none."
        ),
    ] = "auto"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. The defaults run on one machine as they are."""

    state_dir: Annotated[
        Path,
        Meta(description="Kept for good: the database, the credentials, what each amphora last served."),
    ] = Path("/var/lib/hydria")
    run_dir: Annotated[Path, Meta(description="Gone after a reboot: sockets, pid files, HAProxy's configurations.")] = (
        Path("/run/hydria")
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        Meta(description="auto is console on a terminal and json elsewhere."),
    ] = "auto"
    log_max_bytes: Annotated[
        int,
        Meta(
            ge=65536,
            le=10_000_000_000,
            description="Size at which the log of `hydria up --detach` is renamed to hydria.log.1, in the place of the"
            " last one, and begun anew.",
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
        """Where the server keeps what its own agent is let in with."""
        return self.state_dir / "agent.secret"

    @property
    def host_id_file(self) -> Path:
        """Where this host's identity is kept, which a change of its name leaves alone."""
        return self.state_dir / "host.id"

    @property
    def database_notice_file(self) -> Path:
        """What a server wrote that found an empty database beside the keys of an earlier one."""
        return self.state_dir / "database.notice"

    @property
    def credentials_file(self) -> Path:
        """Where the first admin's credentials are written."""
        return self.state_dir / "clouds.yaml"

    @property
    def loopback_url(self) -> str:
        """Where a program on this machine reaches the server, without a trailing slash."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.server.host, self.server.host)  # noqa: S104
        return f"http://[{host}]:{self.server.port}" if ":" in host else f"http://{host}:{self.server.port}"

    @property
    def public_url(self) -> str:
        """What clients are told, without a trailing slash."""
        return (self.server.public_url or self.loopback_url).rstrip("/")

    @property
    def agent_server_url(self) -> str:
        """Where the agent reaches the server, without a trailing slash."""
        return (self.agent.server_url or self.loopback_url).rstrip("/")
