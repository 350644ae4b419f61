"""Turns are given by urgency, and nobody keeps one for long."""

import asyncio

import pytest

from hydria.agent.turns import Turns, Urgency
from tests.support.waiting import eventually


class Workers:
    """Workers that take a turn and keep it until they are `let_go`; `began` are their names in order."""

    def __init__(self, turns: Turns) -> None:
        self.began: list[str] = []
        self._turns = turns
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str, urgency: Urgency = Urgency.ORDERED) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._work(name, urgency))
        await asyncio.sleep(0)

    async def _work(self, name: str, urgency: Urgency) -> None:
        async with self._turns.take(name, urgency):
            self.began.append(name)
            await self._ends[name].wait()

    async def let_go(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await self._tasks[name]
            await asyncio.sleep(0)

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)


@pytest.fixture
def turns() -> Turns:
    return Turns(at_once=1, patience=3600)


@pytest.fixture
def workers(turns: Turns) -> Workers:
    return Workers(turns)


async def test_the_most_urgent_comes_first_and_then_the_first_that_asked(workers: Workers) -> None:
    await workers.start("first")
    for name, urgency in (
        ("remembered", Urgency.REMEMBERED),
        ("ordered", Urgency.ORDERED),
        ("ordered later", Urgency.ORDERED),
        ("ended", Urgency.ENDED),
    ):
        await workers.start(name, urgency)
    await workers.let_go("first", "ended", "ordered", "ordered later", "remembered")
    assert workers.began == ["first", "ended", "ordered", "ordered later", "remembered"]


async def test_what_nobody_waits_for_leaves_turns_to_others() -> None:
    workers = Workers(Turns(at_once=4, patience=3600))
    for number in range(4):
        await workers.start(f"remembered {number}", Urgency.REMEMBERED)
    assert workers.began == ["remembered 0", "remembered 1"]
    await workers.start("ordered")
    await workers.start("ended", Urgency.ENDED)
    await workers.start("ordered later")
    assert workers.began[2:] == ["ordered", "ended"]
    # One that was remembered gives its turn to what is more urgent.
    await workers.let_go("remembered 0")
    assert workers.began[4:] == ["ordered later"]
    await workers.let_go("ordered", "ended", "ordered later")
    assert workers.began[5:] == ["remembered 2"]
    await workers.let_go("remembered 1", "remembered 2", "remembered 3")


async def test_what_nobody_waits_for_goes_on_one_at_a_time_beside_an_order() -> None:
    workers = Workers(Turns(at_once=6, patience=3600))
    await workers.start("ordered")
    for number in range(3):
        await workers.start(f"remembered {number}", Urgency.REMEMBERED)
    assert workers.began == ["ordered", "remembered 0"]
    await workers.let_go("ordered")
    assert workers.began[2:] == ["remembered 1", "remembered 2"]
    await workers.let_go("remembered 0", "remembered 1", "remembered 2")


async def test_one_that_waits_becomes_more_urgent(turns: Turns, workers: Workers) -> None:
    await workers.start("first")
    await workers.start("other", Urgency.REMEMBERED)
    await workers.start("hurried", Urgency.REMEMBERED)
    turns.hurry("hurried", Urgency.ORDERED)
    turns.hurry("nobody", Urgency.ENDED)
    await workers.let_go("first", "hurried", "other")
    assert workers.began == ["first", "hurried", "other"]
    # Its second place in the queue is no turn.
    await workers.start("a")
    await workers.start("b")
    assert workers.began[3:] == ["a"]
    await workers.let_go("a", "b")


async def test_one_that_hangs_lets_the_next_one_begin() -> None:
    workers = Workers(Turns(at_once=1, patience=0.01))
    await workers.start("hangs")
    await workers.start("next")
    await eventually(lambda: workers.began == ["hangs", "next"])
    await workers.let_go("hangs", "next")
    # The turn of the one that hung is not given back twice.
    await workers.start("a")
    assert workers.began[2:] == ["a"]
    await workers.let_go("a")


async def test_a_turn_is_not_lost_with_the_one_that_had_it_or_waited(workers: Workers) -> None:
    await workers.start("has it")
    await workers.start("waits")
    await workers.start("next")
    await workers.cancel("waits")
    await workers.cancel("has it")
    await eventually(lambda: workers.began == ["has it", "next"])
    await workers.let_go("next")
