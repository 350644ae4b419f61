"""The frontend of a listener. Pure."""

from hydria.contract import Instance
from hydria.model import Listener
from hydria.model.flavor_profile import NORMALISE_PATHS
from hydria.render.haproxy import tls
from hydria.render.haproxy.acme import challenge_lines
from hydria.render.haproxy.l7 import policy_lines
from hydria.render.haproxy.logs import traffic_lines
from hydria.render.haproxy.parts import Section, Surroundings, backend_name, endpoint, mode_of
from hydria.render.haproxy.prometheus import metrics_lines

_PORTION = 50
# The acl of allowed CIDRs. The names of L7 rules' acls are ids.
_ALLOWED, _REFUSE = "allowed_sources", "tcp-request connection reject"


def frontend(instance: Instance, listener: Listener, surroundings: Surroundings) -> Section:
    """Return the section of a live listener."""
    limit = listener.connection_limit
    most = surroundings.max_connections if limit < 0 else min(limit, surroundings.max_connections)
    endpoints = ",".join(endpoint(each, listener.protocol_port) for each in instance.tree.load_balancer.vip_addresses)
    lines: Section = [
        f"frontend {listener.id}",
        f"mode {mode_of(listener)}",
        f"bind {endpoints}{tls.bind_words(listener, surroundings.directory, instance.ticket_keys)}",
        f"maxconn {most}",
        f"timeout client {listener.timeout_client_data}",
        *traffic_lines(listener, surroundings),
    ]
    if instance.duty == "draining" and mode_of(listener) == "http":
        # The process before this one tells clients with their next answers to connect anew.
        lines.append("option httpclose")
    if listener.timeout_tcp_inspect:
        lines.append(f"tcp-request inspect-delay {listener.timeout_tcp_inspect}")
    lines += _source_lines(listener)
    lines += tls.response_lines(listener)
    if listener.protocol == "PROMETHEUS":
        return [*lines, *metrics_lines(listener)]
    normalise = instance.flavor.get(NORMALISE_PATHS) is True
    lines += [*challenge_lines(instance, listener), *policy_lines(instance.tree, listener, normalise=normalise)]
    pool = instance.tree.active_pool(listener.default_pool_id)
    if pool is not None:
        lines.append(f"default_backend {backend_name(pool, listener)}")
    return lines


def _source_lines(listener: Listener) -> list[str]:
    """Return the lines that refuse clients outside the allowed CIDRs: several, as a line has 64 words at most."""
    cidrs = listener.allowed_cidrs or ()
    if not cidrs:
        return []
    portions = [cidrs[start : start + _PORTION] for start in range(0, len(cidrs), _PORTION)]
    return [*(f"acl {_ALLOWED} src {' '.join(each)}" for each in portions), f"{_REFUSE} unless {_ALLOWED}"]
