"""The references of load balancers, compared with the rows: which to read, and which rows nothing needs any more."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog
from msgspec import Struct, structs
from sqlalchemy import or_

from hydria.barbican.rows import CachedSecret, Reading, Wanted, keep
from hydria.model import Listener, LoadBalancer, Pool
from hydria.model.acme import SCHEME
from hydria.model.references import references_of
from hydria.protocols import Vault
from hydria.store import Transaction, columns
from hydria.store.generations import bump_where

log = structlog.get_logger(__name__)

# How long a row is kept that nothing refers to: a call may be about to (seconds).
_UNUSED = 300
# How old a reading is when it is read again (seconds), and how many are at a time.
REFRESH = 300
_TOGETHER = 100


def due(transaction: Transaction, now: datetime) -> list[Wanted]:
    """Return the references that are to be read, those without a row first."""
    wanted, rows = _wanted(transaction), {each.id: each for each in transaction.find(CachedSecret)}
    missing = [each for each in wanted if each.key not in rows]
    old = [row for row in rows.values() if row.wanted in wanted and row.read_at <= now.timestamp() - REFRESH]
    old.sort(key=lambda row: row.read_at)
    return [*missing[:_TOGETHER], *(row.wanted for row in old[:_TOGETHER])]


def unused(transaction: Transaction, now: datetime) -> list[str]:
    """Return the ids of rows that nothing refers to."""
    wanted = _wanted(transaction)
    rows = transaction.find(CachedSecret, columns(CachedSecret).read_at <= now.timestamp() - _UNUSED)
    return [row.id for row in rows if row.wanted not in wanted and not row.consumers]


class Change(Struct, frozen=True, kw_only=True):
    """A row whose load balancers are not those that are registered in Barbican."""

    wanted: Wanted
    coming: frozenset[str]
    going: frozenset[str]


def consumer_changes(transaction: Transaction) -> list[Change]:
    """Return the rows whose consumers are to be registered or removed in Barbican."""
    wanted, changes = _wanted(transaction), []
    for row in transaction.find(CachedSecret):
        there, here = set(row.consumers), wanted.get(row.wanted, set())
        # Where a secret cannot be read, none can be registered.
        coming = frozenset() if row.reason else frozenset(here - there)
        if coming or there - here:
            changes.append(Change(wanted=row.wanted, coming=coming, going=frozenset(there - here)))
    return changes[:_TOGETHER]


def changed(transaction: Transaction, change: Change) -> None:
    """Store that a change was made in Barbican."""
    row = transaction.hold(CachedSecret, change.wanted.key)
    if row is not None:
        consumers = (set(row.consumers) | change.coming) - change.going
        transaction.update(structs.replace(row, consumers=tuple(sorted(consumers))))


def store(transaction: Transaction, vault: Vault, readings: Iterable[Reading], now: datetime) -> None:
    """Store readings, and let hosts have texts that have changed."""
    changed = [each.wanted for each in readings if keep(transaction, vault, each, now)]
    if not changed:
        return
    wanted = _wanted(transaction)
    load_balancers = {key for each in changed for key in wanted.get(each, ())}
    if load_balancers:
        log.info("secrets_changed", references=sorted({each.reference for each in changed}))
        bump_where(transaction, columns(LoadBalancer).id.in_(load_balancers), cause="a secret changed in Barbican")


def _wanted(transaction: Transaction) -> dict[Wanted, set[str]]:
    """Return the references to Barbican, with the ids of the load balancers that have them."""
    listener, pool = columns(Listener), columns(Pool)
    resources: Sequence[Listener | Pool] = [
        *transaction.find(
            Listener,
            listener.deleted_in.is_(None),
            or_(
                listener.default_tls_container_ref.is_not(None),
                listener.sni_container_refs != "[]",
                listener.client_ca_tls_container_ref.is_not(None),
            ),
        ),
        *transaction.find(
            Pool,
            pool.deleted_in.is_(None),
            or_(
                pool.tls_container_ref.is_not(None),
                pool.ca_tls_container_ref.is_not(None),
                pool.crl_container_ref.is_not(None),
            ),
        ),
    ]
    found: dict[Wanted, set[str]] = {}
    for each in resources:
        for reference, purpose in references_of(each):
            if not reference.startswith(SCHEME):
                found.setdefault(Wanted(each.project_id, reference, purpose), set()).add(each.load_balancer_id)
    return found
