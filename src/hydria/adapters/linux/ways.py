"""How one amphora came to serve its newest generation, and what broke by that."""

from msgspec import structs

from hydria.adapters.linux.counters import RetiredCounters
from hydria.model.applied import WAYS, Applied, Way


class WayRecord:
    """The way of the newest generation: the costliest one of all attempts to serve it."""

    def __init__(self) -> None:
        self._applied: Applied | None = None
        # The newest generation that was served.
        self._served = 0
        # The counters of the process that the newest generation replaced.
        self._replaced: RetiredCounters | None = None

    def note(self, generation: int, ways: tuple[Way, ...], *, known: bool, replaced: RetiredCounters | None) -> None:
        """Note an attempt to serve a generation. `known` is False where the agent knows of nothing served before.

        Then it cannot tell whether a generation that needs no change was served already.
        """
        if generation == self._served:
            # It is served again, after a restart of what had ended.
            return
        way = max(ways, key=WAYS.index)
        before = self._applied
        if replaced is not None:
            self._replaced = replaced
        if before is not None and before.generation == generation:
            self._applied = structs.replace(before, way=max(before.way, way, key=WAYS.index))
        elif known or way != "nothing":
            self._applied = Applied(generation=generation, way=way)
            self._replaced = replaced

    def served(self, generation: int) -> None:
        """Note that a generation is served."""
        self._served = generation

    @property
    def applied(self) -> Applied | None:
        """The way of the newest generation, with what was lost so far; None where it is not known."""
        if self._applied is None or self._replaced is None:
            return self._applied
        lost = self._replaced
        return structs.replace(self._applied, lost_requests=lost.lost_requests, lost_connections=lost.lost_connections)
