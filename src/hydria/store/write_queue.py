"""Serializes writing transactions of one server, so that they do not conflict with each other."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy.util import await_only


class WriteQueue:
    """The queue of one server's writing transactions, which run in greenlets of several event loops.

    One transaction works at a time: if two ran at once on the same rows, one would fail and run again. Their commits,
    which wait for a disk, overlap. A transaction that conflicted nevertheless (with a commit that was under way, or
    with another server) also waits for the commits under way before it runs again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._committed = threading.Condition()
        self._commits = 0

    @contextmanager
    def take(self, after: ExitStack, *, retrying: bool) -> Iterator[None]:
        """Run the block alone. The commit follows the block, lasts until `after` is closed, and may overlap others.

        `retrying` means that an earlier attempt conflicted.
        """
        if not self._lock.acquire(blocking=False):
            await_only(_in_thread(self._lock.acquire, undo=self._lock.release))
        try:
            if retrying and self._commits:
                await_only(asyncio.to_thread(self._wait_for_commits))
            yield
            after.enter_context(self._commit())
        finally:
            self._lock.release()

    def _wait_for_commits(self) -> None:
        with self._committed:
            self._committed.wait_for(lambda: self._commits == 0)

    @contextmanager
    def _commit(self) -> Iterator[None]:
        with self._committed:
            self._commits += 1
        try:
            yield
        finally:
            with self._committed:
                self._commits -= 1
                self._committed.notify_all()


async def _in_thread(act: Callable[[], object], *, undo: Callable[[], object]) -> None:
    """Wait for `act` in a thread. When the wait is cancelled, call `undo` once `act` has returned."""
    acting = asyncio.get_running_loop().run_in_executor(None, act)
    try:
        await asyncio.shield(acting)
    except asyncio.CancelledError:
        acting.add_done_callback(lambda _: undo())
        raise
