"""Writers of one server: one works at a time, commits overlap, and what clashed waits for them."""

import asyncio
import threading
from contextlib import ExitStack

import pytest
from sqlalchemy.util import greenlet_spawn

from hydria.store.write_queue import WriteQueue

PATIENCE = 60


def started(turns: WriteQueue, *, again: bool) -> tuple[threading.Thread, threading.Event]:
    """Take a turn in another event loop; the event says that it works."""
    works = threading.Event()

    def work() -> None:
        with ExitStack() as end, turns.take(end, again=again):
            works.set()

    thread = threading.Thread(target=lambda: asyncio.run(greenlet_spawn(work)), daemon=True)
    thread.start()
    return thread, works


def test_the_next_works_as_soon_as_only_a_commit_is_left() -> None:
    turns = WriteQueue()
    with ExitStack() as end:
        with turns.take(end, again=False):
            thread, works = started(turns, again=False)
            assert not works.wait(0.05)
        assert works.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_what_clashed_waits_for_the_commits_before_it() -> None:
    turns = WriteQueue()
    with ExitStack() as end:
        with turns.take(end, again=False):
            pass
        thread, works = started(turns, again=True)
        # It may look that often, and finds the commit still there.
        assert not works.wait(0.05)
    assert works.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_failure_gives_the_turn_back() -> None:
    turns = WriteQueue()
    try:
        with ExitStack() as end, turns.take(end, again=False):
            raise RuntimeError
    except RuntimeError:
        pass
    thread, works = started(turns, again=True)
    assert works.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def test_an_event_loop_goes_on_while_another_works_and_who_gives_up_keeps_no_turn() -> None:
    turns = WriteQueue()

    def work() -> None:
        with ExitStack() as end, turns.take(end, again=False):
            pass

    with ExitStack() as end, turns.take(end, again=False):
        given_up = asyncio.create_task(greenlet_spawn(work))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
    await asyncio.wait_for(greenlet_spawn(work), PATIENCE)
