"""Waking a coroutine from wherever a transaction committed."""

import asyncio


class Wakeup:
    """An event of one loop that any thread may set."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self) -> None:
        """Wake whoever waits, or will wait before the next `clear`."""
        if self._loop is None:
            self._event.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Forget what was set. Whoever waits looks for work between this and `wait`, and misses nothing."""
        self._loop = asyncio.get_running_loop()
        self._event.clear()

    async def wait(self, seconds: float) -> None:
        """Wait until it is set, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
