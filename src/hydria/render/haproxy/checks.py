"""A health monitor as HAProxy's own checks. Pure."""

from collections.abc import Sequence
from ipaddress import ip_address

from hydria.model import HealthMonitor, Member, Pool
from hydria.model.fields import LONGEST_CHECK
from hydria.render.haproxy import tls
from hydria.render.haproxy.hello import client_hello
from hydria.render.haproxy.parts import PROXY_PROTOCOLS, host_word
from hydria.render.quoting import quote

# An alert is an answer of TLS too.
_HELLO = (
    "option tcp-check",
    f"tcp-check send-binary {client_hello()}",
    f"tcp-check expect min-recv 5 rbinary {quote('^1[56]03')} ok-status L6OK error-status L6RSP tout-status L6TOUT",
)

# How many words at the beginning of a server's options say when it is checked: check, inter, fall and rise.
_TIMING = 7

# The member's own address and port, IPv6 in brackets: who names no host asks for that one, as clients do.
_MEMBER_ITSELF = quote(r"%[bc_dst,regsub(.*:.*,[\0])]:%[bc_dst_port]")


def check_lines(pool: Pool, monitor: HealthMonitor) -> list[str]:
    """Return what a monitor asks of the backend of its pool."""
    lines = [f"timeout check {_seconds(monitor.timeout)}s"]
    if monitor.type == "TLS-HELLO":
        return [*lines, *_HELLO]
    if monitor.type not in ("HTTP", "HTTPS"):
        return lines
    send = f"http-check send meth {monitor.http_method} uri {quote(monitor.url_path or '/')}"
    if monitor.http_version == "1.1":
        send += " ver HTTP/1.1"
    host = _host(pool, monitor)
    if host is not None:
        send += f" hdr Host {host}"
    codes = (monitor.expected_codes or "200").replace(" ", "")
    return [*lines, "option httpchk", send, f"http-check expect status {codes}"]


def check_options(pool: Pool, member: Member, monitor: HealthMonitor) -> list[str]:
    """Return what a monitor asks of the server of one member."""
    options = ["check", "inter", f"{_seconds(monitor.delay)}s"]
    options += ["fall", str(monitor.max_retries_down), "rise", str(monitor.max_retries)]
    elsewhere = bool(member.monitor_address or member.monitor_port)
    if _by_tls(pool, monitor, elsewhere=elsewhere):
        options += ["check-ssl", *_tls_words(pool, monitor)]
    if pool.protocol in PROXY_PROTOCOLS and not elsewhere:
        # Servers that are added while HAProxy runs check as they are spoken to only where they are told so.
        options.append("check-send-proxy")
    if member.monitor_address:
        options += ["addr", host_word(member.monitor_address)]
    if member.monitor_port:
        options += ["port", str(member.monitor_port)]
    elif monitor.type == "TLS-HELLO" and pool.tls_enabled and not elsewhere:
        # This check is a handshake of its own: with a port of its own it is not put into another.
        options += ["port", str(member.protocol_port)]
    return options


def without_timing(options: Sequence[str]) -> Sequence[str]:
    """Return what `check_options` says of the question alone, not of how often and how many times it is asked."""
    return options[_TIMING:]


def _by_tls(pool: Pool, monitor: HealthMonitor, *, elsewhere: bool) -> bool:
    """Say whether a check is made through TLS: where the monitor says so, or where it goes the way of the traffic."""
    return monitor.type == "HTTPS" or (pool.tls_enabled and monitor.type != "TLS-HELLO" and not elsewhere)


def _tls_words(pool: Pool, monitor: HealthMonitor) -> list[str]:
    words = [] if pool.tls_enabled else ["verify", "none"]
    if pool.tls_enabled and monitor.type != "TCP":
        words += tls.check_protocols(pool)
    # With an authority HAProxy would want this name in the members' certificates, which nobody asked for.
    if monitor.domain_name and not _is_address(monitor.domain_name) and not pool.ca_tls_container_ref:
        words += ["check-sni", monitor.domain_name.rstrip(".")]
    return words


def _host(pool: Pool, monitor: HealthMonitor) -> str | None:
    """Return the host that a request names, as a word: HTTP 1.1 must, and HTTP/2 has no request without."""
    if monitor.domain_name:
        return quote(monitor.domain_name)
    by_http_2 = pool.tls_enabled and "h2" in (pool.alpn_protocols or ())
    return _MEMBER_ITSELF if monitor.http_version == "1.1" or by_http_2 else None


def _seconds(asked: int) -> int:
    # Stored before there was a limit, some are longer than it.
    return min(max(1, asked), LONGEST_CHECK)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
