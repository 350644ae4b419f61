"""A processor reserved for the measured programs: on a busy machine, other programs wait.

Proxy, clients and members share it. On a processor each they would sleep and wake each other: the cost of that,
more than half of the total, differs from one start of a program to the next. Here ranks decide which runs first.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_FIRST = 5
_PROCESSORS = sorted(os.sched_getaffinity(0))
# The pause in which others get the processor (seconds); otherwise the kernel throttles at an arbitrary moment.
_PAUSE = 0.02


def put_ahead(pid: int, rank: int, processor: int = -1) -> None:
    """Run a process with one thread before all ordinary processes, and before those of a lower rank."""
    os.sched_setaffinity(pid, {_PROCESSORS[processor]})
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(_FIRST + rank))


@contextlib.contextmanager
def ahead(rank: int) -> Iterator[None]:
    """Run this thread, and what it starts, so for the block."""
    put_ahead(0, rank)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, _PROCESSORS)
        time.sleep(_PAUSE)


def processor_time(pid: int) -> float:
    """Return the processor time of a process with one thread (seconds)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
