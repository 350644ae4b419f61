"""Counters that only grow, though a new HAProxy process begins at nothing."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from hydria.adapters.linux.exposition import GROWING, Row
from hydria.spec import Counters

# Columns by proxy and server.
_Sums = dict[str, dict[str, int]]


class Tally:
    """Sums of what earlier processes of one amphora counted, kept in a file beside its configuration."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: list[Row] = []
        try:
            self._before = msgspec.json.decode(path.read_bytes(), type=_Sums)
        except (OSError, msgspec.DecodeError):
            self._before = {}

    def note(self, counted: Iterable[Row]) -> None:
        """Remember what the running process says: it may end at any time."""
        self._last = list(counted)

    def rows(self) -> list[Row]:
        """Return what was noted last with all that came before it added up."""
        return [{**row, **{column: str(value) for column, value in self._sum(row).items()}} for row in self._last]

    def counters(self) -> dict[str, Counters]:
        """Return all traffic so far, by listener id."""
        return {row["pxname"]: self._counters(row) for row in self._last if row["svname"] == "FRONTEND"}

    def begin(self) -> None:
        """Take what the last process counted as past: a new one counts from nothing."""
        self._before |= {_key(row): self._sum(row) for row in self._last}
        self._last = []
        # A full disk is no reason to serve worse: without the file only a restarted agent counts less.
        with contextlib.suppress(OSError):
            self._path.write_bytes(msgspec.json.encode(self._before))

    def _sum(self, row: Row) -> dict[str, int]:
        past: Mapping[str, int] = self._before.get(_key(row), {})
        return {column: int(row[column]) + past.get(column, 0) for column in GROWING if row.get(column)}

    def _counters(self, row: Row) -> Counters:
        past: Mapping[str, int] = self._before.get(_key(row), {})

        def total(column: str) -> int:
            return int(row[column] or 0) + past.get(column, 0)

        return Counters(
            bytes_in=total("bin"),
            bytes_out=total("bout"),
            active_connections=int(row["scur"] or 0),
            total_connections=total("stot"),
            request_errors=total("ereq"),
        )


def _key(row: Row) -> str:
    return f"{row['pxname']}/{row['svname']}"
