"""The processes of one amphora that were replaced and finish their connections: read until the last one has ended."""

import asyncio
import contextlib

from hydria.adapters.linux.counters import CounterTotals, RetiredCounters
from hydria.adapters.linux.haproxy_socket import SHOW_STATISTICS, Session, Statistics
from hydria.errors import HostError

# Most have finished at once; HAProxy hangs up on ten seconds of silence.
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0


class Draining:
    """Adds what they still count to the amphora's tally."""

    def __init__(self, tally: CounterTotals) -> None:
        self._tally = tally
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, session: Session, past: RetiredCounters) -> None:
        """Read a process, and on until it has finished; then let it end."""
        with contextlib.suppress(HostError):
            await _note(session, past)
        task = asyncio.create_task(self._read(session, past))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Read none any more."""
        for task in self._tasks:
            task.cancel()

    async def _read(self, session: Session, past: RetiredCounters) -> None:
        pause = _FIRST_PAUSE
        with self._tally.finishing(past), contextlib.closing(session), contextlib.suppress(HostError):
            while True:
                finished = await session.state() == "finished"
                await _note(session, past)
                if finished:
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE)


async def _note(session: Session, past: RetiredCounters) -> None:
    past.note(Statistics(await session.ask(SHOW_STATISTICS)).rows)
