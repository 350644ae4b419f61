"""Reports of hosts, stored: generations, reasons, health, traffic."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import structlog
from msgspec import structs

from hydria.contract import Counters, Report
from hydria.controller.dropped_flows import DroppedFlows
from hydria.controller.health import take_health
from hydria.controller.reconcile import Reconciler
from hydria.model.applied import Applied
from hydria.model.numbers import Count, Numbers
from hydria.store import Transaction, columns
from hydria.store.numbers import Measured
from hydria.store.resources import Amphora, Orphan, Traffic, ids_of
from hydria.store.revisions import add_way
from hydria.times import stamp

log = structlog.get_logger(__name__)

# The largest number in a report: JSON numbers above it are not exact, and sums could exceed a database's integers.
_LARGEST = 2**53
_LONGEST_REASON = 4000
# The lines of a log that are kept, and the longest (characters).
_MOST_LINES, _LONGEST_LINE = 30, 400


class Reporter:
    """Stores reports, each only from the host that has the amphora."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self.dropped_flows = DroppedFlows()

    def take(self, transaction: Transaction, host: str, report: Report, now: datetime) -> None:
        """Store one report and reconcile its load balancer.

        A report about an amphora that is unknown or that another host has is ignored.
        """
        amphora = transaction.get(Amphora, report.amphora_id)
        if amphora is None or amphora.host != host:
            return
        reason = None if report.reason is None else report.reason.replace("\0", "")[:_LONGEST_REASON]
        updated = structs.replace(
            amphora,
            served=report.generation,
            change_id=report.change_id,
            attempted=report.attempted,
            reason=reason,
            carries_vip=report.carries_vip,
            applied=report.applied or amphora.applied,
        )
        if report.applied is not None and report.applied != amphora.applied:
            add_way(transaction, amphora.load_balancer_id, amphora.id, report.applied)
        if updated != amphora:
            transaction.update(structs.replace(updated, updated_at=stamp(now)))
        if reason is not None and reason != amphora.reason:
            log.warning("amphora_failing", amphora=amphora.id, generation=report.attempted, reason=reason)
        if not amphora.leaving:
            take_health(transaction, amphora, report)
        self._traffic(transaction, amphora, report)
        if report.numbers is not None:
            _measure(transaction, amphora, report.numbers, now)
        if report.reachable:
            self.dropped_flows.take(host, amphora.id, report.dropped_flows)
        self._reconciler.reconcile(transaction, [amphora.load_balancer_id], now)

    def withdrawn(self, transaction: Transaction, host: str, keys: Iterable[str], now: datetime) -> None:
        """Delete the rows of amphorae that their host has removed, if they were to be removed."""
        for key in keys:
            amphora = transaction.get(Amphora, key)
            c = columns(Orphan)
            transaction.delete(Orphan, c.id == key, c.host == host, c.leaving)
            if amphora is not None and amphora.leaving and amphora.host == host:
                self._reconciler.forget_amphora(transaction, amphora)
                self._reconciler.reconcile(transaction, [amphora.load_balancer_id], now)

    def _traffic(self, transaction: Transaction, amphora: Amphora, report: Report) -> None:
        if not report.counters:
            return
        c = columns(Traffic)
        known = {each.listener_id: each for each in transaction.find(Traffic, c.amphora_id == amphora.id)}
        # Only listeners that exist: a counter of anything else would never be deleted.
        there = frozenset(known)
        if not there.issuperset(report.counters):
            there |= ids_of(transaction, amphora.load_balancer_id)
        for listener_id, counters in report.counters.items():
            traffic = Traffic(
                amphora_id=amphora.id,
                listener_id=listener_id,
                load_balancer_id=amphora.load_balancer_id,
                counters=counters,
            )
            if listener_id not in there:
                continue
            if listener_id not in known:
                transaction.insert(traffic)
            elif known[listener_id] != traffic:
                transaction.update(traffic)


def _measure(transaction: Transaction, amphora: Amphora, numbers: Numbers, now: datetime) -> None:
    numbers = structs.replace(numbers, log=tuple(line[:_LONGEST_LINE] for line in numbers.log[-_MOST_LINES:]))
    measured = Measured(
        amphora_id=amphora.id, load_balancer_id=amphora.load_balancer_id, at=now.timestamp(), numbers=numbers
    )
    known = transaction.get(Measured, amphora.id, column="amphora_id")
    if known is None:
        transaction.insert(measured)
    elif known.numbers != numbers:
        transaction.update(measured)


def out_of_range(report: Report) -> str | None:
    """Return a sentence about the first number of a report that is out of range, or None."""
    for name, value in _numbers(report):
        if not 0 <= value <= _LARGEST:
            return f"{name} is {value}. It must be from 0 to {_LARGEST}."
    return None


def _numbers(report: Report) -> Iterator[tuple[str, int]]:
    yield "generation", report.generation
    yield "attempted", report.attempted
    yield "change_id", report.change_id or 0
    yield "dropped_flows", report.dropped_flows
    if report.applied is not None:
        yield from (("applied", value) for value in _of_applied(report.applied))
    for listener_id, counters in report.counters.items():
        for name in Counters.__struct_fields__:
            yield f"{name} of listener {listener_id}", getattr(counters, name)
    numbers = report.numbers or Numbers()
    for key, count in (numbers.listeners | numbers.members).items():
        for name in Count.__struct_fields__:
            yield f"{name} of {key}", getattr(count, name)


def _of_applied(way: Applied) -> tuple[int, int, int]:
    return way.generation, way.lost_requests, way.lost_connections
