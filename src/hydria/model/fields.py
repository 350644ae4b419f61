"""The value types of Octavia's attributes. Their bounds are checked when a body is decoded.

`extra={"format": …}` names a check that a pattern cannot express; `hydria.http.decode` makes it, and rewrites
addresses to their canonical form. Fields of stored structs have the same types, so that filters of lists compare
addresses by value. `extra_json_schema` describes the check in the OpenAPI page.
"""

from typing import Annotated, Literal, TypeAlias, TypeVar, Union

from msgspec import Meta, UnsetType

T = TypeVar("T")

# Not given, or null, which stands for the default.
Maybe: TypeAlias = Union[T, None, UnsetType]  # noqa: UP007 - an alias with a type variable

Name = Annotated[str, Meta(max_length=255)]
ProviderName = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=255)]
Tag = Annotated[str, Meta(max_length=255)]
ProjectId = Annotated[str, Meta(max_length=36)]
Uuid = Annotated[str, Meta(extra={"format": "uuid"}, extra_json_schema={"format": "uuid"})]
IpAddress = Annotated[
    str,
    Meta(extra={"format": "ipaddress"}, extra_json_schema={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]
Cidr = Annotated[
    str, Meta(extra={"format": "cidr"}, extra_json_schema={"description": "An IPv4 or IPv6 network in CIDR notation."})
]
MacAddress = Annotated[
    str, Meta(extra={"format": "mac"}, extra_json_schema={"description": "A MAC address, shown as aa:bb:cc:dd:ee:ff."})
]
UrlPath = Annotated[str, Meta(max_length=255, extra={"format": "url_path"}, extra_json_schema={"pattern": "^/"})]
Port = Annotated[int, Meta(ge=1, le=65535)]
ConnectionLimit = Annotated[int, Meta(ge=-1)]
Milliseconds = Annotated[int, Meta(ge=0, le=2073600000)]
Weight = Annotated[int, Meta(ge=0, le=256)]
Seconds = Annotated[int, Meta(ge=0)]
# HAProxy counts milliseconds up to 2**31 - 1.
LONGEST_CHECK = 2147483
CheckSeconds = Annotated[int, Meta(ge=0, le=LONGEST_CHECK)]
Retries = Annotated[int, Meta(ge=1, le=10)]
Ciphers = Annotated[str, Meta(max_length=2048)]
TlsVersion = Annotated[str, Meta(max_length=32)]
# Octavia's patterns end in $, which accepts a line break, and accept the digits of every script; these do not.
ExpectedCodes = Annotated[str, Meta(max_length=64, pattern=r"^[0-9]{3}( *, *[0-9]{3})*\Z|^[0-9]{3}-[0-9]{3}\Z")]
DomainName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=r"^(?=.{1,253}\.?\Z)(?:(?!-|[^.]+_)[A-Za-z0-9-_]{1,63}(?<!-)(?:\.|\Z))+\Z",
    ),
]
CookieName = Annotated[str, Meta(max_length=255, pattern=r"^[^\s,;\\]+\Z")]

ListenerProtocol = Literal["HTTP", "HTTPS", "PROMETHEUS", "SCTP", "TCP", "TERMINATED_HTTPS", "UDP"]
PoolProtocol = Literal["HTTP", "HTTPS", "PROXY", "PROXYV2", "SCTP", "TCP", "UDP"]
Algorithm = Literal["LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT"]
ClientAuthentication = Literal["MANDATORY", "NONE", "OPTIONAL"]
AlpnProtocol = Literal["h2", "http/1.1", "http/1.0"]
PersistenceType = Literal["APP_COOKIE", "HTTP_COOKIE", "SOURCE_IP"]
MonitorType = Literal["HTTP", "HTTPS", "PING", "SCTP", "TCP", "TLS-HELLO", "UDP-CONNECT"]
# The types that HAProxy cannot check: the agent does, and tells HAProxy the members' health.
CHECKED_BY_AGENT: tuple[MonitorType, ...] = ("PING",)
HttpMethod = Literal["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
HttpVersion = Literal["1.0", "1.1"]

# The protocols of listeners and pools that nftables rules serve, not HAProxy.
DATAGRAM = ("UDP", "SCTP")

# The pool protocols that a listener protocol allows (Octavia's VALID_LISTENER_POOL_PROTOCOL_MAP).
POOL_PROTOCOLS: dict[str, tuple[str, ...]] = {
    "TCP": ("HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"),
    "HTTP": ("HTTP", "PROXY", "PROXYV2"),
    "HTTPS": ("HTTPS", "PROXY", "PROXYV2", "TCP"),
    "TERMINATED_HTTPS": ("HTTP", "PROXY", "PROXYV2"),
    "UDP": ("UDP",),
    "SCTP": ("SCTP",),
    "PROMETHEUS": (),
}
