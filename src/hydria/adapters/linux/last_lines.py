"""The access log of an amphora for reports: its last lines, and how long members take to answer."""

import contextlib
import re
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, structs

from hydria.adapters.linux import ring
from hydria.errors import HostError
from hydria.model.numbers import Count, Numbers
from hydria.model.status import ServerState
from hydria.render.haproxy.logs import RING, response_time, succeeded

# How many lines are kept, of all others and of successful requests, and how long one is at most (characters).
_MOST, _MOST_SUCCESSES, _LONGEST = 20, 10, 400
# How long a response time counts (seconds), and how many of a member do.
_WINDOW, _MOST_TIMES = 120.0, 1000

# Queries of requests may hold secrets.
_QUERY = re.compile(r'\?[^" ]*')


class _Looked(Struct, frozen=True):
    """The numbers by which is decided whether there are new lines."""

    failed: list[int]
    states: dict[str, ServerState]
    answered: int


class LastLines:
    """Reads the ring of one HAProxy again only when there was traffic since, so that idle ones cost nothing."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._looked: _Looked | None = None
        self._lines: tuple[str, ...] = ()
        # The time of the newest line whose response time was taken, as HAProxy writes it.
        self._newest = ""
        # The response times of each member with when they were read (monotonic), the oldest first.
        self._times: dict[str, deque[tuple[float, int]]] = {}

    async def read(self, numbers: Numbers, states: dict[str, ServerState]) -> Numbers:
        """Return numbers with the last lines, the oldest first and without queries, and with response times.

        Where HAProxy does not answer, they are the last ones known.
        """
        counts = (*numbers.listeners.values(), *numbers.members.values())
        looked = _Looked(
            [each.errors + each.responses_4xx for each in counts], states, sum(each.requests for each in counts)
        )
        first = self._looked is None
        if looked != self._looked and (not first or any(looked.failed) or looked.answered):
            with contextlib.suppress(HostError):
                self._take(await ring.read(self._socket, RING))
        self._looked = looked
        self._forget(time.monotonic() - _WINDOW)
        members = {key: self._timed(key, count) for key, count in numbers.members.items()}
        return structs.replace(numbers, members=members, log=self._lines)

    def _take(self, lines: Sequence[str]) -> None:
        now, newest = time.monotonic(), self._newest
        successes: list[int] = []
        others: list[int] = []
        for index, line in enumerate(lines):
            answered = response_time(line)
            (successes if succeeded(line) else others).append(index)
            if answered is None or answered[0] <= newest:
                continue
            at, member, milliseconds = answered
            self._newest = max(self._newest, at)
            self._times.setdefault(member, deque(maxlen=_MOST_TIMES)).append((now, milliseconds))
        kept = sorted((*others[-_MOST:], *successes[-_MOST_SUCCESSES:]))
        self._lines = tuple(_QUERY.sub("?…", lines[index])[:_LONGEST] for index in kept if lines[index])

    def _forget(self, before: float) -> None:
        for times in self._times.values():
            while times and times[0][0] < before:
                times.popleft()
        self._times = {key: times for key, times in self._times.items() if times}

    def _timed(self, member: str, count: Count) -> Count:
        times = sorted(milliseconds for _, milliseconds in self._times.get(member, ()))
        if not times:
            return count
        found = {name: percentile(times, share) for name, share in _SHARES.items()}
        return structs.replace(count, **found)


_SHARES = {"response_p50": 50, "response_p95": 95, "response_p99": 99}


def percentile(ordered: Sequence[int], share: int) -> int:
    """Return the time within which `share` percent of the responses came (ms); at least 1, as 0 is unknown."""
    return max(1, ordered[min(len(ordered) - 1, len(ordered) * share // 100)])
