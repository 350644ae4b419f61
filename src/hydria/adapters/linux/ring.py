"""A ring of log lines in HAProxy's memory, read over its runtime socket and followed from process to process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hydria.adapters.linux.haproxy_socket import ask, session
from hydria.errors import HostError

# How often a process is asked whether another one has taken over, and whether it has finished (seconds).
_PERIOD = 0.2


async def read(path: Path, ring: str) -> list[str]:
    """Return the lines that are in the ring. Raises HostError when HAProxy does not answer."""
    return (await ask(str(path), f"show events {ring}")).splitlines()


async def follow(path: Path, ring: str) -> AsyncIterator[str]:
    """Yield what is in the ring and what comes, of the process that listens there and of those after it.

    A process that was replaced is listened to until its last connection has ended. Ends when the path's directory
    is gone.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    processes = asyncio.create_task(_follow_processes(path, ring, lines))
    try:
        while (line := await lines.get()) is not None:
            yield line
    finally:
        processes.cancel()
        await asyncio.gather(processes, return_exceptions=True)


async def _follow_processes(path: Path, ring: str, lines: "asyncio.Queue[str | None]") -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            while path.parent.exists():
                replaced = asyncio.Event()
                tasks.create_task(_follow_process(path, ring, lines, replaced))
                await replaced.wait()
                await asyncio.sleep(_PERIOD)
    finally:
        lines.put_nowait(None)


async def _follow_process(path: Path, ring: str, lines: "asyncio.Queue[str | None]", replaced: asyncio.Event) -> None:
    """Listen to one process until it ends, or has only us left: an open connection would keep it for ever."""
    with contextlib.suppress(OSError, HostError):
        # Both now: one that was replaced is reached no more.
        reader, writer = await asyncio.open_unix_connection(path)
        listening = asyncio.create_task(_pass_on(reader, lines))
        try:
            writer.write(f"show events {ring} -w\n".encode())
            with contextlib.closing(await session(str(path))) as control:
                while not listening.done():
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


async def _pass_on(reader: asyncio.StreamReader, lines: "asyncio.Queue[str | None]") -> None:
    while line := await reader.readline():
        if text := line.decode(errors="replace").rstrip("\n"):
            lines.put_nowait(text)
