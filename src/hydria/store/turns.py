"""Who writes when: what would clash is not run at once, and what clashed is run when nothing else is."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


class Turns:
    """The transactions of one server that may write.

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
        with self._turn:
            if again:
                with self._landed:
                    self._landed.wait_for(lambda: self._commits == 0)
            yield
            after.enter_context(self._commit())

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
