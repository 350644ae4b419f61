"""The write queue: one transaction works at a time, commits overlap, a retry waits for the commits under way."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy.util import await_only, greenlet_spawn

from hydria.store.write_queue import WriteQueue
from tests.support.waiting import eventually

PATIENCE = 60


class Writer:
    """A transaction in a greenlet. It works until `finish` is set, then commits until `commit` is set."""

    def __init__(self, queue: WriteQueue, *, retrying: bool = False) -> None:
        self.works = self.commits = False
        self.finish, self.commit = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(greenlet_spawn(self._run, queue, retrying))

    def _run(self, queue: WriteQueue, retrying: bool) -> None:
        with ExitStack() as end:
            with queue.take(end, retrying=retrying):
                self.works = True
                await_only(self.finish.wait())
            self.works, self.commits = False, True
            await_only(self.commit.wait())
        self.commits = False

    def cancel(self) -> None:
        """Give up, wherever it is."""
        self._task.cancel()

    async def end(self) -> None:
        self.finish.set()
        self.commit.set()
        await asyncio.wait_for(self._task, PATIENCE)


async def test_the_next_transaction_works_while_the_previous_one_commits() -> None:
    queue = WriteQueue()
    first = Writer(queue)
    await eventually(lambda: first.works)
    second = Writer(queue)
    # Without a queue it would work after its first step.
    await asyncio.sleep(0)
    assert not second.works
    first.finish.set()
    await eventually(lambda: second.works)
    assert first.commits
    await first.end()
    await second.end()


async def test_a_retry_waits_for_the_commits_under_way() -> None:
    queue = WriteQueue()
    first = Writer(queue)
    first.finish.set()
    await eventually(lambda: first.commits)
    retry = Writer(queue, retrying=True)
    # Without a commit it would work after its first step.
    await asyncio.sleep(0)
    assert not retry.works
    await first.end()
    await eventually(lambda: retry.works)
    await retry.end()


async def test_no_wait_needs_a_thread() -> None:
    """The threads of an event loop may all be waiting for transactions of another one."""
    queue, ended = WriteQueue(), threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    busy = asyncio.create_task(asyncio.to_thread(ended.wait, PATIENCE))
    committing = Writer(queue)
    committing.finish.set()
    await eventually(lambda: committing.commits)
    retry = Writer(queue, retrying=True)
    following = Writer(queue)
    await committing.end()
    await eventually(lambda: retry.works, 10)
    await retry.end()
    await following.end()
    assert not busy.done()
    ended.set()
    await busy


@pytest.mark.parametrize("retrying", [False, True])
async def test_a_failed_transaction_leaves_the_queue(retrying: bool) -> None:
    queue = WriteQueue()
    with pytest.raises(RuntimeError, match="failed"), ExitStack() as end, queue.take(end, retrying=False):
        raise RuntimeError("failed")
    following = Writer(queue, retrying=retrying)
    await eventually(lambda: following.works)
    await following.end()


async def test_writers_of_two_event_loops_take_turns() -> None:
    queue = WriteQueue()
    works = threading.Event()

    def work() -> None:
        with ExitStack() as end, queue.take(end, retrying=False):
            works.set()

    first = Writer(queue)
    await eventually(lambda: first.works)
    other = threading.Thread(target=lambda: asyncio.run(greenlet_spawn(work)), daemon=True)
    other.start()
    await first.end()
    await eventually(works.is_set)
    await asyncio.to_thread(other.join, PATIENCE)
    assert not other.is_alive()


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


async def test_a_wait_that_is_cancelled_when_its_turn_comes_passes_the_turn_on() -> None:
    queue = WriteQueue()
    with ExitStack() as end, queue.take(end, retrying=False):
        given_up, following = Writer(queue), Writer(queue)
        await asyncio.sleep(0)
    # It has the turn by now, and does not know it yet.
    given_up.cancel()
    await eventually(lambda: following.works)
    assert not given_up.works
    await following.end()
