"""Octavia's checks of listeners: the attributes that a protocol allows, and those that need each other. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, structs

from hydria.errors import Invalid
from hydria.model import tls
from hydria.model.faults import invalid_combination, invalid_value, no_children
from hydria.model.fields import DATAGRAM, POOL_PROTOCOLS
from hydria.model.listener import Listener, ListenerUpdate
from hydria.model.pool import Pool
from hydria.model.pool_checks import check_readable
from hydria.model.references import has_certificates

HEADERS = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP")
TLS_HEADERS = (
    "X-SSL-Client-Verify",
    "X-SSL-Client-Has-Cert",
    "X-SSL-Client-DN",
    "X-SSL-Client-CN",
    "X-SSL-Issuer",
    "X-SSL-Client-SHA1",
    "X-SSL-Client-Not-Before",
    "X-SSL-Client-Not-After",
)


def check_pool(listener_protocol: str, pool: Pool) -> None:
    """Refuse a pool whose protocol the listener does not allow. Raises Invalid, Unsupported."""
    if listener_protocol == "PROMETHEUS":
        raise no_children(listener_protocol)
    if pool.protocol not in POOL_PROTOCOLS[listener_protocol]:
        raise invalid_combination(
            f"The pool protocol '{pool.protocol}' is invalid while the listener protocol is '{listener_protocol}'."
        )
    check_readable(pool, listener_protocol)


def with_tls_defaults(listener: Listener) -> Listener:
    """Return a new listener with defaults for TLS; an empty list of allowed CIDRs becomes None."""
    listener = structs.replace(listener, allowed_cidrs=listener.allowed_cidrs or None)
    if listener.protocol != "TERMINATED_HTTPS":
        return listener
    return structs.replace(
        listener,
        tls_ciphers=tls.CIPHERS if listener.tls_ciphers is None else listener.tls_ciphers,
        tls_versions=tls.VERSIONS if listener.tls_versions is None else listener.tls_versions,
        alpn_protocols=tls.ALPN if listener.alpn_protocols is None else listener.alpn_protocols,
    )


def check(listener: Listener, before: Listener | None = None) -> None:
    """Refuse a listener whose attributes do not fit its protocol or each other. Raises Invalid.

    `before` is the listener before an update, None for a new one. It changes the wording, and whether attributes that
    the protocol does not use are checked.
    """
    protocol = listener.protocol
    certificates = has_certificates(listener)
    terminates = protocol == "TERMINATED_HTTPS" or (protocol == "PROMETHEUS" and certificates)
    if before is not None and protocol in DATAGRAM and (certificates or listener.insert_headers):
        raise invalid_combination(f"{protocol} protocol listener does not support TLS or header insertion.")
    _check_headers(listener.insert_headers, protocol)
    if protocol in DATAGRAM and certificates:
        raise invalid_combination(f"{protocol} protocol listener does not support TLS.")
    if certificates and not terminates:
        raise _no_certificates(protocol)
    if terminates and not certificates:
        raise _certificate_must(f"for {protocol} protocol listeners")
    if listener.client_ca_tls_container_ref and not certificates:
        raise _certificate_must("with a client CA container reference")
    if listener.client_authentication != "NONE" and not listener.client_ca_tls_container_ref:
        raise _no_ca(listener.client_authentication)
    if listener.client_crl_container_ref and not listener.client_ca_tls_container_ref:
        raise _no_ca_for_crl()
    tls.check_ciphers(listener.tls_ciphers)
    if terminates or (before is not None and before.tls_versions != listener.tls_versions):
        tls.check_versions(listener.tls_versions)
    if terminates or (before is not None and before.alpn_protocols != listener.alpn_protocols):
        tls.check_alpn(listener.alpn_protocols)
    _check_hsts(listener, changing=before is not None)


def defaults_for_null(form: ListenerUpdate) -> None:
    """Replace null by the defaults of TLS in an update."""
    if form.tls_ciphers is None:
        form.tls_ciphers = tls.CIPHERS
    if form.tls_versions is None:
        form.tls_versions = list(tls.VERSIONS)
    if form.alpn_protocols is None:
        form.alpn_protocols = list(tls.ALPN)
    if form.allowed_cidrs is not UNSET:
        form.allowed_cidrs = form.allowed_cidrs or None


def check_sources(allowed_cidrs: Iterable[str], vips: Sequence[str], vip_sg_ids: Sequence[str]) -> None:
    """Refuse allowed CIDRs that can reach none of a load balancer's addresses. Raises Invalid.

    `vips` are addresses, or subnets where an address is still to be allocated.
    """
    cidrs = list(allowed_cidrs)
    if cidrs and vip_sg_ids:
        raise invalid_combination("Allowed CIDRs are not allowed when using custom VIP Security Groups.")
    for cidr in cidrs:
        if all((":" in cidr) != (":" in vip) for vip in vips):
            raise invalid_combination(f"CIDR {cidr} IP version incompatible with all VIPs {list(vips)} IP version.")


def _check_headers(headers: dict[str, str] | None, protocol: str) -> None:
    if not headers:
        return
    if protocol not in ("HTTP", "TERMINATED_HTTPS"):
        raise invalid_value("insert-headers", f"a {protocol} protocol listener.")
    names = list(headers)
    if any(name not in HEADERS + TLS_HEADERS for name in names):
        raise invalid_value(names, "insert_headers")
    of_tls = [name for name in names if name in TLS_HEADERS]
    if of_tls and protocol != "TERMINATED_HTTPS":
        raise invalid_value(of_tls, f"{protocol} protocol listener.")


def _check_hsts(listener: Listener, *, changing: bool) -> None:
    if (listener.hsts_include_subdomains or listener.hsts_preload) and listener.hsts_max_age is None:
        if changing:
            raise invalid_combination(
                "Cannot enable hsts_include_subdomains or hsts_preload if hsts_max_age was not set as well."
            )
        raise invalid_combination(
            "HSTS configuration options hsts_include_subdomains and hsts_preload only make sense if hsts_max_age is "
            "set as well."
        )
    if listener.hsts_max_age is not None and listener.protocol != "TERMINATED_HTTPS":
        raise invalid_combination(
            "The HSTS feature can only be used for listeners using the TERMINATED_HTTPS protocol."
        )


def _no_certificates(protocol: str) -> Invalid:
    return invalid_combination(f"Certificate container references are not allowed on {protocol} protocol listeners.")


def _certificate_must(what: str) -> Invalid:
    return invalid_combination(f"An SNI or default certificate container reference must be provided {what}.")


def _no_ca(wanted: str) -> Invalid:
    return invalid_combination(f"Client authentication setting {wanted} requires a client CA container reference.")


def _no_ca_for_crl() -> Invalid:
    return invalid_combination(
        "A client authentication CA reference is required to specify a client authentication revocation list."
    )
