"""One processor for what is measured: on a machine where others work, they wait.

Proxy, clients and members share it. On one each they would sleep and wake each other now so, now so: what that costs,
more than half of all, differs from one start of a program to the next. Here who comes first is settled by ranks.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_FIRST = 5
_PROCESSORS = sorted(os.sched_getaffinity(0))
# Others get the processors back in between, which the kernel else enforces at a moment of its own (seconds).
_PAUSE = 0.02


def put_ahead(pid: int, rank: int, processor: int = -1) -> None:
    """Let a process with one thread run before all that is ordinary, and before those of a lower rank."""
    os.sched_setaffinity(pid, {_PROCESSORS[processor]})
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(_FIRST + rank))


@contextlib.contextmanager
def ahead(rank: int) -> Iterator[None]:
    """Let this thread do so for a moment, with what it starts meanwhile."""
    put_ahead(0, rank)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, _PROCESSORS)
        time.sleep(_PAUSE)


def processor_time(pid: int) -> float:
    """Return the seconds that a process with one thread has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
