"""The headers that a listener adds to requests for its pools (Octavia's `insert_headers`). Pure."""

from hydria.model import Listener


def header_lines(listener: Listener) -> list[str]:
    """Return what adds the headers; for a listener's backends, so that its policies see what the client sent."""
    wanted = {name for name, value in (listener.insert_headers or {}).items() if value.lower() == "true"}
    lines = []
    if "X-Forwarded-For" in wanted:
        lines.append("option forwardfor")
    values = {"X-Forwarded-Port": "%[dst_port]", "X-Forwarded-Proto": _scheme(listener)}
    lines += [f"http-request set-header {name} {value}" for name, value in values.items() if name in wanted]
    return lines


def _scheme(listener: Listener) -> str:
    return "https" if listener.protocol == "TERMINATED_HTTPS" else "http"
