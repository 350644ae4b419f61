"""Tasks that must not end: the end of an endless loop is a defect that ends its program, and is never unseen."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# How long a program with a defect may take to stop by itself (seconds), and the status that it exits with otherwise.
_GRACE = 10.0
DEFECT_STATUS = 70

_DEFECT = "endless_task"


def endless(work: Coroutine[Any, Any, None], name: str, stop: asyncio.Event | None = None) -> asyncio.Task[None]:
    """Start a task that runs until it is cancelled, or until `stop` is set.

    Any other end is reported to the event loop's exception handler, where `DefectHandler` stops the program.
    """
    task = asyncio.create_task(work, name=name)

    def ended(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (task.exception() is None and stop is not None and stop.is_set()):
            return
        context: dict[str, Any] = {"message": f"The endless task {name} ended.", _DEFECT: name, "task": task}
        if task.exception() is not None:
            context["exception"] = task.exception()
        task.get_loop().call_exception_handler(context)

    task.add_done_callback(ended)
    return task


class DefectHandler:
    """The exception handler of a program's event loop.

    It logs each error that no task handled, and sets `stop` when an endless task ended. `defect` is that task's name
    then. A program that does not stop within ten seconds is ended at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        self.defect: str | None = None
        self._stop = stop
        loop.set_exception_handler(self._handle)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.error("task_failed", what=context.get("message"), exc_info=context.get("exception"))
        if _DEFECT in context and self.defect is None:
            self.defect = context[_DEFECT]
            self._stop.set()
            loop.call_later(_GRACE, os._exit, DEFECT_STATUS)
