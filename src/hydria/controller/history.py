"""Prunes the history of load balancers in the background, a few at a time."""

from datetime import datetime, timedelta

from hydria.store import Database
from hydria.store.revisions import Keep, prune
from hydria.times import stamp

# How often a step is taken (seconds), and how many load balancers one looks at.
PERIOD = 10.0
_TOGETHER = 50


class HistoryPruner:
    """Drops old revisions, and those beyond the most that a load balancer may have."""

    def __init__(self, database: Database, *, days: int, most: int) -> None:
        """Revisions are kept for `days` days, and `most` of each load balancer."""
        self._database = database
        self._days = days
        self._most = most
        # The last load balancer that was looked at, empty at the beginning.
        self._after = ""
        self._next = 0.0

    def step(self, now: datetime, monotonic: float) -> None:
        """Look at the next load balancers, if it is time to."""
        if monotonic < self._next:
            return
        self._next = monotonic + PERIOD
        keep = Keep(since=stamp(now - timedelta(days=self._days)), most=self._most)
        after = self._after
        self._after = self._database.transact(lambda tx: prune(tx, keep, after=after, limit=_TOGETHER))
