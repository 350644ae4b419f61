"""Counters that only grow, though a new HAProxy process begins at nothing."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hydria.spec import Counters


class Tally:
    """Sums of what earlier processes of one amphora counted, kept in a file beside its configuration."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: Mapping[str, Counters] = {}
        try:
            self._before = msgspec.json.decode(path.read_bytes(), type=dict[str, Counters])
        except (OSError, msgspec.DecodeError):
            self._before = {}

    def total(self, counted: Mapping[str, Counters]) -> dict[str, Counters]:
        """Return all traffic so far, by listener id; `counted` is what the running process says."""
        self._last = counted
        return {key: _sum(self._before.get(key), counters) for key, counters in counted.items()}

    def begin(self) -> None:
        """Take what the last process counted as past: a new one counts from nothing."""
        self._before |= {key: _sum(self._before.get(key), counters) for key, counters in self._last.items()}
        self._last = {}
        # A full disk is no reason to serve worse: without the file only a restarted agent counts less.
        with contextlib.suppress(OSError):
            self._path.write_bytes(msgspec.json.encode(self._before))


def _sum(past: Counters | None, counted: Counters) -> Counters:
    if past is None:
        return counted
    return Counters(
        bytes_in=past.bytes_in + counted.bytes_in,
        bytes_out=past.bytes_out + counted.bytes_out,
        active_connections=counted.active_connections,
        total_connections=past.total_connections + counted.total_connections,
        request_errors=past.request_errors + counted.request_errors,
    )
