"""Tasks that must not end. When one ends, that is a defect: it is logged and stops the program."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# How long a program with a defect may take to stop (seconds), and its exit status when it takes longer.
_GRACE = 10.0
DEFECT_STATUS = 70

_DEFECT = "endless_task"


def endless(work: Coroutine[Any, Any, None], name: str, stop: asyncio.Event | None = None) -> asyncio.Task[None]:
    """Start a task that runs until it is cancelled, or until `stop` is set.

    Another end is reported to the event loop's exception handler, where `DefectHandler` stops the program.
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

    It logs each error that no task handled. When an endless task ends, it sets `stop`, and `defect` is the task's
    name. A program that does not stop within ten seconds is ended.
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
