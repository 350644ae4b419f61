"""From the form of a request to the request that is explained."""

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from hydria.errors import Invalid
from hydria.render.explain import Request

_PORTS = {"http": 80, "https": 443}

# The most headers and cookies, and the longest text of each (characters).
_MOST, _LONGEST = 100, 8192


def request_of(form: Any, vip: str) -> Request:
    """Return the request; the VIP stands for a host that is not given. Raises Invalid."""
    scheme = form.scheme or "http"
    port = form.port if form.port not in (UNSET, None) else _PORTS.get(scheme)
    if port is None or not 1 <= port <= 65535:
        raise Invalid(f"A request by {scheme} needs a port from 1 to 65535.")
    headers = list(_headers(form.headers or {}))
    host = form.host or next((value for name, value in headers if name.lower() == "host"), None) or form.sni or vip
    headers = [(name, value) for name, value in headers if name.lower() != "host"]
    cookies = "; ".join(f"{name}={value}" for name, value in (form.cookies or {}).items())
    path = form.path or "/"
    texts = [host, path, cookies, *(text for pair in headers for text in pair)]
    if len(headers) > _MOST or any(len(text) > _LONGEST or not _is_line(text) for text in texts):
        raise Invalid(f"A request has at most {_MOST} headers, each a line of at most {_LONGEST} characters.")
    return Request(
        scheme=scheme,
        port=port,
        method=form.method or "GET",
        path=path if path.startswith("/") else f"/{path}",
        headers=(("Host", host), *headers, *((("Cookie", cookies),) if cookies else ())),
        source=form.source or None,
        sni=form.sni or host,
    )


def _headers(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str):
                raise Invalid(f"The value of header {name} must be a text or a list of texts.")
            yield name, each


def _is_line(text: str) -> bool:
    return not any(character in text for character in "\r\n\0")
