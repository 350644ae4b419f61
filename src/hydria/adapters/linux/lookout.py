"""Detects drift of amphorae, networks and routers continuously and at little cost (docs/architecture/drift.md).

Notifications of the kernel arrive at once (`watch`). Every `PERIOD` a few system calls for each amphora detect drift
without a notification, and every `WHOLE` everything is checked completely. Here an amphora only becomes suspected: its
worker then checks all of it and repairs what has drifted.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import structlog

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.routers import Routers
from hydria.adapters.linux.watch import NamespaceWatch, SwitchWatch
from hydria.contract import Topology
from hydria.errors import HostError
from hydria.tasks import endless

log = structlog.get_logger(__name__)

PERIOD = 2.0
# The interval of complete checks (seconds).
WHOLE = 300.0

# The pause before a suspected amphora is checked (seconds). Each repair doubles it, up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# After this time without a repair the pause is the first one again (seconds).
_CALM = 30.0


class Suspicion:
    """Whether an amphora has to be checked, and the pause before that."""

    def __init__(self, notify: Callable[[], None]) -> None:
        """`notify` is called after the pause."""
        self.raised = False
        self._notify = notify
        # Whether there was a notification during a change of the amphora: the agent's own changes cause some too.
        self._notified = False
        self._pause = _FIRST_PAUSE
        self._mended_at = -_CALM
        self._seen_at = asyncio.get_running_loop().time()

    def raise_(self, *, busy: bool = False) -> None:
        """Suspect the amphora; `busy` says that it is being changed, then the pause begins after the change."""
        if busy:
            self._notified = True
        elif not self.raised:
            self.raised = True
            asyncio.get_running_loop().call_later(self._pause, self._notify)

    def settle(self, *, repaired: bool) -> None:
        """Note that everything was checked; `repaired` says that something had to be repaired."""
        now = asyncio.get_running_loop().time()
        notified, self._notified = self._notified, False
        self.raised, self._seen_at = False, now
        if repaired:
            self._pause = _FIRST_PAUSE if now - self._mended_at > _CALM else min(2 * self._pause, _LONGEST_PAUSE)
            self._mended_at = now
        if notified:
            self.raise_()

    @property
    def old(self) -> bool:
        """Whether the last complete check was too long ago."""
        return asyncio.get_running_loop().time() - self._seen_at > WHOLE


class Watched(Protocol):
    """The properties of an amphora that drift detection needs."""

    suspicion: Suspicion

    @property
    def busy(self) -> bool:
        """Whether it is being changed right now."""
        ...

    @property
    def switch_ends(self) -> frozenset[str]:
        """The names of its links in the switch."""
        ...

    @property
    def due(self) -> bool:
        """Whether it is time to try a refused resource again."""
        ...

    def drifted(self) -> bool:
        """Say, by a few system calls, whether any part is not as it was left."""
        ...


class RouterWatch:
    """Detects changes inside routers' namespaces. `rewire` is called when the routers are to be gone through."""

    def __init__(self, names: Names, routers: Routers, rewire: Callable[[], None]) -> None:
        self._names = names
        self._routers = routers
        self._rewire = rewire
        self._watches: dict[str, NamespaceWatch] = {}
        self._suspicion: Suspicion | None = None
        self._wiring = False

    @contextlib.contextmanager
    def wiring(self, topology: Topology) -> Iterator[None]:
        """Watch the routers of a topology from now on; meanwhile changes may be the agent's own."""
        suspicion = self._suspicion = self._suspicion or Suspicion(self._rewire)
        drifted, self._wiring = suspicion.raised, True
        try:
            yield
            self._watch({self._names.router(router.id) for router in topology.routers})
        finally:
            self._wiring = False
            suspicion.settle(repaired=drifted)

    def look(self) -> None:
        """Look for changes that the kernel does not report."""
        if not self._wiring and (any(each.moved for each in self._watches.values()) or self._routers.drifted):
            self._changed()

    def close(self) -> None:
        """Watch no more."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def _watch(self, wanted: set[str]) -> None:
        for namespace in self._watches.keys() - wanted:
            self._watches.pop(namespace).close()
        for namespace in wanted:
            self._watches.setdefault(namespace, NamespaceWatch(namespace, self._changed)).watch()

    def _changed(self) -> None:
        if self._suspicion is not None:
            self._suspicion.raise_(busy=self._wiring)


class Lookout:
    """Marks amphorae as suspected. `rewire` is called when networks and routers have to be checked."""

    def __init__(
        self, names: Names, amphorae: Mapping[str, Watched], routers: RouterWatch, rewire: Callable[[], None]
    ) -> None:
        # The names of the links in the switch of networks and routers.
        self.wires: frozenset[str] = frozenset()
        self._amphorae = amphorae
        self._routers = routers
        self._rewire = rewire
        self._switch = SwitchWatch(names.switch, self._link_changed)
        self._task: asyncio.Task[None] | None = None
        self._rewired_at = 0.0

    def open(self) -> None:
        """Start."""
        self._rewired_at = asyncio.get_running_loop().time()
        self._task = endless(self._look_on(), "lookout")

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
        self._switch.close()
        self._routers.close()

    def suspect(self, key: str) -> None:
        """Have an amphora checked soon."""
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
        self._routers.look()
        for key, amphora in list(self._amphorae.items()):
            if not amphora.busy and (amphora.suspicion.old or amphora.due or amphora.drifted()):
                self.suspect(key)
            # A thousand amphorae must not block the event loop.
            await asyncio.sleep(0)
