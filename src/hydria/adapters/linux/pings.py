"""PING monitors of HAProxy's pools: the agent pings, as HAProxy cannot, and sets the health on the runtime socket."""

import asyncio
from collections.abc import Mapping

import structlog

from hydria.adapters.linux.checking import Checks, targets
from hydria.adapters.linux.haproxy_part import HaproxyPart
from hydria.adapters.linux.parts import Part, Place
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.model import Pool, Tree
from hydria.model.fields import CHECKED_BY_AGENT
from hydria.model.status import CheckResult, ServerState

log = structlog.get_logger(__name__)


class Pings(Part):
    """The pings of one amphora. The agent is notified of a change of health as soon as HAProxy knows it."""

    def __init__(self, place: Place, haproxy: HaproxyPart) -> None:
        self._namespace = place.namespace
        self._haproxy = haproxy
        self._notify = place.notify
        self._file = place.directory / "pings.json"
        self._checks = Checks(self._file, self._mark_and_notify)
        self._lock = asyncio.Lock()
        # The states that were set in HAProxy last.
        self._marked: Mapping[str, ServerState] = {}

    async def ensure(self, instance: Instance) -> bool:
        """Ping the members of pools that have a PING monitor, and set their health in HAProxy."""
        tree = self._haproxy.served or instance.tree
        ended = self._checks.ended
        self._checks.watch(targets(self._namespace, tree, pinged(tree)))
        # HAProxy may be a new process. Without any ping so far, it has no states from here.
        if self._checks.states or self._file.exists():
            await self._mark()
        return ended

    def states(self) -> Mapping[str, ServerState]:
        """Return the states of the members that are pinged, by id."""
        return {key: self._marked.get(key, "unknown") for key in self._checks.states}

    def checks(self) -> Mapping[str, CheckResult]:
        """Return what the pings of members that are down saw, by member id."""
        return self._checks.results

    @property
    def drifted(self) -> bool:
        """Whether a check has ended, which none does by itself."""
        return self._checks.ended

    async def close(self) -> None:
        """Stop pinging."""
        await self._checks.close()

    async def _mark(self) -> None:
        # One call after the other, so that the newest states are set last.
        async with self._lock:
            states = self._checks.states
            await self._haproxy.mark(states)
            self._marked = states

    async def _mark_and_notify(self) -> None:
        try:
            await self._mark()
        except HostError as error:
            # The `ensure` that starts HAProxy again sets them.
            log.warning("health_not_set", namespace=self._namespace, reason=str(error))
        self._notify()


def pinged(tree: Tree) -> list[Pool]:
    """Return HAProxy's pools whose monitor HAProxy cannot check."""
    monitors = {monitor.pool_id: monitor.type for monitor in tree.health_monitors}
    return [pool for pool in tree.live().haproxy_pools if monitors.get(pool.id) in CHECKED_BY_AGENT]
