"""A ring of log lines in HAProxy's memory, read over its runtime socket and followed from process to process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from hydria.adapters.linux.haproxy_socket import ask, listen, session
from hydria.errors import HostError

# The interval of asking a process whether another one has taken over, and whether it has finished (seconds).
_PERIOD = 0.2
# How long a process logs every request after it was asked to (seconds).
_WATCH = 3


async def read(path: Path, ring: str) -> list[str]:
    """Return the lines that are in the ring. Raises HostError when HAProxy does not answer."""
    return (await ask(str(path), f"show events {ring}")).splitlines()


async def follow(path: Path, ring: str, watch: Callable[[int], Iterable[str]]) -> AsyncIterator[str]:
    """Yield the lines in the ring, and new ones, of the process that has the path and of those after it.

    `watch` returns the commands that have a process log every request until a time (seconds since the epoch).
    A replaced process is followed until its last connection has ended. Ends when the path's directory is gone.
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
        """Follow one process after the other."""
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
        """Follow one process until it ends, or has no other connection: ours would keep it running forever."""
        with contextlib.suppress(OSError, HostError):
            # Both connections are opened now, because a replaced process cannot be reached any more.
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
                    # The last connection's line may still be on its way.
                    await asyncio.wait((listening,), timeout=_PERIOD)
            finally:
                listening.cancel()
                writer.close()
        replaced.set()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if text := line.decode(errors="replace").rstrip("\n"):
                self._lines.put_nowait(text)
