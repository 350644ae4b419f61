"""A health monitor as HAProxy's health checks. Pure."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import assert_never

from hydria.model import HealthMonitor, Member, Pool
from hydria.model.fields import LONGEST_CHECK
from hydria.render.haproxy import tls
from hydria.render.haproxy.hello import client_hello
from hydria.render.haproxy.parts import PROXY_PROTOCOLS, host_word
from hydria.render.quoting import quote

# A handshake or an alert: both are TLS.
_HELLO = (
    "option tcp-check",
    f"tcp-check send-binary {client_hello()}",
    f"tcp-check expect min-recv 5 rbinary {quote('^1[56]03')} ok-status L6OK error-status L6RSP tout-status L6TOUT",
)

# The number of words of timing at the beginning of a server's options: check, inter, fall and rise.
_TIMING = 7

# The member's address and port, IPv6 in brackets: the host of a monitor without a domain name.
_MEMBER_ITSELF = quote(r"%[bc_dst,regsub(.*:.*,[\0])]:%[bc_dst_port]")


def check_lines(pool: Pool, monitor: HealthMonitor) -> list[str]:
    """Return the lines of a monitor in the backend of its pool."""
    lines = [f"timeout check {_seconds(monitor.timeout)}s"]
    match monitor.type:
        case "TLS-HELLO":
            return [*lines, *_HELLO]
        case "HTTP" | "HTTPS":
            return [*lines, *_http_lines(pool, monitor)]
        case "TCP":
            return lines
        case "PING" | "SCTP" | "UDP-CONNECT":
            raise ValueError(f"HAProxy has no checks of the type {monitor.type}")
        case unknown:
            assert_never(unknown)


def _http_lines(pool: Pool, monitor: HealthMonitor) -> list[str]:
    send = f"http-check send meth {monitor.http_method} uri {quote(monitor.url_path or '/')}"
    if monitor.http_version == "1.1":
        send += " ver HTTP/1.1"
    host = _host(pool, monitor)
    if host is not None:
        send += f" hdr Host {host}"
    codes = (monitor.expected_codes or "200").replace(" ", "")
    return ["option httpchk", send, f"http-check expect status {codes}"]


def check_options(pool: Pool, member: Member, monitor: HealthMonitor) -> list[str]:
    """Return the options of a monitor for the server of one member."""
    options = ["check", "inter", f"{_seconds(monitor.delay)}s"]
    options += ["fall", str(monitor.max_retries_down), "rise", str(monitor.max_retries)]
    elsewhere = bool(member.monitor_address or member.monitor_port)
    if _by_tls(pool, monitor, elsewhere=elsewhere):
        options += ["check-ssl", *_tls_words(pool, monitor)]
    if pool.protocol in PROXY_PROTOCOLS and not elsewhere:
        # A server that is added at runtime uses the PROXY protocol for its checks only with this word.
        options.append("check-send-proxy")
    if member.monitor_address:
        options += ["addr", host_word(member.monitor_address)]
    if member.monitor_port:
        options += ["port", str(member.monitor_port)]
    elif monitor.type == "TLS-HELLO" and pool.tls_enabled and not elsewhere:
        # This check is a TLS handshake itself: an explicit port keeps HAProxy from putting it into another one.
        options += ["port", str(member.protocol_port)]
    return options


def without_timing(options: Sequence[str]) -> Sequence[str]:
    """Return the words of `check_options` without those of timing."""
    return options[_TIMING:]


def _by_tls(pool: Pool, monitor: HealthMonitor, *, elsewhere: bool) -> bool:
    """Say whether a check uses TLS: the monitor says so, or the check takes the way of the traffic."""
    return monitor.type == "HTTPS" or (pool.tls_enabled and monitor.type != "TLS-HELLO" and not elsewhere)


def _tls_words(pool: Pool, monitor: HealthMonitor) -> list[str]:
    words = [] if pool.tls_enabled else ["verify", "none"]
    if pool.tls_enabled and monitor.type != "TCP":
        words += tls.check_protocols(pool)
    # With a CA, HAProxy would require this name in members' certificates, which the user did not ask for.
    if monitor.domain_name and not _is_address(monitor.domain_name) and not pool.ca_tls_container_ref:
        words += ["check-sni", monitor.domain_name.rstrip(".")]
    return words


def _host(pool: Pool, monitor: HealthMonitor) -> str | None:
    """Return the Host header of a check as a word: HTTP/1.1 and HTTP/2 requests must have one."""
    if monitor.domain_name:
        return quote(monitor.domain_name)
    by_http_2 = pool.tls_enabled and "h2" in (pool.alpn_protocols or ())
    return _MEMBER_ITSELF if monitor.http_version == "1.1" or by_http_2 else None


def _seconds(asked: int) -> int:
    # Values that were stored before there was a limit may exceed it.
    return min(max(1, asked), LONGEST_CHECK)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
