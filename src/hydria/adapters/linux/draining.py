"""The processes of one amphora that were replaced and drain: their counters are read until the last connection ends."""

import asyncio
import contextlib

from hydria.adapters.linux.counters import CounterTotals, RetiredCounters
from hydria.adapters.linux.haproxy_socket import SHOW_STATISTICS, Session, Statistics
from hydria.errors import HostError

# The pauses between readings (seconds). Most processes finish at once; HAProxy hangs up after ten seconds of silence.
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0


class Draining:
    """Adds their counters to the amphora's totals."""

    def __init__(self, totals: CounterTotals) -> None:
        self._totals = totals
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def going_on(self) -> bool:
        """Whether a process still drains."""
        return bool(self._tasks)

    async def start(self, session: Session, retired: RetiredCounters) -> None:
        """Read the counters of a process until it has finished; then close its session, so that it can end."""
        with contextlib.suppress(HostError):
            await _note(session, retired)
        retired.replaced()
        task = asyncio.create_task(self._read(session, retired))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()

    async def _read(self, session: Session, retired: RetiredCounters) -> None:
        pause = _FIRST_PAUSE
        with self._totals.draining(retired), contextlib.closing(session):
            try:
                while True:
                    finished = await session.state() == "finished"
                    await _note(session, retired)
                    if finished:
                        return
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LAST_PAUSE)
            except HostError:
                # It does not end by itself while it has this session.
                retired.cut()


async def _note(session: Session, retired: RetiredCounters) -> None:
    retired.note(Statistics(await session.ask(SHOW_STATISTICS)).rows)
