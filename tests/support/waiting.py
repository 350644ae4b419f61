"""Wait for a condition with a deadline: in a coroutine (`eventually`) or in a thread (`wait_until`)."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

R = TypeVar("R")

# Long enough on a machine whose processors eight other programs keep busy.
DEADLINE = 60.0


async def eventually(
    condition: Callable[[], object | Awaitable[object]], seconds: float = DEADLINE, say: Callable[[], object] = str
) -> None:
    """Wait until the condition, or its awaitable, is true. `say` explains a failure."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"it did not come true: {say()}"
        await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], R | None], seconds: float = DEADLINE, say: Callable[[], object] = str) -> R:
    """Wait until the condition returns something true, and return that. `say` explains a failure."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not come true: {say()}"
        time.sleep(0.02)
    return found
