"""Counters that only grow, although a new HAProxy process begins at zero and an old one goes on for a while."""

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from hydria.adapters.linux.prometheus_text import GROWING, Row
from hydria.contract import Counters
from hydria.files import write_private

# The separators between the ids of a pool, its listener and a member.
_PARTS = re.compile("[:/]")

# The columns of requests that broke on their way to a member or back.
_BROKEN = ("econ", "eresp")

# Columns by proxy and server.
_Sums = dict[str, dict[str, int]]


class CounterTotals:
    """The sums of all counters of earlier processes of one amphora, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: list[Row] = []
        self._draining: list[RetiredCounters] = []
        try:
            self._sums = msgspec.json.decode(path.read_bytes(), type=_Sums)
        except (OSError, msgspec.DecodeError):
            self._sums = {}

    def note(self, counted: Iterable[Row]) -> None:
        """Remember a reading of the running process, which may end at any time."""
        self._last = list(counted)

    def rows(self) -> list[Row]:
        """Return the last reading, with the sums of earlier processes added."""
        return [
            {**row, **{column: str(self._total(row, column)) for column in GROWING if row.get(column)}}
            for row in self._last
        ]

    def counters(self) -> dict[str, Counters]:
        """Return the whole traffic so far, by listener id."""
        return {row["pxname"]: self._counters(row) for row in self._last if row["svname"] == "FRONTEND"}

    def begin(self, ids: Collection[str]) -> "RetiredCounters":
        """Add the last reading to the sums, because a new process begins at zero.

        `ids` are those of all listeners, pools and members; sums of others are dropped. Returns the object that notes
        further readings of the last process.
        """
        known = {"FRONTEND", "BACKEND", *ids}
        self._sums = {key: sums for key, sums in self._sums.items() if known.issuperset(_PARTS.split(key))}
        retired = RetiredCounters(self)
        retired.note(self._last)
        self._last = []
        self._save()
        return retired

    def _total(self, row: Row, column: str) -> int:
        return int(row[column] or 0) + self._sums.get(_key(row), {}).get(column, 0)

    def _counters(self, row: Row) -> Counters:
        still_open = sum(retired.open_connections(row["pxname"]) for retired in self._draining)
        return Counters(
            bytes_in=self._total(row, "bin"),
            bytes_out=self._total(row, "bout"),
            active_connections=int(row["scur"] or 0) + still_open,
            total_connections=self._total(row, "stot"),
            request_errors=self._total(row, "ereq"),
        )

    def add(self, growth: _Sums) -> None:
        """Add to the sums."""
        for key, columns in growth.items():
            sums = self._sums.setdefault(key, {})
            for column, value in columns.items():
                sums[column] = sums.get(column, 0) + value
        self._save()

    def _save(self) -> None:
        # A full disk must not stop traffic: without the file, the counters are lower after a restart of the agent.
        with contextlib.suppress(OSError):
            write_private(self._path, msgspec.json.encode(self._sums))

    @contextlib.contextmanager
    def draining(self, retired: "RetiredCounters") -> Iterator[None]:
        """Include the open connections of a draining process."""
        self._draining.append(retired)
        try:
            yield
        finally:
            self._draining.remove(retired)


class RetiredCounters:
    """The counters of a replaced process; its readings so far are in the sums."""

    def __init__(self, totals: CounterTotals) -> None:
        self._totals = totals
        self._counted: dict[str, Row] = {}
        # The broken requests before its process was replaced; None until the first reading after that.
        self._broken_before: int | None = None
        # The connections that were cut with the process.
        self.lost_connections = 0

    def note(self, counted: Iterable[Row]) -> None:
        """Add the growth since the last reading to the sums."""
        seen = {_key(row): row for row in counted}
        growth = {key: _growth(self._counted.get(key, {}), row) for key, row in seen.items()}
        self._counted = seen
        if growth := {key: columns for key, columns in growth.items() if columns}:
            self._totals.add(growth)

    def replaced(self) -> None:
        """Count what breaks as lost from now on: the process has been replaced."""
        self._broken_before = self._broken()

    @property
    def lost_requests(self) -> int:
        """The requests that broke between the process and members since it was replaced."""
        return 0 if self._broken_before is None else max(0, self._broken() - self._broken_before)

    def cut(self) -> None:
        """Note that the process ended although it had connections."""
        frontends = (row for row in self._counted.values() if row["svname"] == "FRONTEND")
        self.lost_connections += sum(int(row["scur"] or 0) for row in frontends)

    def _broken(self) -> int:
        backends = [row for row in self._counted.values() if row["svname"] == "BACKEND"]
        return sum(int(row.get(column) or 0) for row in backends for column in _BROKEN)

    def open_connections(self, listener_id: str) -> int:
        """Return the number of a listener's open connections in the last reading."""
        row = self._counted.get(f"{listener_id}/FRONTEND")
        return int(row["scur"] or 0) if row else 0


def _growth(before: Row, after: Row) -> dict[str, int]:
    grown = {column: int(after.get(column) or 0) - int(before.get(column) or 0) for column in GROWING}
    return {column: value for column, value in grown.items() if value > 0}


def _key(row: Row) -> str:
    return f"{row['pxname']}/{row['svname']}"
