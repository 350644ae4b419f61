"""Hosts, which the server knows by an id that stays the same when they are renamed."""

from datetime import datetime
from functools import cache
from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import Select, bindparam, select, update

from hydria.contract import Holding, Reports
from hydria.model import LoadBalancer
from hydria.protocols import Reach, Topologies
from hydria.store import Transaction, columns
from hydria.store.generations import bump_where
from hydria.store.resources import Amphora, KnownHost, Orphan
from hydria.store.tables import rows_of

# The server does not wait for a host that has not polled for this long (seconds); what it still has becomes orphans.
_LOST = 7 * 24 * 3600

# The first version of the contract whose agents make base ports.
BASE_PORTS = 1

log = structlog.get_logger(__name__)


def heard_from(transaction: Transaction, holding: Holding, now: datetime) -> KnownHost | None:
    """Store that a host polls and what it says about itself; return what was known of it before, None if it is new.

    A new host id takes over the rows that an older agent left under the host's name. The first host is the home of the
    networks of one machine.
    """
    known = transaction.get(KnownHost, holding.host)
    host = KnownHost(
        id=holding.host,
        name=holding.name or holding.host,
        seen_at=int(now.timestamp()),
        speaks=holding.speaks,
        facts=holding.facts,
    )
    if known is None:
        earlier = _earlier(transaction, holding)
        home = any(each.home for each in earlier) or not transaction.find(KnownHost, columns(KnownHost).home)
        host = structs.replace(host, home=home)
        for each in earlier:
            _take_over(transaction, each, host)
        transaction.insert(host)
        transaction.hint("hosts")
        _upgraded(transaction, host, 0)
        return None
    if known.name != host.name:
        log.warning("host_renamed", host=known.id, before=known.name, name=host.name)
    row = rows_of(KnownHost).dump(host)
    values = {name: row[name] for name in ("name", "seen_at", "speaks", "facts")}
    transaction.execute(update(rows_of(KnownHost).table).where(columns(KnownHost).id == host.id).values(values))
    if (known.speaks, known.facts) != (host.speaks, host.facts):
        transaction.hint("hosts")
        _upgraded(transaction, host, known.speaks)
    c = columns(Orphan)
    for orphan in transaction.find(Orphan, c.host == host.id, c.kind == "amphora"):
        # The host does not have it any more, for whatever reason.
        if orphan.id not in holding.amphorae and orphan.id not in holding.withdrawing and not orphan.leaving:
            transaction.delete(Orphan, c.id == orphan.id, c.host == host.id)
    return known


def _upgraded(transaction: Transaction, host: KnownHost, spoke: int) -> None:
    """Begin a new generation of the load balancers whose amphorae can have base ports since this host was upgraded."""
    if spoke < BASE_PORTS <= host.speaks:
        c = columns(Amphora)
        without = select(c.load_balancer_id).where(c.host == host.id, c.base_port_id.is_(None), c.leaving.is_(False))
        bump_where(transaction, columns(LoadBalancer).id.in_(without), cause="hosts upgraded")


def reach_of(transaction: Transaction, key: str) -> Reach:
    """Return which networks a host can have."""
    known = {each.id: each for each in transaction.find(KnownHost)}
    host = known.get(key)
    if host is None:
        return Reach(home=False)
    others = (each.facts.physical_networks for each in known.values() if each.id != key)
    return Reach(
        home=host.home,
        physical_networks=frozenset(host.facts.physical_networks),
        elsewhere=frozenset(name for names in others for name in names),
        tagged=bool(host.facts.version),
    )


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
