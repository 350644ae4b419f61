"""Samples of all load balancers for a day: finer ones for an hour, coarser ones for the rest.

Every server measures; the first one whose transaction comes writes a sample, with one statement for all load balancers.
"""

from collections import defaultdict

from sqlalchemy import select

from hydria.dashboard.rates import Rate, mean, trimmed
from hydria.store import Database, Transaction, columns
from hydria.store.numbers import Sample, short_id

# The seconds of a sample, and for how long samples of this kind are kept (seconds).
TIERS = ((60, 3600), (300, 6 * 3600), (900, 24 * 3600))

# How many listeners and members a sample has, the busiest ones: so 1,000 load balancers need 200 MB at most.
MOST = {60: 14, 300: 7, 900: 7}

Seen = dict[str, dict[str, Rate]]


class Sampler:
    """Gathers rates, and writes their means at the end of each period."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathered: dict[int, list[Seen]] = {seconds: [] for seconds, _ in TIERS}
        self._periods: dict[int, int] = {}

    async def take(self, seen: Seen, now: float) -> None:
        """Take the rates of all load balancers, by id; write the samples that are complete. Raises Unavailable."""
        for seconds, kept in TIERS:
            period = int(now // seconds)
            begun = self._periods.setdefault(seconds, period)
            if period != begun:
                gathered, self._gathered[seconds] = self._gathered[seconds], []
                self._periods[seconds] = period
                await self._write(samples(gathered, seconds, period * seconds), seconds, period * seconds, kept)
            self._gathered[seconds].append(seen)

    async def _write(self, found: list[Sample], seconds: int, at: int, kept: int) -> None:
        c = columns(Sample)

        def work(transaction: Transaction) -> None:
            there = select(c.at).where(c.seconds == seconds, c.at == at).limit(1)
            if found and transaction.execute(there).first() is None:
                transaction.insert(*found)
                transaction.delete(Sample, c.seconds == seconds, c.at <= at - kept)

        await self._database.run(work, writing=True)


def samples(gathered: list[Seen], seconds: int, at: int) -> list[Sample]:
    """Return the means of what was gathered in a period, the busiest listeners and members of each load balancer."""
    by_load_balancer: dict[str, dict[str, list[Rate]]] = defaultdict(lambda: defaultdict(list))
    for seen in gathered:
        for load_balancer_id, rates in seen.items():
            mine = by_load_balancer[load_balancer_id]
            for key, rate in rates.items():
                mine[key].append(rate)
    found = []
    for load_balancer_id, mine in by_load_balancer.items():
        means = {key: trimmed(mean(rates, len(gathered))) for key, rates in mine.items()}
        busy = sorted((item for item in means.items() if item[1]), key=lambda item: item[1], reverse=True)
        rates = {short_id(key): rate for key, rate in busy[: MOST[seconds]]}
        found.append(Sample(load_balancer_id=load_balancer_id, seconds=seconds, at=at, rates=rates))
    return found
