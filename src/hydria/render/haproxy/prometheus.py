"""A PROMETHEUS listener: `/metrics` on its port, answered by the agent, whose counters survive reloads. Pure."""

from hydria.model import Listener
from hydria.render.haproxy.parts import METRICS, Section

# Proxies whose names begin so are our own, and appear in no metric.
INTERNAL = "hydria-metrics:"


def metrics_lines(listener: Listener) -> list[str]:
    """Return the lines in the frontend of the listener."""
    return [
        "http-request return status 404 unless { path /metrics }",
        "http-request return status 405 hdr Allow GET,HEAD unless METH_GET",
        f"default_backend {INTERNAL}{listener.id}",
    ]


def metrics_backend(listener: Listener) -> Section:
    """Return the section that asks the agent, over this amphora's own socket."""
    return [
        f"backend {INTERNAL}{listener.id}",
        "mode http",
        f"timeout connect {listener.timeout_member_connect}",
        f"timeout server {listener.timeout_member_data}",
        f"server agent unix@{METRICS}",
    ]
