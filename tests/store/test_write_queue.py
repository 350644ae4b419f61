"""The write queue: one transaction works at a time, commits overlap, a retry waits for the commits under way."""

import asyncio
import threading
from contextlib import ExitStack

import pytest
from sqlalchemy.util import greenlet_spawn

from hydria.store.write_queue import WriteQueue

PATIENCE = 60


def started(queue: WriteQueue, *, retrying: bool) -> tuple[threading.Thread, threading.Event]:
    """Take a place in the queue from another event loop; the event is set when its block runs."""
    works = threading.Event()

    def work() -> None:
        with ExitStack() as end, queue.take(end, retrying=retrying):
            works.set()

    thread = threading.Thread(target=lambda: asyncio.run(greenlet_spawn(work)), daemon=True)
    thread.start()
    return thread, works


def test_the_next_transaction_works_while_the_previous_one_commits() -> None:
    queue = WriteQueue()
    with ExitStack() as end:
        with queue.take(end, retrying=False):
            thread, works = started(queue, retrying=False)
            assert not works.wait(0.05)
        assert works.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_retry_waits_for_the_commits_under_way() -> None:
    queue = WriteQueue()
    with ExitStack() as end:
        with queue.take(end, retrying=False):
            pass
        thread, works = started(queue, retrying=True)
        # The commit is still under way, however often it looks.
        assert not works.wait(0.05)
    assert works.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_failed_transaction_leaves_the_queue() -> None:
    queue = WriteQueue()
    try:
        with ExitStack() as end, queue.take(end, retrying=False):
            raise RuntimeError
    except RuntimeError:
        pass
    thread, works = started(queue, retrying=True)
    assert works.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()


async def test_a_cancelled_wait_leaves_the_queue_and_does_not_block_its_event_loop() -> None:
    queue = WriteQueue()

    def work() -> None:
        with ExitStack() as end, queue.take(end, retrying=False):
            pass

    with ExitStack() as end, queue.take(end, retrying=False):
        given_up = asyncio.create_task(greenlet_spawn(work))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
    await asyncio.wait_for(greenlet_spawn(work), PATIENCE)
