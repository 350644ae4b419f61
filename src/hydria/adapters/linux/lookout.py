"""Looks whether what was made for amphorae is still so, all the time and at little cost.

What the kernel tells is heard at once (`watch`). What it does not tell is looked at every `PERIOD` by a few system
calls for each amphora, and every `WHOLE` all is gone through, networks and routers too. Here an amphora is only
suspected: whoever serves it goes through all of it and mends what has drifted.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.watch import SwitchWatch
from hydria.errors import HostError
from hydria.tasks import endless

log = structlog.get_logger(__name__)

PERIOD = 2.0
# When everything is gone through whole, whatever is known (seconds).
WHOLE = 300.0

# How long a suspicion waits for more of its kind (seconds): longer each time something was mended, up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# After so long without a repair the next one is done at once again (seconds).
_CALM = 30.0


class Suspicion:
    """Whether an amphora is to be gone through, and how long that waits."""

    def __init__(self, tell: Callable[[], None]) -> None:
        """`tell` is called when it is time."""
        self.raised = False
        self._tell = tell
        # Whether something happened while the amphora was being changed: its own doing, or not.
        self._heard = False
        self._pause = _FIRST_PAUSE
        self._mended_at = -_CALM
        self._seen_at = asyncio.get_running_loop().time()

    def raise_(self, *, busy: bool = False) -> None:
        """Suspect: after a pause, or after what is being done to the amphora and a pause."""
        if busy:
            self._heard = True
        elif not self.raised:
            self.raised = True
            asyncio.get_running_loop().call_later(self._pause, self._tell)

    def settle(self, *, mended: bool) -> None:
        """All was gone through; `mended` says that something was not as it was left."""
        now = asyncio.get_running_loop().time()
        heard, self._heard = self._heard, False
        self.raised, self._seen_at = False, now
        if mended:
            self._pause = _FIRST_PAUSE if now - self._mended_at > _CALM else min(2 * self._pause, _LONGEST_PAUSE)
            self._mended_at = now
        if heard:
            self.raise_()

    @property
    def old(self) -> bool:
        """Whether it was not gone through for long."""
        return asyncio.get_running_loop().time() - self._seen_at > WHOLE


class Watched(Protocol):
    """An amphora as it is looked at."""

    suspicion: Suspicion

    @property
    def busy(self) -> bool:
        """Whether it is being changed right now."""
        ...

    @property
    def switch_ends(self) -> frozenset[str]:
        """The links in the switch that are its."""
        ...

    @property
    def due(self) -> bool:
        """Whether it is time to try again what was refused."""
        ...

    def drifted(self) -> bool:
        """Say, by a few system calls, whether anything is not as it was left."""
        ...


class Lookout:
    """Suspects amphorae. `rewire` is called when networks and routers are to be gone through."""

    def __init__(self, names: Names, amphorae: Mapping[str, Watched], rewire: Callable[[], None]) -> None:
        # The links in the switch that networks and routers have.
        self.wires: frozenset[str] = frozenset()
        self._amphorae = amphorae
        self._rewire = rewire
        self._switch = SwitchWatch(names.switch, self._link_changed)
        self._task: asyncio.Task[None] | None = None
        self._rewired_at = 0.0

    def open(self) -> None:
        """Begin to look."""
        self._rewired_at = asyncio.get_running_loop().time()
        self._task = endless(self._look_on(), "lookout")

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
        self._switch.close()

    def suspect(self, key: str) -> None:
        """Have an amphora gone through soon."""
        amphora = self._amphorae.get(key)
        if amphora is not None:
            amphora.suspicion.raise_(busy=amphora.busy)

    def _link_changed(self, name: str, gone: bool) -> None:
        if gone and name in self.wires:
            self._rewire()
        for key, amphora in self._amphorae.items():
            if name in amphora.switch_ends:
                self.suspect(key)

    async def _look_on(self) -> None:
        while True:
            try:
                await self._look()
            except (HostError, OSError) as error:
                log.warning("lookout_failed", reason=str(error))
            await asyncio.sleep(PERIOD)

    async def _look(self) -> None:
        moved, now = self._switch.watch(), asyncio.get_running_loop().time()
        if moved:
            for key in self._amphorae:
                self.suspect(key)
        if moved or now - self._rewired_at > WHOLE:
            self._rewired_at = now
            self._rewire()
        for key, amphora in list(self._amphorae.items()):
            if not amphora.busy and (amphora.suspicion.old or amphora.due or amphora.drifted()):
                self.suspect(key)
            # A thousand of them must not keep others waiting.
            await asyncio.sleep(0)
