"""Pauses between attempts: each about twice the last one, and random, so that no two callers keep in step."""

from collections.abc import Callable
from random import SystemRandom

uniform = SystemRandom().uniform


class Backoff:
    """The pauses of one series of attempts, in seconds."""

    def __init__(self, first: float, longest: float, uniform: Callable[[float, float], float] = uniform) -> None:
        """`uniform` draws a number between two others."""
        self._first, self._longest, self._uniform = first, longest, uniform
        self._next = first

    def next(self) -> float:
        """Return the next pause: between half and all of `first`, twice that the next time, up to `longest`."""
        pause, self._next = self._next, min(2 * self._next, self._longest)
        return self._uniform(pause / 2, pause)

    def reset(self) -> None:
        """Begin with the first pause again, because an attempt succeeded."""
        self._next = self._first
