"""Processes that outlive the agent: found by their command lines, and ended through pidfds."""

import asyncio
import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# The fields `state` and `starttime` of /proc/PID/stat, counted behind the name, and the unit of time.
_STATE, _BEGUN, _TICKS = 0, 19, os.sysconf("SC_CLK_TCK")

_PAGE = os.sysconf("SC_PAGE_SIZE")


def now() -> float:
    """Return the seconds since the machine started, in the resolution of processes' start times."""
    return math.floor(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS) / _TICKS


class Process:
    """A process, held by a pidfd, so that its number cannot stand for another one."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self.ended(0)

    def ended(self, seconds: float) -> bool:
        """Wait at most so many seconds for its end; return whether it has ended."""
        # select does not accept descriptors above 1023, and a host has thousands.
        end = select.poll()
        end.register(self.pidfd, select.POLLIN)
        return bool(end.poll(seconds * 1000))

    @property
    def begun(self) -> float:
        """When it started, in the unit of `now`; infinity when it has ended."""
        fields = self._stat()
        return int(fields[_BEGUN]) / _TICKS if fields else math.inf

    @property
    def stopped(self) -> bool:
        """Whether it was stopped by a signal or a debugger."""
        fields = self._stat()
        return bool(fields) and fields[_STATE] in ("T", "t")

    @property
    def program(self) -> str:
        """The file of its program; it ends with " (deleted)" when another one has its name now."""
        try:
            return os.readlink(f"/proc/{self.pid}/exe")
        except OSError:
            return ""

    @property
    def network(self) -> int | None:
        """The inode of its network namespace; None when it has ended."""
        try:
            return os.stat(f"/proc/{self.pid}/ns/net").st_ino
        except OSError:
            return None

    @property
    def root(self) -> int | None:
        """The inode of its root directory; None when it has ended."""
        try:
            return os.stat(f"/proc/{self.pid}/root").st_ino
        except OSError:
            return None

    def _stat(self) -> list[str]:
        # Much cheaper than `Path.read_text`, and this is done for each amphora again and again.
        try:
            with open(f"/proc/{self.pid}/stat", "rb", buffering=0) as file:
                return file.read().decode(errors="replace").rpartition(")")[2].split()
        except OSError:
            return []

    @property
    def worked(self) -> int | None:
        """The processor time that all its threads have used (nanoseconds); None when it has ended."""
        try:
            # Linux derives the clock of a process from its number (`clock_getcpuclockid`). It costs one system call.
            return time.clock_gettime_ns(~self.pid << 3 | 2)
        except OSError:
            return None

    @property
    def resident_bytes(self) -> int:
        """Its resident memory; 0 when it has ended."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            return 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Close the pidfd."""
        os.close(self.pidfd)


def find(pid: int, *markers: str) -> Process | None:
    """Return the process with this number if one of `markers` is a word of its command line."""
    return hold(pid, lambda number: not _words(number).isdisjoint(markers))


def find_all(*markers: str) -> Iterator[Process]:
    """Find the processes that have one of `markers` as a word of their command lines."""
    return hold_all(lambda number: not _words(number).isdisjoint(markers))


def hold(pid: int, ours: Callable[[int], bool]) -> Process | None:
    """Return the process with this number if it is `ours`."""
    if not ours(pid):
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError):
        return None
    process = Process(pid, pidfd)
    # Checked again: before the pidfd was open, the number could have been reused.
    if process.alive and ours(pid):
        return process
    process.close()
    return None


def hold_all(ours: Callable[[int], bool]) -> Iterator[Process]:
    """Find the processes that are `ours`."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            process = hold(int(entry.name), ours)
            if process is not None:
                yield process


async def gone(processes: list[Process], seconds: float) -> bool:
    """Wait at most so many seconds until all of them have ended; return whether they have."""
    try:
        async with asyncio.timeout(seconds):
            for process in processes:
                await _end_of(process)
    except TimeoutError:
        return False
    return True


async def _end_of(process: Process) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    # A duplicate, because the process's own descriptor may be watched elsewhere.
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
