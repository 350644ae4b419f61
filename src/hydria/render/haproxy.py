"""An instance as HAProxy's configuration. Only what touches traffic is in it, so a rename changes nothing. Pure."""

import ipaddress

from msgspec import Struct

from hydria.model import HealthMonitor, Listener, Member, Pool, Tree
from hydria.render.quoting import quote
from hydria.spec import Instance

# A method that may be sent twice without harm (RFC 9110, 9.2.2, without the ones that change something).
_REPEATABLE = "GET HEAD OPTIONS"


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the host adds: where HAProxy's files are and what it may use.

    `events` is the datagram socket that takes state changes; `max_connections` is what one process can hold.
    """

    directory: str
    events: str
    user: str
    group: str
    threads: int
    max_connections: int


class Server(Struct, frozen=True, kw_only=True):
    """One server line, in the parts that can change while HAProxy runs. `options` are fixed for its life."""

    backend: str
    name: str
    address: str
    options: tuple[str, ...] = ()
    weight: int = 1
    enabled: bool = True

    @property
    def line(self) -> str:
        """The configuration's line, without what stands before the name."""
        words = (self.name, self.address, "weight", str(self.weight), *self.options)
        return " ".join(words if self.enabled else (*words, "disabled"))


class Rendering(Struct, frozen=True, kw_only=True):
    """A configuration: the whole text, the text without its server lines, and the servers."""

    text: str
    frame: str
    servers: tuple[Server, ...]


def render(instance: Instance, surroundings: Surroundings) -> Rendering:
    """Return the configuration that serves an instance."""
    tree, vip = instance.tree, instance.interfaces[0].addresses
    listeners = [each for each in tree.listeners if each.admin_state_up and tree.load_balancer.admin_state_up]
    address = tree.load_balancer.vip_address
    if vip and all(each.ip != address for each in vip):
        raise ValueError(f"the VIP {address} is not on the first interface")
    sections: list[_Section] = [_global(instance, surroundings), _defaults()]
    servers: list[Server] = []
    for listener in listeners:
        pool = _active_pool(tree, listener)
        backend = f"{pool.id}:{listener.id}" if pool else None
        sections.append(_frontend(listener, address, backend, surroundings))
        if pool and backend:
            monitor = _active_monitor(tree, pool)
            mine = [_server(backend, member, monitor) for member in tree.members_of(pool.id)]
            sections.append([*_backend(backend, listener, pool, monitor, surroundings), *mine])
            servers += mine
    return Rendering(
        text=_write(sections),
        frame=_write([_without_servers(section) for section in sections]),
        servers=tuple(servers),
    )


_Section = list[str | Server]


def _without_servers(section: _Section) -> _Section:
    return [line for line in section if isinstance(line, str)]


def _write(sections: list[_Section]) -> str:
    blocks = []
    for section in sections:
        head, *rest = section
        lines = [line if isinstance(line, str) else f"server {line.line}" for line in rest]
        blocks.append("\n    ".join((str(head), *lines)))
    return "\n\n".join(blocks) + "\n"


def _global(instance: Instance, surroundings: Surroundings) -> _Section:
    return [
        "global",
        f"stats socket {quote(surroundings.directory + '/haproxy.sock')} mode 600 level admin expose-fd listeners",
        f"server-state-file {quote(surroundings.directory + '/servers.state')}",
        f"user {surroundings.user}",
        f"group {surroundings.group}",
        f"nbthread {surroundings.threads}",
        f"maxconn {surroundings.max_connections}",
        # What arrives on the event socket begins with this.
        f"log-tag {instance.amphora_id}",
    ]


def _defaults() -> _Section:
    return [
        "defaults",
        "retries 3",
        "option redispatch 1",
        "option idle-close-on-response",
        "load-server-state-from-file global",
    ]


def _mode(protocol: str) -> str:
    return "http" if protocol in ("HTTP", "TERMINATED_HTTPS") else "tcp"


def _frontend(listener: Listener, vip: str, backend: str | None, surroundings: Surroundings) -> _Section:
    limit = listener.connection_limit
    most = surroundings.max_connections if limit < 0 else min(limit, surroundings.max_connections)
    shown = f"[{vip}]" if ipaddress.ip_address(vip).version == 6 else vip
    lines: _Section = [
        f"frontend {listener.id}",
        f"mode {_mode(listener.protocol)}",
        f"bind {shown}:{listener.protocol_port}",
        f"maxconn {most}",
        f"timeout client {listener.timeout_client_data}",
    ]
    if listener.timeout_tcp_inspect:
        lines.append(f"tcp-request inspect-delay {listener.timeout_tcp_inspect}")
    return [*lines, f"default_backend {backend}"] if backend else lines


def _backend(
    name: str, listener: Listener, pool: Pool, monitor: HealthMonitor | None, surroundings: Surroundings
) -> list[str]:
    lines = [
        f"backend {name}",
        f"mode {_mode(pool.protocol)}",
        # State changes only: what traffic would log is below notice.
        f"log {quote(surroundings.events)} local0 notice",
        "option log-health-checks",
        *_balance(pool),
        "option allbackups",
        f"timeout connect {listener.timeout_member_connect}",
        f"timeout server {listener.timeout_member_data}",
    ]
    if _mode(pool.protocol) == "http":
        lines += _second_chances(monitor)
    return lines if monitor is None else [*lines, *_check(monitor)]


def _balance(pool: Pool) -> list[str]:
    algorithm = {
        "ROUND_ROBIN": "roundrobin",
        "LEAST_CONNECTIONS": "leastconn",
        "SOURCE_IP": "source",
    }[pool.lb_algorithm]
    # Only a consistent hash takes new servers while it runs, and moves few clients.
    return ["balance source", "hash-type consistent"] if algorithm == "source" else [f"balance {algorithm}"]


def _second_chances(monitor: HealthMonitor | None) -> list[str]:
    """Let another member answer what one failed to, where asking twice does no harm."""
    failures = "conn-failure empty-response"
    if monitor is not None and monitor.type in ("HTTP", "HTTPS"):
        # A monitor says what a healthy answer is: until it has noticed, an error may be a member's own.
        failures += " 500 502 503 504"
    return [f"retry-on {failures}", f"http-request disable-l7-retry unless {{ method {_REPEATABLE} }}"]


def _check(monitor: HealthMonitor) -> list[str]:
    lines = [f"timeout check {max(1, monitor.timeout)}s"]
    if monitor.type == "TLS-HELLO":
        return [*lines, "option ssl-hello-chk"]
    if monitor.type not in ("HTTP", "HTTPS"):
        return lines
    send = f"http-check send meth {monitor.http_method} uri {quote(monitor.url_path or '/')}"
    if monitor.http_version == "1.1":
        host = f" hdr Host {quote(monitor.domain_name)}" if monitor.domain_name else ""
        send += f" ver HTTP/1.1{host}"
    codes = (monitor.expected_codes or "200").replace(" ", "")
    return [*lines, "option httpchk", send, f"http-check expect status {codes}"]


def _server(backend: str, member: Member, monitor: HealthMonitor | None) -> Server:
    options: list[str] = []
    if monitor is not None:
        options += ["check", "inter", f"{max(1, monitor.delay)}s"]
        options += ["fall", str(monitor.max_retries_down), "rise", str(monitor.max_retries)]
        if monitor.type == "HTTPS":
            options += ["check-ssl", "verify", "none"]
        if member.monitor_address:
            options += ["addr", member.monitor_address]
        if member.monitor_port:
            options += ["port", str(member.monitor_port)]
    if member.backup:
        options.append("backup")
    host = f"[{member.address}]" if ":" in member.address else member.address
    return Server(
        backend=backend,
        name=member.id,
        address=f"{host}:{member.protocol_port}",
        options=tuple(options),
        weight=member.weight,
        enabled=member.admin_state_up,
    )


def _active_pool(tree: Tree, listener: Listener) -> Pool | None:
    pool = tree.pool(listener.default_pool_id)
    return pool if pool is not None and pool.admin_state_up else None


def _active_monitor(tree: Tree, pool: Pool) -> HealthMonitor | None:
    monitor = tree.monitor_of(pool.id)
    return monitor if monitor is not None and monitor.admin_state_up else None
