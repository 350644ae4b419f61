"""A ring of log lines in HAProxy's memory, read over its runtime socket and followed from process to process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from hydria.adapters.linux.haproxy_socket import ask, listen, session
from hydria.errors import HostError

# How often a process is asked whether another one has taken over, and whether it has finished (seconds).
_PERIOD = 0.2
# How long it writes all without being asked again (seconds).
_WATCH = 3


async def read(path: Path, ring: str) -> list[str]:
    """Return the lines that are in the ring. Raises HostError when HAProxy does not answer."""
    return (await ask(str(path), f"show events {ring}")).splitlines()


async def follow(path: Path, ring: str, watch: Callable[[int], Iterable[str]]) -> AsyncIterator[str]:
    """Yield what is in the ring and what comes, of the process that listens there and of those after it.

    `watch` returns what to say to a process so that it writes all until then (seconds since the epoch).
    A process that was replaced is listened to until its last connection has ended. Ends when the path's directory
    is gone.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    processes = asyncio.create_task(_Follower(path, ring, watch, lines).processes())
    try:
        while (line := await lines.get()) is not None:
            yield line
    finally:
        processes.cancel()
        await asyncio.gather(processes, return_exceptions=True)


class _Follower:
    def __init__(
        self, path: Path, ring: str, watch: Callable[[int], Iterable[str]], lines: "asyncio.Queue[str | None]"
    ) -> None:
        self._path = path
        self._ring = ring
        self._watch = watch
        self._lines = lines

    async def processes(self) -> None:
        """Listen to one process after the other."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while self._path.parent.exists():
                    replaced = asyncio.Event()
                    tasks.create_task(self._process(replaced))
                    await replaced.wait()
                    await asyncio.sleep(_PERIOD)
        finally:
            self._lines.put_nowait(None)

    async def _process(self, replaced: asyncio.Event) -> None:
        """Listen to one process until it ends, or has only us left: an open connection would keep it for ever."""
        with contextlib.suppress(OSError, HostError):
            # Both now: one that was replaced is reached no more.
            reader, writer = await listen(str(self._path), f"show events {self._ring} -w")
            listening = asyncio.create_task(self._listen(reader))
            try:
                with contextlib.closing(await session(str(self._path))) as control:
                    while not listening.done():
                        for command in self._watch(int(time.time()) + _WATCH):
                            await control.ask(command)
                        state = await control.state()
                        if state != "serving":
                            replaced.set()
                        if state == "finished":
                            break
                        await asyncio.wait((listening,), timeout=_PERIOD)
                    # What the last connection wrote at its end is on its way.
                    await asyncio.wait((listening,), timeout=_PERIOD)
            finally:
                listening.cancel()
                writer.close()
        replaced.set()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if text := line.decode(errors="replace").rstrip("\n"):
                self._lines.put_nowait(text)
