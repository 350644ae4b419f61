"""A pool behind a listener as a backend with its servers. Pure."""

from collections.abc import Sequence

from hydria.contract import Instance
from hydria.model import HealthMonitor, Listener, Member, Pool
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
from hydria.render.haproxy.persistence import cookie_key, persistence_lines

# A method that may be sent twice without harm (RFC 9110, 9.2.2, without the ones that change something).
_REPEATABLE = "GET HEAD OPTIONS"


def backend(instance: Instance, listener: Listener, pool: Pool, surroundings: Surroundings) -> Section:
    """Return the section of a pool that is switched on and that the listener sends to."""
    tree = instance.tree
    monitor = tree.monitor_of(pool.id)
    # HAProxy cannot ping: the agent does, and tells it.
    if monitor is not None and (not monitor.admin_state_up or monitor.type == "PING"):
        monitor = None
    lines: Section = [
        f"backend {backend_name(pool, listener)}",
        f"mode {mode_of(listener, pool)}",
        # State changes only: what traffic would log is below notice.
        f"log {EVENTS} local0 notice",
        *health_lines(surroundings),
        "option log-health-checks",
        *_balance(pool),
        *persistence_lines(pool),
        "option allbackups",
        f"timeout connect {listener.timeout_member_connect}",
        f"timeout server {listener.timeout_member_data}",
    ]
    if mode_of(listener, pool) == "http":
        lines += [*_second_chances(monitor), *header_lines(listener)]
    if monitor is not None:
        lines += check_lines(pool, monitor)
    words = [*_proxy(pool, listener), *tls.server_words(pool, surroundings.directory)]
    return [*lines, *(_server(pool, listener, member, monitor, words) for member in tree.members_of(pool.id))]


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
    # Only a consistent hash takes new servers while it runs, and moves few clients.
    return ["balance source", "hash-type consistent"] if algorithm == "source" else [f"balance {algorithm}"]


def _second_chances(monitor: HealthMonitor | None) -> list[str]:
    """Let another member answer what one failed to, where asking twice does no harm: once, and only another.

    `nbsrv` counts the members that may be chosen at that moment. HAProxy has one counter for what could not be sent
    and for what is asked again, so a second connection that fails ends the request.
    """
    if monitor is not None and monitor.type in ("HTTP", "HTTPS"):
        # A monitor says what a healthy answer is: until it has noticed, an error may be a member's own.
        failures, chosen = "conn-failure empty-response 500 502 503 504", ""
    else:
        # HAProxy copies its whole buffer for each request that it may repeat, a twentieth of its time and more. Of a
        # later request it hangs up instead of answering 502, and clients repeat that themselves (RFC 9110, 9.2.2).
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
