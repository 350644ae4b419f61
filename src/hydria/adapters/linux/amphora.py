"""What this host has of one amphora: its parts, and whether they still are as they were left."""

import asyncio
import math
from collections.abc import Callable, Mapping

from msgspec import Struct

from hydria.adapters.linux import kernel
from hydria.adapters.linux.counters import CounterTotals
from hydria.adapters.linux.datagram import DatagramRules
from hydria.adapters.linux.draining import Draining
from hydria.adapters.linux.flow_limit import FlowLimit
from hydria.adapters.linux.haproxy import Haproxy
from hydria.adapters.linux.jail import Jail
from hydria.adapters.linux.lookout import Suspicion
from hydria.adapters.linux.names import Names, switch_end
from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.pings import Pings
from hydria.adapters.linux.policy_routing import ensure_policy_routing, remove_policy_routing
from hydria.adapters.linux.vip_firewall import VipFirewall
from hydria.adapters.linux.watch import NamespaceWatch
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.model.status import ServerState
from hydria.render.haproxy import ports
from hydria.render.serving import Refusal, RefusedSecret

# The pauses until what HAProxy refused for now is tried again, from the first to the longest (seconds).
_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0


class Links:
    """The namespace of one amphora, its links and who may speak to them. `on_change`: somebody changed any of it."""

    def __init__(self, names: Names, tables: Tables, guard: VipFirewall, on_change: Callable[[], None]) -> None:
        self._names = names
        self._namespace = tables.namespace
        self._tables = tables
        self._guard = guard
        self._watch = NamespaceWatch(self._namespace, on_change)
        # The state of the rules that was gone through last.
        self._place: object = None
        # How many links there are, as long as we know of no other.
        self._count: int | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Make all of it as the instance says; says whether anything was changed. Raises HostError."""
        changed = await asyncio.to_thread(self._ensure, instance)
        self._watch.watch()
        return changed

    def _ensure(self, instance: Instance) -> bool:
        changed = kernel.ensure_namespace(self._namespace)
        if self._watch.moved and not changed:
            kernel.furnish_namespace(self._namespace)
        self._tables.look()
        self._place = self._tables.place
        # Before there is an address to speak to.
        self._guard.ensure(instance.interfaces[0].guard, ports(instance))
        for index, interface in enumerate(instance.interfaces):
            changed |= kernel.ensure_interface(self._names, self._namespace, f"eth{index}", interface)
            if index == 0 and len(instance.interfaces) > 1:
                changed |= ensure_policy_routing(self._namespace, "eth0", interface)
        if self._count != len(instance.interfaces):
            self._count = None
        return changed

    async def trim(self, instance: Instance) -> None:
        """Remove links that the instance does not have. Raises HostError."""
        if self._count is None:
            await asyncio.to_thread(self._trim, instance)
            self._count = len(instance.interfaces)

    def _trim(self, instance: Instance) -> None:
        wanted = {f"eth{index}" for index in range(len(instance.interfaces))}
        stale = [link for link in kernel.links(self._namespace) if link.startswith("eth") and link not in wanted]
        if stale and len(wanted) == 1:
            # Before the last of them: this is how a restarted agent knows.
            remove_policy_routing(self._namespace)
        for link in stale:
            kernel.remove_interface(self._names, self._namespace, link)

    @property
    def drifted(self) -> bool:
        """Whether the namespace is another one, or somebody changed the rules in it."""
        if self._watch.moved:
            return True
        try:
            self._tables.look()
        except (HostError, OSError):
            return True
        return self._tables.place != self._place

    def close(self) -> None:
        """Watch no more."""
        self._watch.close()


class Amphora(Struct, kw_only=True):
    """One amphora here; `instance` is what it served last."""

    links: Links
    haproxy: Haproxy
    jail: Jail
    flows: DatagramRules
    flow_limit: FlowLimit
    pings: Pings
    tally: CounterTotals
    finishing: Draining
    suspicion: Suspicion
    lock: asyncio.Lock
    instance: Instance | None = None
    # The links in the switch that are its.
    switch_ends: frozenset[str] = frozenset()
    known: dict[str, ServerState] = {}
    # Whether what was adopted has joined its control groups.
    grouped: bool = False
    sweeper: asyncio.Task[None] | None = None
    # What HAProxy refused, and what of the instance that is served is not as it should be (`render.serving`).
    refused: dict[str, Refusal] = {}
    refused_secrets: dict[str, RefusedSecret] = {}
    # When what HAProxy refused for now is tried again (the event loop's time), and how long after that.
    retry_at: float = math.inf
    retry_pause: float = _FIRST_RETRY
    troubles: Mapping[str, str] = {}
    unserved: frozenset[str] = frozenset()

    @property
    def busy(self) -> bool:
        """Whether it is being changed right now."""
        return self.lock.locked()

    def settle(self, instance: Instance, *, mended: bool = False) -> None:
        """All of it is as this instance says; `mended` says that something was not as it was left."""
        self.instance = instance
        self.switch_ends = frozenset(switch_end(each.port_id) for each in instance.interfaces)
        self.suspicion.settle(mended=mended)

    def settle_refusals(self, instance: Instance) -> None:
        """Forget refusals of what is no more, and try again later what may be taken then."""
        passing = any(each.passing for key, each in self.refused.items() if key in self.unserved)
        self.refused = {key: each for key, each in self.refused.items() if key in self.unserved and not each.passing}
        secrets = instance.secrets
        self.refused_secrets = {
            key: each for key, each in self.refused_secrets.items() if secrets.get(key) == each.content
        }
        if passing:
            self.retry_at = asyncio.get_running_loop().time() + self.retry_pause
            self.retry_pause = min(2 * self.retry_pause, _LAST_RETRY)
        else:
            self.retry_at, self.retry_pause = math.inf, _FIRST_RETRY

    @property
    def due(self) -> bool:
        """Whether it is time to try again what was refused."""
        return asyncio.get_running_loop().time() >= self.retry_at

    def drifted(self) -> bool:
        """Say, by a few system calls, whether anything is not as it was left."""
        if self.instance is None:
            return False
        if self.links.drifted or self.haproxy.drifted or self.jail.drifted:
            return True
        return self.flows.ended or self.pings.ended

    async def rest(self) -> None:
        """Stop what looks after it."""
        if self.sweeper is not None:
            self.sweeper.cancel()
        self.links.close()
        self.finishing.close()
        self.jail.close()
        self.flow_limit.close()
        await self.flows.close()
        await self.pings.close()
