"""Who writes when: what would clash is not run at once, and what clashed is run when nothing else is."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy.util import await_only


class WriteQueue:
    """The transactions of one server that may write, in greenlets of several event loops.

    One works at a time: of two at once that touch the same, one is run for nothing. Their commits, which wait for a
    disk, overlap. What clashes in spite of that also waits for the commits that have begun: it would clash with them
    again.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._landed = threading.Condition()
        self._commits = 0

    @contextmanager
    def take(self, after: ExitStack, *, again: bool) -> Iterator[None]:
        """Work alone; the commit, until `after` is closed, is not. `again` says that the work clashed before."""
        if not self._turn.acquire(blocking=False):
            await_only(_in_thread(self._turn.acquire, undo=self._turn.release))
        try:
            if again and self._commits:
                await_only(asyncio.to_thread(self._wait_for_commits))
            yield
            after.enter_context(self._commit())
        finally:
            self._turn.release()

    def _wait_for_commits(self) -> None:
        with self._landed:
            self._landed.wait_for(lambda: self._commits == 0)

    @contextmanager
    def _commit(self) -> Iterator[None]:
        with self._landed:
            self._commits += 1
        try:
            yield
        finally:
            with self._landed:
                self._commits -= 1
                self._landed.notify_all()


async def _in_thread(act: Callable[[], object], *, undo: Callable[[], object]) -> None:
    """Wait for an act; who is cut off has it undone."""
    acting = asyncio.get_running_loop().run_in_executor(None, act)
    try:
        await asyncio.shield(acting)
    except asyncio.CancelledError:
        acting.add_done_callback(lambda _: undo())
        raise
