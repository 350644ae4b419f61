"""Hosts, which the server knows by an id that stays the same when they are renamed."""

from datetime import datetime
from functools import cache
from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import Select, bindparam, select, update

from hydria.contract import Holding, Reports
from hydria.protocols import Topologies
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, KnownHost, Orphan
from hydria.store.tables import rows_of

# The server does not wait for a host that has not polled for this long (seconds); what it still has becomes orphans.
_LOST = 7 * 24 * 3600

log = structlog.get_logger(__name__)


def heard_from(transaction: Transaction, holding: Holding, now: datetime) -> bool:
    """Store that a host polls, and return whether it is new.

    A new host id takes over the rows that an older agent left under the host's name.
    """
    known = transaction.get(KnownHost, holding.host)
    host = KnownHost(id=holding.host, name=holding.name or holding.host, seen_at=int(now.timestamp()))
    if known is None:
        for earlier in _earlier(transaction, holding):
            _take_over(transaction, earlier, host)
        transaction.insert(host)
        transaction.hint("hosts")
        return True
    if known.name != host.name:
        log.warning("host_renamed", host=host.id, before=known.name, name=host.name)
    transaction.update(structs.replace(host, wired=known.wired))
    c = columns(Orphan)
    for orphan in transaction.find(Orphan, c.host == host.id, c.kind == "amphora"):
        # The host does not have it any more, for whatever reason.
        if orphan.id not in holding.amphorae and orphan.id not in holding.withdrawing and not orphan.leaving:
            transaction.delete(Orphan, c.id == orphan.id, c.host == host.id)
    return False


def made_topology(transaction: Transaction, topologies: Topologies, reports: Reports, now: datetime) -> None:
    """Store which topology a host has made, and forget what every host has removed."""
    generation, change_id = topologies.version()
    known = transaction.get(KnownHost, reports.host)
    newest = reports.topology == generation and reports.topology_change in (None, change_id)
    if known is None or not newest or reports.topology_reason is not None or known.wired == generation:
        return
    transaction.update(structs.replace(known, wired=generation))
    c = columns(KnownHost)
    lately = c.seen_at >= int(now.timestamp()) - _LOST
    topologies.all_have_made(min(host.wired for host in transaction.find(KnownHost, lately | (c.id == known.id))))


def _earlier(transaction: Transaction, holding: Holding) -> list[KnownHost]:
    """Return the rows of this host from agents that had no host id.

    The amphorae that it holds are better evidence than its name, which may have changed with the upgrade.
    """
    if not holding.name:
        return []
    c = columns(KnownHost)
    held = transaction.load(KnownHost, _holders(), {"keys": list(holding.amphorae)}) if holding.amphorae else []
    return held or transaction.find(KnownHost, c.id == holding.name, c.name == c.id)


def _take_over(transaction: Transaction, earlier: KnownHost, host: KnownHost) -> None:
    table, c = rows_of(Amphora).table, columns(Amphora)
    moved = transaction.execute(update(table).where(c.host == earlier.id).values(host=host.id)).rowcount
    transaction.delete(KnownHost, columns(KnownHost).id == earlier.id)
    log.info("host_has_identity", host=host.id, name=host.name, before=earlier.id, amphorae=moved)


@cache
def _holders() -> Select[Any]:
    host, amphora = columns(KnownHost), columns(Amphora)
    holding = select(amphora.host).where(amphora.id.in_(bindparam("keys", expanding=True)))
    return select(rows_of(KnownHost).table).where(host.id == host.name, host.id.in_(holding))
