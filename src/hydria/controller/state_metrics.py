"""Prometheus metrics of load balancers, amphorae, hosts and the database."""

import itertools
import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from hydria.model import LoadBalancer
from hydria.store import Database, Milestone, Transaction, columns
from hydria.store.resources import Amphora, Health, KnownHost, Orphan, host_name_sql
from hydria.store.statuses import operating_status_sql, provisioning_status_sql
from hydria.store.tables import rows_of

_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)

# How many load balancers with unserved changes are timed at most.
_MOST_OPEN = 10_000


class StateMetrics(Collector):
    """Reads the database at each scrape, and measures how long changes take until every host serves them."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._served = Histogram(
            "hydria_change_served_seconds",
            "Time from a change, made at this server, until every host serves it.",
            buckets=_BUCKETS,
            registry=registry,
        )
        # Transactions may run in threads.
        self._lock = threading.Lock()
        self._open: dict[str, list[tuple[int, float]]] = {}
        database.watch(self._hear)
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        yield from self._database.read(lambda transaction: list(_rows(transaction)))
        yield from _transactions(self._database)

    def _hear(self, milestones: list[Milestone]) -> None:
        with self._lock:
            for each in milestones:
                if each.served:
                    self._settle(each)
                else:
                    self._open.setdefault(each.load_balancer_id, []).append((each.generation, monotonic()))
            for key in list(itertools.islice(self._open, max(0, len(self._open) - _MOST_OPEN))):
                del self._open[key]

    def _settle(self, milestone: Milestone) -> None:
        left = []
        for generation, begun in self._open.pop(milestone.load_balancer_id, []):
            if generation > milestone.generation:
                left.append((generation, begun))
            else:
                self._served.observe(monotonic() - begun)
        if left:
            self._open[milestone.load_balancer_id] = left


def _rows(transaction: Transaction) -> Iterator[Metric]:
    lb, health, amphora, host = columns(LoadBalancer), columns(Health), columns(Amphora), columns(KnownHost)
    tables = rows_of(LoadBalancer).table
    provisioning = provisioning_status_sql(LoadBalancer)
    operating = operating_status_sql()
    balancers = select(provisioning, operating, func.count()).group_by(provisioning, operating)
    yield _gauge(
        "hydria_load_balancers",
        "Load balancers by their statuses.",
        ("provisioning_status", "operating_status"),
        transaction.execute(balancers.select_from(tables.outerjoin(rows_of(Health).table, health.id == lb.id))),
    )
    yield _gauge(
        "hydria_amphorae",
        "Amphorae by host.",
        ("host",),
        transaction.execute(select(host_name_sql(amphora.host), func.count()).group_by(amphora.host)),
    )
    orphan = columns(Orphan)
    yield _gauge(
        "hydria_orphans",
        "Amphorae, networks and routers of hosts that the database does not know: hydria orphan list.",
        ("host", "kind"),
        transaction.execute(
            select(host_name_sql(orphan.host), orphan.kind, func.count()).group_by(orphan.host, orphan.kind)
        ),
    )
    yield _gauge(
        "hydria_agent_last_seen_timestamp_seconds",
        "When the agent of a host last polled.",
        ("host",),
        transaction.execute(select(host_name_sql(host.id), host.seen_at)),
    )


def _gauge(name: str, meaning: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for row in rows:
        *values, number = tuple(row)
        family.add_metric(values, number)
    return family


def _transactions(database: Database) -> Iterator[Metric]:
    done = CounterMetricFamily("hydria_database_transactions", "Committed transactions.", labels=("kind",))
    done.add_metric(["read"], database.counts.reads)
    done.add_metric(["write"], database.counts.writes)
    yield done
    again = CounterMetricFamily("hydria_database_retries", "Transactions that were run again after a conflict.")
    again.add_metric([], database.counts.retries)
    yield again
