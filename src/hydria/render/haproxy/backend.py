"""The backend of a pool behind a listener, with its servers. Pure."""

from collections.abc import Sequence

from msgspec import structs

from hydria.contract import Instance
from hydria.model import HealthMonitor, Listener, Member, Pool
from hydria.model.fields import CHECKED_BY_AGENT
from hydria.model.references import has_certificates
from hydria.render.haproxy import tls
from hydria.render.haproxy.checks import check_lines, check_options, without_timing
from hydria.render.haproxy.headers import header_lines
from hydria.render.haproxy.logs import health_lines
from hydria.render.haproxy.parts import (
    EVENTS,
    PROXY_PROTOCOLS,
    Section,
    Server,
    Surroundings,
    backend_name,
    endpoint,
    mode_of,
)
from hydria.render.haproxy.peers import numbers, shares_tables
from hydria.render.haproxy.persistence import cookie_key, persistence_lines, table_keys

# The methods that are safe to repeat (RFC 9110, 9.2.2, without those that change something).
_REPEATABLE = "GET HEAD OPTIONS"


def backend(instance: Instance, listener: Listener, pool: Pool, surroundings: Surroundings) -> Section:
    """Return the section of a live pool behind a listener."""
    tree = instance.tree
    monitor = tree.monitor_of(pool.id)
    # Where the agent checks, it sets the servers' health.
    if monitor is not None and (not monitor.admin_state_up or monitor.type in CHECKED_BY_AGENT):
        monitor = None
    lines: Section = [
        f"backend {backend_name(pool, listener)}",
        f"mode {mode_of(listener, pool)}",
        # State changes only: messages about traffic are below notice.
        f"log {EVENTS} local0 notice",
        *health_lines(surroundings),
        "option log-health-checks",
        *_balance(pool),
        *persistence_lines(pool, shared=shares_tables(instance)),
        "option allbackups",
        f"timeout connect {listener.timeout_member_connect}",
        f"timeout server {listener.timeout_member_data}",
    ]
    if mode_of(listener, pool) == "http":
        lines += [*_retry_lines(monitor), *header_lines(listener)]
    if monitor is not None:
        lines += check_lines(pool, monitor)
    words = [*_proxy(pool, listener), *tls.server_words(pool, surroundings.directory)]
    members = tree.members_of(pool.id)
    by_number = numbers(members) if shares_tables(instance) and table_keys(pool) is not None else {}
    for member in members:
        server = _server(pool, listener, member, monitor, words)
        if member.id in by_number:
            server = structs.replace(server, options=("id", str(by_number[member.id]), *server.options))
        lines.append(server)
    return lines


def _proxy(pool: Pool, listener: Listener) -> Sequence[str]:
    if pool.protocol == "PROXYV2" and has_certificates(listener):
        return ("send-proxy-v2-ssl-cn",)
    return PROXY_PROTOCOLS.get(pool.protocol, ())


def _balance(pool: Pool) -> list[str]:
    algorithm = {
        "ROUND_ROBIN": "roundrobin",
        "LEAST_CONNECTIONS": "leastconn",
        "SOURCE_IP": "source",
    }[pool.lb_algorithm]
    # Only a consistent hash accepts new servers at runtime, and it moves few clients.
    return ["balance source", "hash-type consistent"] if algorithm == "source" else [f"balance {algorithm}"]


def _retry_lines(monitor: HealthMonitor | None) -> list[str]:
    """Return the lines that repeat a failed request once, at another member, where that is safe.

    `nbsrv` counts the members that may be chosen at that moment. HAProxy has one counter for failed connections and
    repeated requests, so a second failed connection ends the request.
    """
    if monitor is not None and monitor.type in ("HTTP", "HTTPS"):
        # The monitor defines a healthy answer. Until it has detected a failure, an error may be the member's.
        failures, chosen = "conn-failure empty-response 500 502 503 504", ""
    else:
        # HAProxy copies its whole buffer for each request that it may repeat, which costs 5 % and more of its time. For
        # a later request of a connection it hangs up instead of answering 502, and clients repeat such a request
        # themselves (RFC 9110, 9.2.2).
        failures, chosen = "conn-failure empty-response", "{ http_first_req } "
    allowed = f"{{ nbsrv gt 1 }} {chosen}{{ method {_REPEATABLE} }}"
    return ["retries 1", f"retry-on {failures}", f"http-request disable-l7-retry unless {allowed}"]


def _server(
    pool: Pool, listener: Listener, member: Member, monitor: HealthMonitor | None, words: Sequence[str]
) -> Server:
    options = [] if monitor is None else check_options(pool, member, monitor)
    asks = () if monitor is None else (*check_lines(pool, monitor), *without_timing(options), *words)
    options += words
    if member.backup:
        options.append("backup")
    return Server(
        backend=backend_name(pool, listener),
        name=member.id,
        address=endpoint(member.address, member.protocol_port),
        options=tuple(options),
        weight=member.weight,
        enabled=member.admin_state_up,
        cookie_key=cookie_key(pool),
        asks=asks,
    )
