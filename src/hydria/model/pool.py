"""A pool: members that share traffic, and how they share it."""

from msgspec import UNSET, Struct

from hydria.model.base import Child
from hydria.model.fields import (
    Algorithm,
    AlpnProtocol,
    Ciphers,
    CookieName,
    IpAddress,
    Maybe,
    Name,
    PersistenceType,
    PoolProtocol,
    Tag,
    Text,
    TlsVersion,
    Uuid,
)


class SessionPersistence(Struct, frozen=True, kw_only=True):
    """How a client is kept with one member."""

    type: PersistenceType
    cookie_name: CookieName | None = None
    persistence_timeout: int | None = None
    persistence_granularity: IpAddress | None = None


class Pool(Child, frozen=True, kw_only=True):
    """The stored pool."""

    description: str = ""
    protocol: PoolProtocol
    lb_algorithm: Algorithm
    session_persistence: SessionPersistence | None = None
    tls_container_ref: str | None = None
    ca_tls_container_ref: str | None = None
    crl_container_ref: str | None = None
    tls_enabled: bool = False
    tls_ciphers: str | None = None
    tls_versions: tuple[str, ...] | None = None
    alpn_protocols: tuple[AlpnProtocol, ...] | None = None


class PersistenceUpdate(Struct, kw_only=True):
    """Session persistence in an update; without a type, the stored one stays."""

    type: PersistenceType | None = None
    cookie_name: CookieName | None = None
    persistence_timeout: int | None = None
    persistence_granularity: IpAddress | None = None


class PoolForm(Struct, kw_only=True):
    """The attributes in every body of a pool."""

    name: Maybe[Name] = UNSET
    description: Maybe[Text] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    lb_algorithm: Maybe[Algorithm] = UNSET
    tags: Maybe[list[Tag]] = UNSET
    tls_container_ref: Maybe[Text] = UNSET
    ca_tls_container_ref: Maybe[Text] = UNSET
    crl_container_ref: Maybe[Text] = UNSET
    tls_enabled: Maybe[bool] = UNSET
    tls_ciphers: Maybe[Ciphers] = UNSET
    tls_versions: Maybe[list[TlsVersion]] = UNSET
    alpn_protocols: Maybe[list[AlpnProtocol]] = UNSET


class PoolUpdate(PoolForm, kw_only=True):
    """The body of an update."""

    session_persistence: Maybe[PersistenceUpdate] = UNSET


class PoolBody(PoolForm, kw_only=True):
    """The pool's own attributes in a create, nested or not."""

    id: Maybe[Uuid] = UNSET
    session_persistence: Maybe[SessionPersistence] = UNSET
    protocol: PoolProtocol
    lb_algorithm: Algorithm
