"""Whose turn it is: a host changes only a few amphorae at a time, the most urgent first.

A thousand at once would make each of them wait for so long that starts of HAProxy time out.
"""

import asyncio
import contextlib
import heapq
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator
from enum import IntEnum

# How many amphorae are changed at a time. The work of one waits about half of its time for other programs.
AT_ONCE = 3 * (os.cpu_count() or 1) + 3
# A change that takes longer lets another one begin beside it (seconds): a program that hangs holds up nobody.
PATIENCE = 2.0


class Urgency(IntEnum):
    """Why an amphora is changed; the most urgent reason is the smallest number."""

    # What ended was serving traffic.
    ENDED = 0
    ORDERED = 1
    # It was remembered without what only the server has, and the server sends the whole.
    COMPLETED = 2
    # It is brought back after a start of the agent.
    REMEMBERED = 3


class Turns:
    """Gives out turns by urgency, and in the order of asking.

    What nobody waits for gets two thirds of them at most, so that an order finds one at once, and only one while an
    order is carried out, so that this has the processors.
    """

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._at_once = at_once
        # How many have turns: those that nobody waits for (True), which may have `_most_unhurried`, and the others.
        self._taken = Counter[bool]()
        self._most_unhurried = max(1, 2 * at_once // 3)
        self._patience = patience
        self._numbers = itertools.count()
        # A turn that is given says whether it is one of the unhurried.
        self._queue: list[tuple[Urgency, int, asyncio.Future[bool]]] = []
        self._waiting: dict[str, asyncio.Future[bool]] = {}

    @contextlib.asynccontextmanager
    async def take(self, key: str, urgency: Urgency) -> AsyncIterator[None]:
        """Wait for a turn. It ends with the block, or after the patience, when the block goes on without one.

        Only one may wait under a key.
        """
        unhurried, ended = await self._wait(key, urgency), False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._give_back(unhurried=unhurried)

        timer = asyncio.get_running_loop().call_later(self._patience, end)
        try:
            yield
        finally:
            timer.cancel()
            end()

    @property
    def crowded(self) -> bool:
        """Whether somebody waits for a turn."""
        return bool(self._waiting)

    def hurry(self, key: str, urgency: Urgency) -> None:
        """Let the one that waits under a key, if there is one, wait with this urgency."""
        turn = self._waiting.get(key)
        if turn is not None:
            # Its other place in the queue is skipped.
            self._ask(turn, urgency)

    async def _wait(self, key: str, urgency: Urgency) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[key] = turn
        self._ask(turn, urgency)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # It got the turn in the same moment.
                self._give_back(unhurried=turn.result())
            raise
        finally:
            del self._waiting[key]

    def _ask(self, turn: asyncio.Future[bool], urgency: Urgency) -> None:
        heapq.heappush(self._queue, (urgency, next(self._numbers), turn))
        self._give()

    def _give(self) -> None:
        while self._queue and self._taken.total() < self._at_once:
            urgency, _, turn = self._queue[0]
            unhurried = urgency >= Urgency.COMPLETED
            most = 1 if self._taken[False] else self._most_unhurried
            if unhurried and self._taken[True] >= most and not turn.done():
                return
            heapq.heappop(self._queue)
            if not turn.done():
                self._taken[unhurried] += 1
                turn.set_result(unhurried)

    def _give_back(self, *, unhurried: bool) -> None:
        self._taken[unhurried] -= 1
        self._give()
