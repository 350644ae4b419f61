"""Durations of requests for Prometheus: one histogram by method, route and status. Counting takes microseconds."""

from collections.abc import Callable
from time import perf_counter

from prometheus_client import CollectorRegistry, Histogram

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

# Says that a request has been answered: its method, the status, and when it began (`now`).
Meter = Callable[[str, int, float], None]

now = perf_counter


class HttpMetrics:
    """The requests of one server, in a registry that others add to."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Histogram(
            "hydria_http_request_duration_seconds",
            "Time from the head of a request to its answer.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def meter(self, route: str) -> Meter:
        """Return what counts the requests of a route, its parameters unfilled."""
        known: dict[tuple[str, int], Histogram] = {}

        def answered(method: str, status: int, begun: float) -> None:
            one = known.get((method, status))
            if one is None:
                # Only methods that a route knows: a client must not make labels up.
                one = known[method, status] = self._requests.labels(method, route, status)
            one.observe(perf_counter() - begun)

        return answered
