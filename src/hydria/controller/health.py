"""The operating statuses of a load balancer and of everything below it, written down."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import ColumnElement

from hydria.store import Transaction
from hydria.store.resources import Health, health_of, ids_of

_SILENCE = "Host ", " does not ask for work. Is its agent running?"


def silence(host: str) -> str:
    """Return why nothing is known of what a host serves that asks for no work."""
    return host.join(_SILENCE)


def is_silence(reason: ColumnElement[str | None]) -> ColumnElement[bool]:
    """Say in SQL whether a reason is that of any host's silence."""
    return reason.endswith(_SILENCE[1])


def write_health(
    transaction: Transaction,
    load_balancer_id: str,
    operating: Mapping[str, str],
    troubles: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write operating statuses, and why something is not served, down by resource id; those not named stay."""
    known = health_of(transaction, load_balancer_id)
    told = [
        Health(id=key, load_balancer_id=load_balancer_id, operating_status=status, trouble=troubles.get(key))
        for key, status in operating.items()
    ]
    transaction.update(*(each for each in told if each.id in known and each != known[each.id]))
    # A resource without a row is OFFLINE, and well.
    fresh = [each for each in told if each.id not in known and (each.operating_status != "OFFLINE" or each.trouble)]
    if fresh:
        # A report may name what has gone since.
        there = ids_of(transaction, load_balancer_id)
        transaction.insert(*(each for each in fresh if each.id in there))
