"""Serializes writing transactions of one server, so that they do not conflict with each other."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager

from sqlalchemy.util import await_only


class WriteQueue:
    """The queue of one server's writing transactions, which run in greenlets of several event loops.

    One transaction works at a time: if two ran at once on the same rows, one would fail and run again. Their commits,
    which wait for a disk, overlap. A transaction that conflicted nevertheless (with a commit that was under way, or
    with another server) also waits for the commits under way before it runs again.

    No wait needs a thread: all threads of an event loop may be waiting for transactions of another one.
    """

    def __init__(self) -> None:
        # Held for a few instructions only.
        self._guard = threading.Lock()
        self._working = False
        # What waits for its turn, and what waits until no commit is under way.
        self._turns: deque[Future[None]] = deque()
        self._for_commits: list[Future[None]] = []
        self._commits = 0

    @contextmanager
    def take(self, after: ExitStack, *, retrying: bool) -> Iterator[None]:
        """Run the block alone. The commit follows the block, lasts until `after` is closed, and may overlap others.

        `retrying` means that an earlier attempt conflicted.
        """
        if (turn := self._ask()) is not None:
            await_only(self._wait(turn))
        try:
            if retrying and (committed := self._ask_for_commits()) is not None:
                await_only(asyncio.wrap_future(committed))
            yield
            after.enter_context(self._commit())
        finally:
            self._give()

    def _ask(self) -> Future[None] | None:
        """Return None where it is the caller's turn, else what ends when it is."""
        with self._guard:
            if not self._working:
                self._working = True
                return None
            turn = Future[None]()
            self._turns.append(turn)
            return turn

    async def _wait(self, turn: Future[None]) -> None:
        try:
            await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            if not turn.cancel():
                # It was given the turn in the same moment.
                self._give()
            raise

    def _give(self) -> None:
        """Let the next one work that has not given up."""
        with self._guard:
            while self._turns:
                if _wake(self._turns.popleft()):
                    return
            self._working = False

    def _ask_for_commits(self) -> Future[None] | None:
        with self._guard:
            if not self._commits:
                return None
            committed = Future[None]()
            self._for_commits.append(committed)
            return committed

    @contextmanager
    def _commit(self) -> Iterator[None]:
        with self._guard:
            self._commits += 1
        try:
            yield
        finally:
            with self._guard:
                self._commits -= 1
                while self._for_commits and not self._commits:
                    _wake(self._for_commits.pop())


def _wake(waiting: Future[None]) -> bool:
    """End a wait; return False when it was cancelled before."""
    if not waiting.set_running_or_notify_cancel():
        return False
    waiting.set_result(None)
    return True
