"""The end of an endless task stops the program, and the failure of another task does not."""

import asyncio

from hydria.tasks import DefectHandler, endless


async def broken() -> None:
    raise RuntimeError("a defect")


async def done() -> None:
    return None


async def handled(stop: asyncio.Event) -> DefectHandler:
    return DefectHandler(asyncio.get_running_loop(), stop)


async def test_an_endless_task_that_fails_ends_the_program() -> None:
    stop = asyncio.Event()
    handler = await handled(stop)
    endless(broken(), "watch")
    async with asyncio.timeout(60):
        await stop.wait()
    assert handler.defect == "watch"


async def test_an_endless_task_that_returns_ends_the_program() -> None:
    stop = asyncio.Event()
    handler = await handled(stop)
    endless(done(), "watch", asyncio.Event())
    async with asyncio.timeout(60):
        await stop.wait()
    assert handler.defect == "watch"


async def test_a_task_that_returns_when_it_was_stopped_or_cancelled_is_no_defect() -> None:
    stop, stopped = asyncio.Event(), asyncio.Event()
    handler = await handled(stop)
    stopped.set()
    tasks = [endless(done(), "stopped", stopped), endless(asyncio.Event().wait(), "cancelled")]  # type: ignore[arg-type]
    tasks[1].cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)
    assert (handler.defect, stop.is_set()) == (None, False)


async def test_another_failed_task_does_not_end_the_program() -> None:
    stop = asyncio.Event()
    handler = await handled(stop)
    asyncio.get_running_loop().call_exception_handler({"message": "a callback failed", "exception": RuntimeError()})
    assert (handler.defect, stop.is_set()) == (None, False)
