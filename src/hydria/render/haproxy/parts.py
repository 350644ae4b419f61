"""What a configuration is made of, and how addresses and names are written in it. Pure."""

from collections.abc import Mapping
from ipaddress import ip_address

from msgspec import Struct

from hydria.model import Listener, Pool
from hydria.render.quoting import quote

# What HAProxy sees as its root, in the amphora's directory.
ROOT = "root"

# Sockets in there, by the names that HAProxy has for them: the datagram socket that takes state changes, the stream
# socket that answers scrapes, the datagram socket to which the access log is forwarded.
EVENTS, METRICS, SYSLOG = "/events.sock", "/metrics.sock", "/syslog.sock"


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the host adds: where HAProxy's files are, which account it has and what it may use.

    `max_connections` is what one process can hold; `syslog` says whether the access log is forwarded.
    """

    directory: str
    uid: int
    gid: int
    threads: int
    max_connections: int
    syslog: bool = False


class Server(Struct, frozen=True, kw_only=True):
    """One server line, in the parts that can change while HAProxy runs. `options`, words, are fixed for its life.

    `cookie_key` is what its backend derives cookies from, of which HAProxy must be told again when the server is new.
    `asks` is what its health check asks, without how often; empty where HAProxy does not check.
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
        """The configuration's line, without what stands before the name."""
        words = (self.name, self.address, "weight", str(self.weight), *map(quote, self.options))
        return " ".join(words if self.enabled else (*words, "disabled"))


class Rendering(Struct, frozen=True, kw_only=True):
    """A configuration: the whole text, the text without its server lines, and the servers.

    `tables` are the backends whose stick tables remember clients, each with what its keys are; `files` is what stands
    at the paths that the text names: secrets.
    """

    text: str
    frame: str
    servers: tuple[Server, ...]
    tables: Mapping[str, str] = {}
    files: Mapping[str, str] = {}


# Pools whose members are told who the client is before anything else, and how.
PROXY_PROTOCOLS = {"PROXY": ("send-proxy",), "PROXYV2": ("send-proxy-v2",)}

# The first line opens it.
Section = list[str | Server]


def endpoint(address: str, port: int) -> str:
    """Write an address with a port."""
    return f"{host_word(address)}:{port}"


def host_word(address: str) -> str:
    """Write an address where HAProxy looks for a port behind it: IPv6 in brackets."""
    return f"[{address}]" if ip_address(address).version == 6 else address


def backend_name(pool: Pool, listener: Listener) -> str:
    """Name the backend of a pool behind a listener: timeouts are the listener's, so that each has its own."""
    return f"{pool.id}:{listener.id}"


def mode_of(listener: Listener, pool: Pool | None = None) -> str:
    """Say whether HAProxy reads HTTP there: in a listener, or in a pool behind it."""
    reads = listener.protocol in ("HTTP", "PROMETHEUS", "TERMINATED_HTTPS") or (
        pool is not None and pool.protocol == "HTTP"
    )
    return "http" if reads else "tcp"
