"""What hosts say of their amphorae, written down: generations, reasons, health, traffic."""

from collections.abc import Iterable
from datetime import datetime

import structlog
from msgspec import structs

from hydria.controller.reconcile import Reconciler
from hydria.model.base import stamp
from hydria.spec import Report
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Health, Traffic, health_of, ids_of

log = structlog.get_logger(__name__)


class Reporter:
    """Takes reports in."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    def take(self, transaction: Transaction, report: Report, now: datetime) -> None:
        """Write one report down and reconcile its load balancer; one of an unknown amphora is passed over."""
        amphora = transaction.get(Amphora, report.amphora_id)
        if amphora is None:
            return
        told = structs.replace(amphora, served=report.generation, attempted=report.attempted, reason=report.reason)
        if told != amphora:
            transaction.update(structs.replace(told, updated_at=stamp(now)))
        if report.reason is not None and report.reason != amphora.reason:
            log.warning("amphora_failing", amphora=amphora.id, generation=report.attempted, reason=report.reason)
        if not amphora.leaving:
            self._health(transaction, amphora, report)
        self._traffic(transaction, amphora, report)
        self._reconciler.reconcile(transaction, [amphora.load_balancer_id], now)

    def withdrawn(self, transaction: Transaction, keys: Iterable[str], now: datetime) -> None:
        """Forget amphorae of which nothing is left on their host, if they were to go."""
        for key in keys:
            amphora = transaction.get(Amphora, key)
            if amphora is not None and amphora.leaving:
                self._reconciler.forget_amphora(transaction, amphora)
                self._reconciler.reconcile(transaction, [amphora.load_balancer_id], now)

    def _health(self, transaction: Transaction, amphora: Amphora, report: Report) -> None:
        key = amphora.load_balancer_id
        known = health_of(transaction, key)
        told = [Health(id=of, load_balancer_id=key, operating_status=status) for of, status in report.operating.items()]
        transaction.update(*(each for each in told if each.id in known and each != known[each.id]))
        # What nothing is written of is OFFLINE.
        fresh = [each for each in told if each.id not in known and each.operating_status != "OFFLINE"]
        if fresh:
            # Not of what has gone since.
            there = ids_of(transaction, key)
            transaction.insert(*(each for each in fresh if each.id in there))

    def _traffic(self, transaction: Transaction, amphora: Amphora, report: Report) -> None:
        if not report.counters:
            return
        c = columns(Traffic)
        known = {each.listener_id: each for each in transaction.find(Traffic, c.amphora_id == amphora.id)}
        for listener_id, counters in report.counters.items():
            traffic = Traffic(
                amphora_id=amphora.id,
                listener_id=listener_id,
                load_balancer_id=amphora.load_balancer_id,
                counters=counters,
            )
            if listener_id not in known:
                transaction.insert(traffic)
            elif known[listener_id] != traffic:
                transaction.update(traffic)
