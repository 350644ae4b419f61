"""Octavia's checks of pools: algorithm, session persistence, TLS to members. Pure."""

import re
from collections.abc import Iterable, Sequence

from msgspec import UNSET, structs

from hydria.errors import Invalid, Unsupported
from hydria.model import tls
from hydria.model.faults import invalid_combination, unsupported
from hydria.model.fields import DATAGRAM
from hydria.model.pool import Pool, PoolUpdate, SessionPersistence

# Pools whose HTTP HAProxy does not read; and listeners that do not read it for their pool, as PROXY pools need.
_UNREAD_POOLS, _UNREAD_LISTENERS = ("HTTPS", "TCP"), ("HTTPS", "TCP")
_COOKIES = ("APP_COOKIE", "HTTP_COOKIE")

# The characters that the grammar of Set-Cookie does not allow in a name.
_BAD_COOKIE = re.compile(r"[\x00-\x20\x22\x28-\x29\x2c\x2f\x3a-\x40\x5b-\x5d\x7b\x7d\x7f]|[^\x00-\xff]")


def with_tls_defaults(pool: Pool) -> Pool:
    """Return a new pool with defaults for TLS."""
    if not pool.tls_enabled:
        return pool
    return structs.replace(
        pool,
        tls_ciphers=tls.CIPHERS if pool.tls_ciphers is None else pool.tls_ciphers,
        tls_versions=tls.VERSIONS if pool.tls_versions is None else pool.tls_versions,
        alpn_protocols=tls.ALPN if pool.alpn_protocols is None else pool.alpn_protocols,
    )


def check(pool: Pool, before: Pool | None = None) -> None:
    """Refuse a pool whose attributes do not fit its protocol or each other. Raises Invalid, Unsupported.

    `before` is the pool before an update, None for a new one. It changes the wording, and whether attributes of TLS
    are checked while TLS is off.
    """
    _check_persistence(pool.session_persistence, pool.protocol)
    if pool.crl_container_ref and not pool.ca_tls_container_ref:
        raise _no_ca(before)
    tls.check_ciphers(pool.tls_ciphers)
    if pool.tls_enabled or (before is not None and before.tls_versions != pool.tls_versions):
        tls.check_versions(pool.tls_versions)
    if pool.tls_enabled or (before is not None and before.alpn_protocols != pool.alpn_protocols):
        tls.check_alpn(pool.alpn_protocols)
    _check_algorithm(pool.lb_algorithm)


def defaults_for_null(form: PoolUpdate) -> None:
    """Replace null by the defaults of TLS in an update."""
    if form.tls_ciphers is None:
        form.tls_ciphers = tls.CIPHERS
    if form.tls_versions is None:
        form.tls_versions = list(tls.VERSIONS)


def changed_persistence(before: Pool, form: PoolUpdate) -> SessionPersistence | None:
    """Return the session persistence after an update; without a type, the stored one stays. Raises Invalid."""
    asked = form.session_persistence
    if asked is UNSET or asked is None:
        return None
    stored = before.session_persistence.type if before.session_persistence else None
    kind = asked.type or stored
    if kind is None:
        raise invalid_combination("Invalid session_persistence provided.")
    return SessionPersistence(
        type=kind,
        cookie_name=asked.cookie_name,
        persistence_timeout=asked.persistence_timeout,
        persistence_granularity=asked.persistence_granularity,
    )


def _check_persistence(persistence: SessionPersistence | None, protocol: str) -> None:
    if persistence is None:
        return
    kind, cookie = persistence.type, persistence.cookie_name
    if protocol in DATAGRAM:
        _check_datagram_persistence(kind, cookie)
    elif persistence.persistence_timeout or persistence.persistence_granularity:
        raise invalid_combination(
            "persistence_timeout and persistence_granularity is only for UDP and SCTP protocol pools."
        )
    if cookie and kind != "APP_COOKIE":
        raise invalid_combination(
            'Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".'
        )
    if cookie and _BAD_COOKIE.search(cookie):
        raise invalid_combination('Supplied "cookie_name" is invalid.')
    if kind == "APP_COOKIE" and not cookie:
        raise invalid_combination(
            'Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.'
        )
    if kind in _COOKIES and protocol in _UNREAD_POOLS:
        raise _unreadable(kind, f"{protocol} pools")


def check_readable(pool: Pool, listener_protocol: str) -> None:
    """Refuse persistence by cookies where neither pool nor listener reads HTTP. Raises Unsupported."""
    persistence = pool.session_persistence
    if persistence is None or persistence.type not in _COOKIES or pool.protocol == "HTTP":
        return
    if listener_protocol in _UNREAD_LISTENERS:
        raise _unreadable(persistence.type, f"{pool.protocol} pools behind {listener_protocol} listeners")


def _unreadable(kind: str, where: str) -> Unsupported:
    return unsupported(
        f"Amphora provider does not support {kind} session persistence for {where}, whose cookies it cannot read."
    )


def _check_datagram_persistence(kind: str, cookie: str | None) -> None:
    if kind == "SOURCE_IP" and cookie:
        raise invalid_combination(
            "session_persistence SOURCE_IP type for UDP and SCTP protocols only accepts: type, persistence_timeout, "
            "persistence_granularity."
        )
    if cookie:
        raise invalid_combination("Cookie names are not supported for UDP/SCTP pools.")
    if kind != "SOURCE_IP":
        raise invalid_combination(f"Session persistence of type {kind} is not supported for UDP/SCTP protocol pools.")


def _no_ca(before: Pool | None) -> Invalid:
    if before is None:
        return invalid_combination("A CA certificate reference is required to specify a revocation list.")
    if before.ca_tls_container_ref:
        return invalid_combination("A CA reference cannot be removed when a certificate revocation list is present.")
    return invalid_combination("A CA reference is required to specify a certificate revocation list.")


def _check_algorithm(algorithm: str) -> None:
    if algorithm == "SOURCE_IP_PORT":
        raise unsupported(f"Amphora provider does not support {algorithm} algorithm.")


def check_member_address(address: str) -> None:
    """Refuse the metadata service's address, as Octavia does. Raises Invalid."""
    if address == "169.254.169.254":
        raise Invalid(f"{address} is not a valid option for member address")


def check_families(pool_protocol: str, addresses: Iterable[str], vips: Sequence[str]) -> None:
    """Refuse members of datagram pools whose IP version no VIP has. Raises Unsupported."""
    if pool_protocol not in DATAGRAM:
        return
    if not {":" in address for address in addresses} <= {":" in vip for vip in vips}:
        raise unsupported(
            "This provider doesn't support mixing IPv4 and IPv6 addresses for its VIP and members in "
            f"{pool_protocol} load balancers."
        )
