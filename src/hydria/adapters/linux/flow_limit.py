"""A limit of the flows that the kernel remembers in a namespace.

The kernel's own limit is one number for all namespaces, which only the machine's namespace can set, and nft's
`ct count` searches all flows for each new one. So the agent reads the number of flows regularly, and limits the rate of
new ones when it comes near the limit.
"""

import asyncio
from collections.abc import Collection
from pathlib import Path

import structlog

from hydria.adapters.linux.limits import AmphoraLimits
from hydria.adapters.linux.netns import inside
from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.parts import Part
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.render.flow_limit import admitted, pause, render_flow_limit
from hydria.settings import AgentSettings

log = structlog.get_logger(__name__)

# The pause after a look that failed (seconds).
_RETRY = 1.0
_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")


class FlowLimit(Part):
    """The limit of one namespace. It costs nothing while no rules there have the kernel remember flows."""

    def __init__(self, tables: Tables, settings: AgentSettings, rules: Collection[Path] = ()) -> None:
        """`rules` are the files of which one exists while there are such rules."""
        self._tables = tables
        self._namespace = tables.namespace
        self._settings = settings
        self._most = settings.flows
        self._rules = rules
        self._task: asyncio.Task[None] | None = None
        # The rate of the loaded rules; 0 when it is not known.
        self._rate: int | None = 0
        self._place: object = None

    async def ensure(self, instance: Instance) -> bool:
        """Watch the number of flows from now on, where there are rules that track any."""
        self._most = AmphoraLimits.of(self._settings, instance.flavor).flows
        running = self._task is not None and not self._task.done()
        if not running and any(file.exists() for file in self._rules):
            self._task = asyncio.create_task(self._keep())
        return False

    async def close(self) -> None:
        """Stop watching; a loaded limit stays."""
        if self._task is not None:
            self._task.cancel()

    async def _keep(self) -> None:
        while True:
            try:
                count = await asyncio.to_thread(self._look)
            except (HostError, OSError) as error:
                log.warning("flows_not_limited", namespace=self._namespace, reason=str(error))
                self._rate = 0
                await asyncio.sleep(_RETRY)
            else:
                await asyncio.sleep(pause(count, self._most))

    def _look(self) -> int:
        """Adapt the rate to the number of flows; return the number."""
        count = flows_of(self._namespace)
        rate = admitted(count, self._most, self._rate)
        self._tables.look()
        if rate == self._rate and self._tables.place == self._place:
            return count
        self._tables.load(render_flow_limit(rate))
        self._place = self._tables.place
        if rate is not None and not self._rate:
            log.warning("flows_limited", namespace=self._namespace, flows=count, most=self._most)
        self._rate = rate
        return count


def flows_of(namespace: str) -> int:
    """Return the number of flows that the kernel remembers in a namespace. Raises HostError."""
    with inside(namespace):
        try:
            return int(_COUNT.read_text())
        except FileNotFoundError:
            # Connection tracking is not loaded, so there are no flows.
            return 0
