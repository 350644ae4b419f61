"""Waking a coroutine from any thread."""

import asyncio


class Wakeup:
    """An event of one event loop that any thread may set."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self) -> None:
        """Wake the coroutine that waits, or that waits before the next `clear`."""
        if self._loop is None:
            self._event.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Unset the event. A coroutine that looks for work between this and `wait` misses nothing."""
        self._loop = asyncio.get_running_loop()
        self._event.clear()

    async def wait(self, seconds: float) -> None:
        """Wait until the event is set, at most this long."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
