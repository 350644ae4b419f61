"""The metric of dropped flows, from the totals in hosts' reports."""

from collections import OrderedDict

from prometheus_client import Counter

# How many amphorae's totals are kept; the one that reported longest ago is dropped first.
_MOST = 10_000


class DroppedFlows:
    """Counts packets that began no flow since this server started: an amphora's first total is only a start."""

    def __init__(self) -> None:
        self.counter = Counter(
            "hydria_dropped_flows",
            "Packets to UDP and SCTP listeners that began no flow for want of a source port or memory.",
            ("host",),
            registry=None,
        )
        self._totals: OrderedDict[str, int] = OrderedDict()

    def take(self, host: str, amphora_id: str, total: int) -> None:
        """Count what an amphora dropped since its last report; a smaller total than the last one has begun anew."""
        last = self._totals.pop(amphora_id, None)
        self._totals[amphora_id] = total
        if len(self._totals) > _MOST:
            self._totals.popitem(last=False)
        if last is not None and total != last:
            self.counter.labels(host).inc(total - last if total > last else total)
