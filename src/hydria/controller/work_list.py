"""The list of load balancers that need work which no report of a host will cause, in one statement."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, bindparam, func, not_, or_, select, union

from hydria.controller.health import is_silence
from hydria.controller.hosts import BASE_PORTS
from hydria.controller.ports import lacks_port
from hydria.model import LoadBalancer
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, KnownHost, has_ticket_keys, is_behind, is_pair, is_replacing
from hydria.store.tables import rows_of

# How many load balancers that are merely pending are looked at together.
_PENDING = 50


def find_due(
    transaction: Transaction, *, attached: bool, retry: bool, heard_since: int, live_since: int, today: str
) -> list[str]:
    """Return the ids of the load balancers. A host that polled before `heard_since` is silent, one after `live_since`
    gets amphorae. `attached` and `retry` are those of `Reconciler`. `today` is the date of ticket keys.
    """
    apart = transaction.execute(_hosts_apart(), {"heard_since": heard_since}).all()
    silent = [row.id for row in apart if row.silent]
    emptied = [row.id for row in apart if row.draining]
    statement = _due(attached=attached, retry=retry, silent=bool(silent), emptied=bool(emptied))
    given = {"silent": silent, "emptied": emptied, "live_since": live_since, "today": today}
    return [key for (key,) in transaction.execute(statement, given)]


@cache
def _hosts_apart() -> Select[Any]:
    """Return the statement for the few hosts that are silent or draining: their amphorae are looked at."""
    host = columns(KnownHost)
    silent = host.seen_at < bindparam("heard_since")
    return select(host.id, silent.label("silent"), host.draining).where(or_(silent, host.draining))


@cache
def _due(*, attached: bool, retry: bool, silent: bool, emptied: bool) -> CompoundSelect[Any]:
    """Return the statement. Each part begins at few rows, found by an index, however many load balancers there are."""
    lb, amphora = columns(LoadBalancer), columns(Amphora)
    mine = select(amphora.id).where(amphora.load_balancer_id == lb.id)
    served, stays, going = mine.exists(), mine.where(amphora.leaving.is_(False)).exists(), lb.deleted_in.is_not(None)
    # Only a change takes an amphora away, so a settled load balancer has one.
    parts = [
        select(lb.id).where(is_behind(), or_(and_(not_(going), not_(stays)), and_(going, or_(not_(served), stays))))
    ]
    hosted = rows_of(Amphora).table.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
    fresh = lb.failed < lb.generation
    if silent:
        unsaid = or_(and_(is_behind(), fresh), lb.reason.is_(None), not_(is_silence(lb.reason)))
        waiting = select(lb.id).select_from(hosted).where(amphora.host.in_(bindparam("silent", expanding=True)))
        waiting = waiting.where(or_(amphora.leaving.is_(False), going))
        # Others serve what a host that was noted as silent has.
        parts.append(waiting.where(unsaid, or_(amphora.base_port_id.is_(None), amphora.replacing != "lost")))
    if not attached:
        return union(*parts)
    replacing = select(amphora.load_balancer_id).where(is_replacing(), amphora.leaving.is_(False))
    parts.append(replacing.where(amphora.replacing.in_(["waiting", "handing_over", "draining"])))
    if emptied:
        moving = select(amphora.load_balancer_id).where(amphora.host.in_(bindparam("emptied", expanding=True)))
        parts.append(moving.where(amphora.leaving.is_(False), amphora.replacing == ""))
    lacking = select(lb.id).where(is_behind(), not_(going), or_(lacks_port(), _lacks_base_port()))
    if not retry:
        return union(*parts, lacking.where(fresh))
    pending = select(lb.id).where(is_behind(), not_(going), fresh).limit(_PENDING).subquery()
    return union(*parts, lacking, select(pending.c.id), *_one_more())


def _lacks_base_port() -> ColumnElement[bool]:
    """Say in SQL of a load balancer whether an amphora that stays should have a base port and has none."""
    lb, amphora, host = columns(LoadBalancer), columns(Amphora), columns(KnownHost)
    hosted = rows_of(KnownHost).table.join(rows_of(Amphora).table, amphora.host == host.id)
    found = select(amphora.id).select_from(hosted).where(amphora.load_balancer_id == lb.id, host.speaks >= BASE_PORTS)
    found = found.where(amphora.leaving.is_(False), amphora.base_port_id.is_(None))
    return found.correlate(rows_of(LoadBalancer).table).exists()


def _one_more() -> tuple[Select[Any], ...]:
    """Find load balancers for which another host may get an amphora: one is lost or lacking, or two share a host."""
    lb, amphora, host = columns(LoadBalancer), columns(Amphora), columns(KnownHost)
    live = host.enabled & ~host.draining & (host.seen_at >= bindparam("live_since")) & (host.speaks >= BASE_PORTS)
    some_host = select(host.id).where(live).exists()
    lost = select(amphora.load_balancer_id).where(is_replacing(), amphora.replacing == "lost")
    lost = lost.where(amphora.leaving.is_(False), some_host)
    there = select(func.count()).where(amphora.load_balancer_id == lb.id, amphora.leaving.is_(False))
    there = there.where(amphora.replacing == "").correlate(rows_of(LoadBalancer).table)
    halved = select(lb.id).where(is_pair(), lb.deleted_in.is_(None), some_host)
    other = rows_of(Amphora).table.alias()
    beside = amphora.load_balancer_id == other.c.load_balancer_id
    together = rows_of(Amphora).table.join(other, beside & (amphora.host == other.c.host) & (amphora.id < other.c.id))
    # Only those of a pair have a priority.
    paired = amphora.priority.is_not(None) & other.c.priority.is_not(None)
    whole = paired & ~amphora.leaving & ~other.c.leaving & (amphora.replacing == "") & (other.c.replacing == "")
    elsewhere = select(host.id).where(live, host.id != amphora.host).correlate(rows_of(Amphora).table).exists()
    crowded = select(amphora.load_balancer_id).select_from(together).where(whole, elsewhere)
    # A pair gets new TLS session ticket keys each day.
    daily = select(lb.id).where(lb.deleted_in.is_(None), has_ticket_keys(), lb.ticket_day != bindparam("today"))
    return lost, halved.where(there.scalar_subquery() < 2), crowded, daily
