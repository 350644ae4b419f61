"""Counters that only grow, though a new HAProxy process begins at nothing and an old one goes on for a while."""

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from hydria.adapters.linux.prometheus_text import GROWING, Row
from hydria.contract import Counters
from hydria.files import write_private

# What is between the ids of a pool, its listener and a member.
_PARTS = re.compile("[:/]")

# Columns by proxy and server.
_Sums = dict[str, dict[str, int]]


class CounterTotals:
    """Sums of what earlier processes of one amphora counted, kept in a file beside its configuration."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: list[Row] = []
        self._finishing: list[RetiredCounters] = []
        try:
            self._before = msgspec.json.decode(path.read_bytes(), type=_Sums)
        except (OSError, msgspec.DecodeError):
            self._before = {}

    def note(self, counted: Iterable[Row]) -> None:
        """Remember what the running process says: it may end at any time."""
        self._last = list(counted)

    def rows(self) -> list[Row]:
        """Return what was noted last with all that came before it added up."""
        return [
            {**row, **{column: str(self._total(row, column)) for column in GROWING if row.get(column)}}
            for row in self._last
        ]

    def counters(self) -> dict[str, Counters]:
        """Return all traffic so far, by listener id."""
        return {row["pxname"]: self._counters(row) for row in self._last if row["svname"] == "FRONTEND"}

    def begin(self, ids: Collection[str]) -> "RetiredCounters":
        """Take what the last process counted as past: a new one counts from nothing.

        `ids` are the listeners, pools and members that there are: others are forgotten, as members come and go for
        years. Returns where to note what the last one still counts.
        """
        known = {"FRONTEND", "BACKEND", *ids}
        self._before = {key: sums for key, sums in self._before.items() if known.issuperset(_PARTS.split(key))}
        past = RetiredCounters(self)
        past.note(self._last)
        self._last = []
        self._save()
        return past

    def _total(self, row: Row, column: str) -> int:
        return int(row[column] or 0) + self._before.get(_key(row), {}).get(column, 0)

    def _counters(self, row: Row) -> Counters:
        still_open = sum(past.open_connections(row["pxname"]) for past in self._finishing)
        return Counters(
            bytes_in=self._total(row, "bin"),
            bytes_out=self._total(row, "bout"),
            active_connections=int(row["scur"] or 0) + still_open,
            total_connections=self._total(row, "stot"),
            request_errors=self._total(row, "ereq"),
        )

    def add(self, growth: _Sums) -> None:
        """Add to what is past."""
        for key, columns in growth.items():
            sums = self._before.setdefault(key, {})
            for column, value in columns.items():
                sums[column] = sums.get(column, 0) + value
        self._save()

    def _save(self) -> None:
        # A full disk is no reason to serve worse: without the file only a restarted agent counts less.
        with contextlib.suppress(OSError):
            write_private(self._path, msgspec.json.encode(self._before))

    @contextlib.contextmanager
    def finishing(self, past: "RetiredCounters") -> Iterator[None]:
        """Count the open connections of a process that finishes, too."""
        self._finishing.append(past)
        try:
            yield
        finally:
            self._finishing.remove(past)


class RetiredCounters:
    """What a process that was replaced has counted: already in the sums, as far as it was noted."""

    def __init__(self, tally: CounterTotals) -> None:
        self._tally = tally
        self._counted: dict[str, Row] = {}

    def note(self, counted: Iterable[Row]) -> None:
        """Add what is new in a reading."""
        seen = {_key(row): row for row in counted}
        growth = {key: _growth(self._counted.get(key, {}), row) for key, row in seen.items()}
        self._counted = seen
        if growth := {key: columns for key, columns in growth.items() if columns}:
            self._tally.add(growth)

    def open_connections(self, listener_id: str) -> int:
        """Return how many connections of a listener it still had when it was read last."""
        row = self._counted.get(f"{listener_id}/FRONTEND")
        return int(row["scur"] or 0) if row else 0


def _growth(before: Row, after: Row) -> dict[str, int]:
    grown = {column: int(after.get(column) or 0) - int(before.get(column) or 0) for column in GROWING}
    return {column: value for column, value in grown.items() if value > 0}


def _key(row: Row) -> str:
    return f"{row['pxname']}/{row['svname']}"
