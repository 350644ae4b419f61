"""Detects drift of amphorae, networks and routers continuously and at little cost (docs/architecture/drift.md).

Notifications of the kernel arrive at once (`watch`). Every `PERIOD`, or later on a host with very many amphorae, a few
system calls for each amphora detect drift without a notification, and every `WHOLE` everything is checked completely.
Here an amphora only becomes suspected: its worker then checks all of it and repairs what has drifted.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
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
# How many amphorae are looked at in a second at most, on average.
PER_SECOND = 50
# How many times longer a pause is while many amphorae are being changed, as after a reboot.
_CROWDED = 4
# The interval of complete checks (seconds), and how many there are in a second at most: one takes some milliseconds.
WHOLE = 300.0
WHOLE_PER_SECOND = 0.5

# The pause before a suspected amphora is checked (seconds). Each repair doubles it, up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# How long notifications of what the agent itself has changed may come (seconds): a link-local address is announced
# again when nobody else has turned out to have it. They cause one check together.
_TRICKLE = 2.0
# How long a check that can wait is put off (seconds): asking about it costs an observation.
_PUT_OFF = 15.0
# After this time without a repair the pause is the first one again (seconds).
_CALM = 30.0


class Suspicion:
    """Whether an amphora has to be checked, and the pause before that."""

    def __init__(self, notify: Callable[[], None], crowded: Callable[[], bool] = lambda: False) -> None:
        """`notify` is called after the pause, and later where the check can wait: while many others are changed."""
        self.raised = False
        self._notify = notify
        self._crowded = crowded
        # Whether there was a notification during a change of the amphora: the agent's own changes cause some too.
        self._notified = False
        self._pause = _FIRST_PAUSE
        self._mended_at = -_CALM
        self._seen_at = asyncio.get_running_loop().time()
        self._settled_at = -_TRICKLE
        # Whether all notifications since the last check may be of the agent's own changes.
        self._own = False
        # When a check that was put off is asked for again.
        self._asks_at = 0.0

    def raise_(self, *, busy: bool = False) -> None:
        """Suspect the amphora; `busy` says that it is being changed, then the pause begins after the change."""
        if busy:
            self._notified = True
            return
        loop = asyncio.get_running_loop()
        trickled = self._settled_at + _TRICKLE
        self._own = loop.time() < trickled and (self._own or not self.raised)
        if not self.raised:
            self.raised = True
            loop.call_at(max(loop.time() + self._pause, trickled), self._ask)

    @property
    def can_wait(self) -> bool:
        """Whether the check can wait for more urgent work, as it is probably about the agent's own changes."""
        return self._own and not self.old

    def put_off(self) -> None:
        """Have `notify` called later again, once however often the check is put off until then."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._asks_at:
            self._asks_at = loop.time() + _PUT_OFF
            loop.call_at(self._asks_at, self._ask)

    def _ask(self) -> None:
        if self.can_wait and self._crowded():
            self.put_off()
        else:
            self._notify()

    def settle(self, *, repaired: bool) -> None:
        """Note that everything was checked; `repaired` says that something had to be repaired."""
        now = asyncio.get_running_loop().time()
        notified, self._notified = self._notified, False
        self.raised, self._seen_at, self._settled_at = False, now, now
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
    """Marks amphorae as suspected. `rewire` is called when networks and routers have to be checked.

    `crowded` says whether many amphorae are being changed, which need the processors.
    """

    def __init__(
        self,
        names: Names,
        amphorae: Mapping[str, Watched],
        routers: RouterWatch,
        rewire: Callable[[], None],
        crowded: Callable[[], bool],
    ) -> None:
        # The names of the links in the switch of networks and routers.
        self.wires: frozenset[str] = frozenset()
        self.crowded = crowded
        self._amphorae = amphorae
        # Amphorae by the names of their links in the switch.
        self._attached: dict[str, str] = {}
        self._routers = routers
        self._rewire = rewire
        self._switch = SwitchWatch(names.switch, self._link_changed)
        self._task: asyncio.Task[None] | None = None
        self._rewired_at = self._looked_at = 0.0
        # How many complete checks may be asked for now.
        self._wholes = 0.0

    def open(self) -> None:
        """Start."""
        self._rewired_at = self._looked_at = asyncio.get_running_loop().time()
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

    def attach(self, key: str, links: Collection[str]) -> None:
        """Watch these links in the switch for an amphora, and no others."""
        for name in [name for name, owner in self._attached.items() if owner == key]:
            del self._attached[name]
        self._attached |= dict.fromkeys(links, key)

    def _link_changed(self, name: str, gone: bool) -> None:
        if gone and name in self.wires:
            self._rewire()
        if (key := self._attached.get(name)) is not None:
            self.suspect(key)

    async def _look_on(self) -> None:
        while True:
            try:
                await self._look()
            except (HostError, OSError) as error:
                log.warning("lookout_failed", reason=str(error))
            pause = max(PERIOD, len(self._amphorae) / PER_SECOND)
            await asyncio.sleep(_CROWDED * pause if self.crowded() else pause)

    async def _look(self) -> None:
        moved, now = self._switch.watch(), asyncio.get_running_loop().time()
        if moved:
            for key in self._amphorae:
                self.suspect(key)
        if moved or now - self._rewired_at > WHOLE:
            self._rewired_at = now
            self._rewire()
        self._routers.look()
        self._wholes = min(self._wholes, 1) + WHOLE_PER_SECOND * (now - self._looked_at)
        self._looked_at = now
        for key, amphora in list(self._amphorae.items()):
            whole = amphora.suspicion.old and self._wholes >= 1
            if not amphora.busy and (whole or amphora.due or amphora.drifted()):
                self._wholes -= whole
                self.suspect(key)
            # A thousand amphorae must not block the event loop.
            await asyncio.sleep(0)
