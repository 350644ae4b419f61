"""A listener: a port of the VIP, and how connections to it are handled."""

from msgspec import UNSET, Struct

from hydria.model.base import Child
from hydria.model.fields import (
    AlpnProtocol,
    Cidr,
    Ciphers,
    ClientAuthentication,
    ConnectionLimit,
    ListenerProtocol,
    Maybe,
    Milliseconds,
    Name,
    Port,
    Seconds,
    Tag,
    Text,
    TlsVersion,
    Uuid,
)


class Listener(Child, frozen=True, kw_only=True):
    """The stored listener; timeouts are milliseconds, and a `connection_limit` of -1 is no limit."""

    description: str = ""
    protocol: ListenerProtocol
    protocol_port: int
    connection_limit: int = -1
    default_pool_id: str | None = None
    default_tls_container_ref: str | None = None
    sni_container_refs: tuple[str, ...] = ()
    insert_headers: dict[str, str] | None = None
    timeout_client_data: int = 50000
    timeout_member_connect: int = 5000
    timeout_member_data: int = 50000
    timeout_tcp_inspect: int = 0
    client_ca_tls_container_ref: str | None = None
    client_authentication: ClientAuthentication = "NONE"
    client_crl_container_ref: str | None = None
    allowed_cidrs: tuple[Cidr, ...] | None = None
    tls_ciphers: str | None = None
    tls_versions: tuple[str, ...] | None = None
    alpn_protocols: tuple[AlpnProtocol, ...] | None = None
    hsts_max_age: int | None = None
    hsts_include_subdomains: bool = False
    hsts_preload: bool = False


class ListenerUpdate(Struct, kw_only=True):
    """The body of an update."""

    name: Maybe[Name] = UNSET
    description: Maybe[Text] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    connection_limit: Maybe[ConnectionLimit] = UNSET
    default_tls_container_ref: Maybe[Text] = UNSET
    sni_container_refs: Maybe[list[Text]] = UNSET
    default_pool_id: Maybe[Uuid] = UNSET
    insert_headers: Maybe[dict[str, Text]] = UNSET
    timeout_client_data: Maybe[Milliseconds] = UNSET
    timeout_member_connect: Maybe[Milliseconds] = UNSET
    timeout_member_data: Maybe[Milliseconds] = UNSET
    timeout_tcp_inspect: Maybe[Milliseconds] = UNSET
    tags: Maybe[list[Tag]] = UNSET
    client_ca_tls_container_ref: Maybe[Text] = UNSET
    client_authentication: Maybe[ClientAuthentication] = UNSET
    client_crl_container_ref: Maybe[Text] = UNSET
    allowed_cidrs: Maybe[list[Cidr]] = UNSET
    tls_ciphers: Maybe[Ciphers] = UNSET
    tls_versions: Maybe[list[TlsVersion]] = UNSET
    alpn_protocols: Maybe[list[AlpnProtocol]] = UNSET
    hsts_max_age: Maybe[Seconds] = UNSET
    hsts_include_subdomains: Maybe[bool] = UNSET
    hsts_preload: Maybe[bool] = UNSET


class ListenerBody(ListenerUpdate, kw_only=True):
    """The listener's own attributes in a create, nested or not."""

    id: Maybe[Uuid] = UNSET
    protocol: ListenerProtocol
    protocol_port: Port
