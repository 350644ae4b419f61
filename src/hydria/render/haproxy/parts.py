"""The parts of a configuration, and its notation of addresses and names. Pure."""

from collections.abc import Mapping
from ipaddress import ip_address

from msgspec import Struct

from hydria.model import Listener, Pool
from hydria.render.quoting import quote

# The directory in the amphora's one that is HAProxy's root.
ROOT = "root"

# The paths of sockets there, as HAProxy sees them: the datagram socket for state changes, the stream socket for
# scrapes, and the datagram socket that the access log is forwarded to.
EVENTS, METRICS, SYSLOG = "/events.sock", "/metrics.sock", "/syslog.sock"


class Surroundings(Struct, frozen=True, kw_only=True):
    """The host's part of a configuration: HAProxy's directory, account and limits.

    `max_connections` is the most that one process can have; `syslog` says whether the access log is forwarded.
    """

    directory: str
    uid: int
    gid: int
    threads: int
    max_connections: int
    syslog: bool = False


class Server(Struct, frozen=True, kw_only=True):
    """One server line, split into the parts that can change at runtime. `options` are words that cannot.

    `cookie_key` is the key of the backend's cookies, which has to be set again when a server is added at runtime.
    `asks` is the request of its health check, without the timing; empty where HAProxy does not check.
    """

    backend: str
    name: str
    address: str
    options: tuple[str, ...] = ()
    weight: int = 1
    enabled: bool = True
    cookie_key: str | None = None
    asks: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The line from the server's name on."""
        words = (self.name, self.address, "weight", str(self.weight), *map(quote, self.options))
        return " ".join(words if self.enabled else (*words, "disabled"))


class Rendering(Struct, frozen=True, kw_only=True):
    """A configuration: the whole `text`, the `frame` (the text without its server lines), and the servers.

    `tables` are the backends with a stick table, each with the meaning of its keys; `files` are the secrets by path.
    """

    text: str
    frame: str
    servers: tuple[Server, ...]
    tables: Mapping[str, str] = {}
    files: Mapping[str, str] = {}


# The server options of pool protocols that announce the client by the PROXY protocol.
PROXY_PROTOCOLS = {"PROXY": ("send-proxy",), "PROXYV2": ("send-proxy-v2",)}

# A section of a configuration; its first line has the keyword.
Section = list[str | Server]


def endpoint(address: str, port: int) -> str:
    """Return an address with a port."""
    return f"{host_word(address)}:{port}"


def host_word(address: str) -> str:
    """Return an address as HAProxy expects it before a port: IPv6 in brackets."""
    return f"[{address}]" if ip_address(address).version == 6 else address


def backend_name(pool: Pool, listener: Listener) -> str:
    """Return the name of a pool's backend; each listener has one, as timeouts are the listener's."""
    return f"{pool.id}:{listener.id}"


def mode_of(listener: Listener, pool: Pool | None = None) -> str:
    """Return HAProxy's mode of a listener, or of a pool behind it: `http` or `tcp`."""
    reads = listener.protocol in ("HTTP", "PROMETHEUS", "TERMINATED_HTTPS") or (
        pool is not None and pool.protocol == "HTTP"
    )
    return "http" if reads else "tcp"
