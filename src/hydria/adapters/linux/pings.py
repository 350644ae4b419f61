"""PING monitors of HAProxy's pools: HAProxy cannot ask so, the agent can, and tells it on the runtime socket."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from hydria.adapters.linux.checking import Checks, targets
from hydria.adapters.linux.haproxy import Haproxy
from hydria.errors import HostError
from hydria.model import Pool, Tree
from hydria.model.status import ServerState

log = structlog.get_logger(__name__)


class Pings:
    """The pings of one amphora. `on_change` is called when a member's health has changed and HAProxy knows."""

    def __init__(self, namespace: str, haproxy: Haproxy, directory: Path, on_change: Callable[[], None]) -> None:
        self._namespace = namespace
        self._haproxy = haproxy
        self._on_change = on_change
        self._file = directory / "pings.json"
        self._checks = Checks(self._file, self._turn)
        self._lock = asyncio.Lock()
        # What HAProxy knows: nobody hears of it before.
        self._told: Mapping[str, ServerState] = {}

    async def converge(self, tree: Tree) -> None:
        """Ask the members of a tree, and tell a HAProxy that may be new what is known of them. Raises HostError."""
        self._checks.watch(targets(self._namespace, tree, pinged(tree)))
        # Where nobody was ever pinged there is nothing to take back either.
        if self._checks.states or self._file.exists():
            await self._tell()

    def states(self) -> Mapping[str, ServerState]:
        """Return what is known of the members that are pinged, by id."""
        return {key: self._told.get(key, "unknown") for key in self._checks.states}

    @property
    def ended(self) -> bool:
        """Whether a task that asks has ended, which none does by itself."""
        return self._checks.ended

    async def close(self) -> None:
        """Stop asking."""
        await self._checks.close()

    async def _tell(self) -> None:
        # One after another: the last one told is what is known last.
        async with self._lock:
            states = self._checks.states
            await self._haproxy.mark(states)
            self._told = states

    async def _turn(self) -> None:
        try:
            await self._tell()
        except HostError as error:
            # Whoever brings HAProxy back tells it.
            log.warning("health_not_told", namespace=self._namespace, reason=str(error))
        self._on_change()


def pinged(tree: Tree) -> list[Pool]:
    """Return the pools of HAProxy's that have a PING monitor."""
    monitors = {monitor.pool_id: monitor.type for monitor in tree.health_monitors}
    return [pool for pool in tree.live().haproxy_pools if monitors.get(pool.id) == "PING"]
