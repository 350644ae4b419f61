"""What the history costs a change: calls of the API in turn with a server that writes no history."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import Figure, figure
from stand import LB, PORT, Stand, directory

PART = "history"
_OTHER_PORT = PORT + 3
# How many calls one sample is the mean of.
_TOGETHER = 10


def measure(*, quick: bool) -> Iterator[Figure]:
    """Change the same things at both servers, without agents: the work of hosts is not measured here."""
    rounds = 3 if quick else 60
    program = (sys.executable, str(Path(__file__).with_name("unrecorded.py")))
    with directory() as one, directory() as other:
        ours, theirs = Stand(one), Stand(other, port=_OTHER_PORT, program=program)
        with ours.server(), theirs.server():
            both = (_Side(ours), _Side(theirs))
            for name, act in (("PUT a pool", _Side.change), ("POST a load balancer", _Side.create)):
                yield from _compare(name, act, both, rounds)


class _Side:
    """One server with a load balancer to change."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        stand.make_host()
        self._pool = stand.whole_load_balancer("changed")["pools"][0]["id"]
        self._count = 0

    def ready(self) -> None:
        """Let the host be known again: it counts as silent after a while."""
        self._stand.make_host()

    def change(self) -> None:
        self._count += 1
        body: Any = {"pool": {"description": f"change {self._count}"}}
        self._stand.rest.call("PUT", f"{LB}/pools/{self._pool}", body)

    def create(self) -> None:
        self._count += 1
        self._stand.whole_load_balancer(f"created-{self._count}")


def _compare(name: str, act: Any, both: tuple[_Side, _Side], rounds: int) -> Iterator[Figure]:
    samples: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for turn in (0, 1) if number % 2 else (1, 0):
            if number % 10 == 0:
                both[turn].ready()
            begun = time.perf_counter()
            for _ in range(_TOGETHER):
                act(both[turn])
            # The first round only warms up.
            if number:
                samples[turn].append(1000 * (time.perf_counter() - begun) / _TOGETHER)
    note = f"One client, means of {_TOGETHER} calls, SQLite. Floor: the same server without a history."
    yield figure(PART, name, "ms", samples[0], floor=samples[1], note=note)
