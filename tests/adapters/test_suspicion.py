"""When a suspected amphora is checked: the agent's own changes cause notifications too, and those can wait."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from hydria.adapters.linux.lookout import WHOLE, Suspicion

R = TypeVar("R")


class ShiftedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock the test sets forward."""

    shift = 0.0

    def time(self) -> float:
        return super().time() + self.shift


@pytest.fixture
def loop() -> Iterator[ShiftedLoop]:
    made = ShiftedLoop()
    yield made
    made.close()


def run(loop: ShiftedLoop, act: Callable[[], R]) -> R:
    """Call `act` while the loop runs."""

    async def inside() -> R:
        return act()

    return loop.run_until_complete(inside())


class Amphora:
    """An amphora that was just changed by the agent, which the kernel has notified."""

    def __init__(self, loop: ShiftedLoop) -> None:
        self._loop = loop
        self.looks = 0
        self._suspicion = run(loop, self._changed)

    def _changed(self) -> Suspicion:
        suspicion = Suspicion(self._look)
        suspicion.raise_(busy=True)
        suspicion.settle(repaired=False)
        return suspicion

    def _look(self) -> None:
        self.looks += 1

    def later(self, seconds: float) -> None:
        self._loop.shift += seconds
        run(self._loop, lambda: None)

    def can_wait(self) -> bool:
        return run(self._loop, lambda: self._suspicion.can_wait)

    def put_off(self) -> None:
        run(self._loop, self._suspicion.put_off)

    def notified(self) -> None:
        run(self._loop, self._suspicion.raise_)


def test_a_check_of_the_agents_own_changes_can_wait_and_is_asked_for_again(loop: ShiftedLoop) -> None:
    amphora = Amphora(loop)
    amphora.later(3)
    assert (amphora.looks, amphora.can_wait()) == (1, True)
    amphora.put_off()
    amphora.later(5)
    assert amphora.looks == 1
    amphora.later(15)
    assert amphora.looks == 2


def test_a_later_notification_cannot_wait(loop: ShiftedLoop) -> None:
    amphora = Amphora(loop)
    amphora.later(3)
    amphora.notified()
    assert not amphora.can_wait()


def test_no_check_waits_for_ever(loop: ShiftedLoop) -> None:
    amphora = Amphora(loop)
    amphora.later(WHOLE + 1)
    assert not amphora.can_wait()
