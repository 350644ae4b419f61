"""A request as HAProxy's sample fetches see it. Pure."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

_UNRESERVED = re.compile(r"%([0-9A-Fa-f]{2})")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Request(Struct, frozen=True, kw_only=True):
    """A request of a client.

    `scheme` is `http`, `https`, `tcp`, `udp` or `sctp`. `headers` are pairs of a name and a value in the order of the
    request, with `Host` and `Cookie` among them. `certificate` is the subject of the client's certificate by its
    fields, None without one, and `verify_result` is OpenSSL's result for it.
    """

    port: int
    scheme: str = "http"
    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    source: str | None = None
    sni: str | None = None
    certificate: Mapping[str, str] | None = None
    verify_result: int = 0

    def values_of(self, name: str) -> list[str]:
        """Return the whole values of a header, one for each line."""
        return [value.strip(" \t") for each, value in self.headers if each.lower() == name.lower()]

    def cookies_of(self, name: str) -> list[str]:
        """Return the values of a cookie."""
        pairs = (part.partition("=") for line in self.values_of("cookie") for part in re.split("[;,]", line))
        return [value.strip(" \t").strip('"') for each, _, value in pairs if each.strip(" \t") == name]

    @property
    def path_only(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0].partition("#")[0]


def samples(request: Request, fetch: str, key: str) -> list[str]:
    """Return the values that a sample fetch of `render.haproxy.l7` yields; `key` is its argument, if it has one."""
    source, *converters = fetch.replace("field(-1,.)", "field").split(",")
    values = _FETCHES[source](request, key)
    for converter in converters:
        values = [_CONVERTERS[converter](value) for value in values]
    return values


def normalised(path: str) -> str:
    """Return a path as HAProxy's `normalize-uri` makes it with the steps of `render.haproxy.l7`."""
    decoded = _UNRESERVED.sub(_decoded, path)
    parts = [part for part in decoded.split("/") if part != "."] if decoded != "." else [""]
    if decoded.endswith(("/.", "/..")):
        parts.append("")
    kept: list[str] = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "..":
            kept = kept[:-1]
        elif part or last:
            kept.append(part)
    return "/" + "/".join(kept)


def _decoded(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _PLAIN else found[0]


def _host(request: Request) -> list[str]:
    return request.values_of("host")


def _elements(request: Request, name: str) -> list[str]:
    """Return the elements between commas of a header's values; commas in quotes do not count."""
    found = []
    for value in request.values_of(name):
        found += [each.strip(" \t") for each in re.findall(r'(?:"(?:\\.|[^"\\])*"|[^,"])+', value)]
    return [each for each in found if each]


def _verified(request: Request, _: str) -> list[str]:
    return [str(request.verify_result)] if request.scheme == "https" else []


def _field(request: Request, name: str) -> list[str]:
    if request.certificate is None or name not in request.certificate:
        return []
    return [request.certificate[name]]


_FETCHES: Mapping[str, Callable[[Request, str], list[str]]] = {
    "req.cook({})": lambda request, name: request.cookies_of(name),
    "req.fhdr({})": lambda request, name: request.values_of(name),
    "req.hdr({})": _elements,
    "req.fhdr(host)": lambda request, _: _host(request),
    "path": lambda request, _: [request.path_only],
    "var(txn.normalised_path)": lambda request, _: [normalised(request.path_only)],
    "ssl_c_s_dn({})": _field,
    "ssl_c_used": lambda request, _: ["true"] if request.certificate is not None else [],
    "ssl_c_verify": _verified,
}
_CONVERTERS: Mapping[str, Callable[[str], str]] = {
    "host_only": lambda value: re.sub(r":\d*$", "", value),
    "rtrim(.)": lambda value: value.rstrip("."),
    "field": lambda value: value.rpartition(".")[2],
}
