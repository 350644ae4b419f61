"""Which amphorae are observed although no event told of them: each now and then, and an idle host stays idle."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, Protocol, TypeVar

# What an amphora did lately: its counters or states changed; they did not; its HAProxy did nothing at all.
Activity = Literal["busy", "quiet", "resting"]

# How often each amphora is observed (seconds), and how many of each activity in a second at most.
LOOK_PERIOD = 15.0
MOST: dict[Activity, float] = {"busy": 30, "quiet": 10, "resting": 2}
# The same while amphorae wait for their turns to be changed, as after a reboot: these need the processors.
MOST_CROWDED = 1
# How often it is decided which ones are next (seconds): it takes a system call for each.
TICK = 5.0


class Looked(Protocol):
    """An amphora's worker, as far as it is observed."""

    @property
    def looked_at(self) -> float:
        """When it was observed last, or asked to be (the event loop's time)."""
        ...

    @property
    def activity(self) -> Activity:
        """What it did lately."""
        ...


W = TypeVar("W", bound=Looked)


class Looks:
    """Decides which amphorae are observed next."""

    def __init__(self) -> None:
        # How many may be observed now; what is less than a whole one is kept for the next time.
        self._allowance: defaultdict[Activity, float] = defaultdict(float)

    def due(self, workers: Iterable[W], now: float, period: float, seconds: float, *, crowded: bool) -> list[W]:
        """Return the ones to observe in the next `seconds`, in which their `period` ends; longer waiting ones first."""
        waiting: defaultdict[Activity, list[W]] = defaultdict(list)
        for worker in workers:
            if worker.looked_at + period < now + seconds:
                waiting[worker.activity].append(worker)
        chosen: list[W] = []
        for activity, most in MOST.items():
            given = seconds * (MOST_CROWDED if crowded else most)
            self._allowance[activity] = min(self._allowance[activity] + given, max(given, 1))
            found = heapq.nsmallest(int(self._allowance[activity]), waiting[activity], key=lambda one: one.looked_at)
            self._allowance[activity] -= len(found)
            chosen += found
        return chosen
