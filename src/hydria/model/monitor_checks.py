"""Octavia's checks of health monitors, by type and pool protocol. Pure."""

import re

from msgspec import UNSET, structs

from hydria.model.faults import invalid_combination, invalid_value
from hydria.model.fields import DATAGRAM
from hydria.model.health_monitor import HealthMonitor, HealthMonitorUpdate

_HTTP_DEFAULTS = {"http_method": "GET", "url_path": "/", "expected_codes": "200"}
_FOR_DATAGRAM = ("UDP-CONNECT", "SCTP", "TCP", "HTTP")

_LEAST_CODE, _MOST_CODE = 100, 999

# The shortest interval of UDP checks (seconds).
_LEAST_UDP_DELAY = 3


def with_http_defaults(monitor: HealthMonitor) -> HealthMonitor:
    """Return the monitor with the defaults of HTTP checks."""
    if monitor.type not in ("HTTP", "HTTPS"):
        return monitor
    return structs.replace(
        monitor, **{name: value for name, value in _HTTP_DEFAULTS.items() if not getattr(monitor, name)}
    )


def check(monitor: HealthMonitor, pool_protocol: str) -> None:
    """Refuse a type that the pool's protocol, or an attribute that the type, does not allow. Raises Invalid."""
    kind = monitor.type
    if pool_protocol in DATAGRAM:
        _check_datagram(kind, pool_protocol)
        _check_delay(kind, monitor.delay)
    elif kind in ("UDP-CONNECT", "SCTP"):
        raise invalid_combination(f"The {kind} type is only supported for pools of type UDP/SCTP.")
    for attribute in _HTTP_DEFAULTS:
        if kind not in ("HTTP", "HTTPS") and getattr(monitor, attribute):
            raise invalid_value(attribute, f"health monitors of type {kind}")
    _check_codes(monitor.expected_codes)
    _check_domain_name(monitor)


def check_form(before: HealthMonitor, form: HealthMonitorUpdate) -> None:
    """Refuse attributes that the type does not have, and null where there is no default. Raises Invalid."""
    for attribute in _HTTP_DEFAULTS:
        if before.type not in ("HTTP", "HTTPS") and getattr(form, attribute) is not UNSET:
            raise invalid_value(attribute, f"health monitors of type {before.type}")
    for attribute in ("delay", "max_retries", "timeout"):
        if getattr(form, attribute) is None:
            raise invalid_value(None, attribute)


def _check_domain_name(monitor: HealthMonitor) -> None:
    """Refuse a domain name without HTTP 1.1, the version with a Host header. Raises Invalid."""
    if monitor.domain_name and not monitor.http_version:
        raise invalid_combination("'http_version' must be specified when 'domain_name' is provided.")
    if monitor.domain_name and monitor.http_version == "1.0":
        raise invalid_value("http_version 1.0", "health monitors HTTP 1.1 domain name health check")


def _check_codes(codes: str | None) -> None:
    """Refuse a range that ends before it begins, and numbers that are no HTTP status."""
    numbers = [int(code) for code in re.findall(r"[0-9]+", codes or "")]
    backwards = "-" in (codes or "") and numbers != sorted(numbers)
    if backwards or any(not _LEAST_CODE <= number <= _MOST_CODE for number in numbers):
        raise invalid_value(codes, f"expected_codes: codes go from {_LEAST_CODE} to {_MOST_CODE}, ranges upwards")


def _check_datagram(kind: str, pool_protocol: str) -> None:
    if kind not in _FOR_DATAGRAM:
        raise invalid_combination(
            f"The associated pool protocol is {pool_protocol}, so only a {'/'.join(_FOR_DATAGRAM)} health monitor is "
            "supported."
        )


def _check_delay(kind: str, delay: int) -> None:
    if kind == "UDP-CONNECT" and delay < _LEAST_UDP_DELAY:
        raise invalid_combination(
            f"The request delay value {delay} should be larger than {_LEAST_UDP_DELAY} for {kind} health monitor type."
        )
