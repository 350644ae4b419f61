"""Processes that outlive the agent: started in a namespace, found again by their files, ended through pidfds."""

import asyncio
import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

# The place of `starttime` in /proc/PID/stat behind the name, and its unit.
_BEGUN, _TICKS = 19, os.sysconf("SC_CLK_TCK")


def now() -> float:
    """Return the seconds since the machine started, in the kernel's steps for processes."""
    return math.floor(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS) / _TICKS


class Process:
    """A running process, held by a pidfd so that its number cannot come to mean another."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        # Not select: it takes no descriptor above 1023, and a host has thousands.
        ended = select.poll()
        ended.register(self.pidfd, select.POLLIN)
        return not ended.poll(0)

    @property
    def begun(self) -> float:
        """When it began, as `now` counts; infinity when it is gone."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.inf
        return int(fields[_BEGUN]) / _TICKS

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone already is fine."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.pidfd)


def find(pid: int, *markers: str) -> Process | None:
    """Return the process with this number if one of `markers` is a word of its command line."""
    if _words(pid).isdisjoint(markers):
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError):
        return None
    process = Process(pid, pidfd)
    # Once more: until the pidfd held it, the number could have come to mean another.
    if process.alive and not _words(pid).isdisjoint(markers):
        return process
    process.close()
    return None


def find_all(*markers: str) -> Iterator[Process]:
    """Find the processes that have one of `markers` as a word of their command lines."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            process = find(int(entry.name), *markers)
            if process is not None:
                yield process


async def gone(processes: list[Process], seconds: float) -> bool:
    """Wait until all of them are gone; False when the time ran out first."""
    try:
        async with asyncio.timeout(seconds):
            for process in processes:
                await _end_of(process)
    except TimeoutError:
        return False
    return True


async def _end_of(process: Process) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    # A copy: the process's own may be watched elsewhere.
    pidfd = os.dup(process.pidfd)
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _words(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0"))
    except OSError:
        return set()
