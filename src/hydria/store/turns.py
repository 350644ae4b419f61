"""Who writes when: what would clash is not run at once, and what clashed is run when nothing else is."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy.util import await_only


class Turns:
    """The transactions of one server that may write, in threads and in greenlets of its event loop.

    One works at a time: of two at once that touch the same, one is run for nothing. Their commits, which wait for a
    disk, overlap. What clashes in spite of that also waits for the commits that have begun: it would clash with them
    again.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        # Of the event loop's, only the first in line asks for the lock that threads hold too.
        self._line = asyncio.Lock()
        self._landed = threading.Condition()
        self._commits = 0

    @contextmanager
    def take(self, after: ExitStack, *, again: bool) -> Iterator[None]:
        """Work alone; the commit, until `after` is closed, is not. `again` says that the work clashed before."""
        with self._turn:
            if again:
                self._wait_for_commits()
            yield
            after.enter_context(self._commit())

    @contextmanager
    def in_greenlet(self, after: ExitStack, *, again: bool) -> Iterator[None]:
        """Do as `take` does in a greenlet of the event loop, which goes on meanwhile."""
        await_only(self._line.acquire())
        try:
            await_only(self._acquire())
            try:
                if again and self._commits:
                    await_only(asyncio.to_thread(self._wait_for_commits))
                yield
                after.enter_context(self._commit())
            finally:
                self._turn.release()
        finally:
            self._line.release()

    async def _acquire(self) -> None:
        if self._turn.acquire(blocking=False):
            return
        waiting = asyncio.get_running_loop().run_in_executor(None, self._turn.acquire)
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            waiting.add_done_callback(lambda _: self._turn.release())
            raise

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
