"""Calls that block for long, in daemon threads that a stopping server does not wait for."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

R = TypeVar("R")


async def run_in_daemon_thread(act: Callable[[], R]) -> R:
    """Return what `act` returns, or raise what it raises. A program waits at its end for the loop's own threads."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[R] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not done.cancelled():
            settled()

    def run() -> None:
        try:
            settled = partial(done.set_result, act())
        except Exception as error:
            settled = partial(done.set_exception, error)
        # The loop may be closed by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, name="hydria-acme", daemon=True).start()
    return await done
