"""HAProxy as a part of an amphora: its configuration, counters, and leaving servers.

Resources that HAProxy refuses are left out, so that a bad one affects no other (`render.serving`).
"""

import asyncio
import contextlib
import math
import os
import resource
import time
from collections.abc import Collection, Mapping

import structlog

from hydria.adapters.linux.counters import CounterTotals, RetiredCounters
from hydria.adapters.linux.draining import Draining
from hydria.adapters.linux.haproxy import Haproxy
from hydria.adapters.linux.haproxy_socket import Session
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.processes import Process
from hydria.adapters.linux.refused import Refused
from hydria.adapters.linux.remembered import with_ticket_keys
from hydria.backoff import Backoff
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.model import Tree
from hydria.model.applied import Way
from hydria.model.status import CheckResult, ServerState
from hydria.render.haproxy import Rendering, Surroundings, needs_no_haproxy, render
from hydria.render.haproxy.changes import steps
from hydria.render.serving import Refusal, RefusedSecret, blame, replaceable, serving, without_refused

log = structlog.get_logger(__name__)

# The interval of attempts to delete leaving servers (seconds).
_SWEEP = 1.0

# The pauses until a refusal that may pass is tried again, from the first to the longest (seconds).
_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0

# The file descriptors that HAProxy needs besides two for each connection. Checks and listeners may take a part of
# these. More checks and listeners get more in steps: the number decides one in the configuration, whose change is a
# reload.
_SPARE_DESCRIPTORS, _OF_CHECKS, _STEP = 500, 400, 500


class HaproxyPart(Part):
    """The HAProxy of one amphora, or none where it has nothing to serve."""

    def __init__(self, place: Place, haproxy: Haproxy) -> None:
        self._place = place
        self._haproxy = haproxy
        self.totals = CounterTotals(place.directory / "counters.json")
        # The tree as HAProxy serves it, without what it refused; None before the first `ensure`.
        self.served: Tree | None = None
        # Why objects are not served as asked, by id; and the ids of those that are not served at all.
        self.troubles: Mapping[str, str] = {}
        self.unserved: frozenset[str] = frozenset()
        self._draining = Draining(self.totals)
        # How the last `ensure` applied the configuration, and the counters of the process that it replaced.
        self.way: Way = "nothing"
        self.replaced: RetiredCounters | None = None
        self._rendered: Rendering | None = None
        self._sweeper: asyncio.Task[None] | None = None
        # The last known states, by member id.
        self._known: dict[str, ServerState] = {}
        # What the checks of members that are down saw, by member id; kept while they see the same.
        self.checks: dict[str, CheckResult] = {}
        self._refused: dict[str, Refusal] = {}
        self._refused_secrets: dict[str, RefusedSecret] = {}
        # When a refusal that may pass is tried again (the event loop's time), and the pauses after that.
        self._retry_at, self._backoff = math.inf, Backoff(_FIRST_RETRY, _LAST_RETRY)
        self._adopt()

    @property
    def process(self) -> Process | None:
        """The process that takes new connections, if it runs."""
        return self._haproxy.process

    @property
    def worked(self) -> int | None:
        """The processor time of the process; None without one, and while one that it replaced may still work."""
        return None if self._draining.going_on else self._haproxy.worked

    @property
    def due(self) -> bool:
        """Whether it is time to try a refused resource again."""
        return asyncio.get_running_loop().time() >= self._retry_at

    @property
    def drifted(self) -> bool:
        """Whether the process or its files are not as they were left."""
        return self._haproxy.drifted

    async def ensure(self, instance: Instance) -> bool:
        """Have HAProxy serve the instance, as far as it accepts it, or end where it has nothing to serve."""
        drifted, before_pid = self._haproxy.drifted, _pid(self.process)
        idle, rendered = needs_no_haproxy(instance), self._rendered
        self.way, self.replaced = "nothing", None
        if idle:
            self._place.host.events.unwatch(self._place.amphora_id)
            self.served, self.troubles, self.unserved = instance.tree, {}, frozenset()
            replaced = await self._haproxy.drain()
        else:
            replaced = await self._converge(instance)
        after = self.process
        if after is not None and before_pid != after.pid:
            self._place.host.events.watch(self._place.amphora_id, after)
        if before_pid != _pid(after):
            retired = self.totals.begin(_counted(instance.tree))
            self.way = "nothing" if after is None else "start" if before_pid is None else "reload"
            if replaced is not None:
                self.replaced = retired
                await self._draining.start(replaced, retired)
        elif rendered is not None and self._rendered is not None and steps(rendered, self._rendered):
            self.way = "runtime"
        if after is None and not idle:
            raise HostError("HAProxy ended right after its start.")
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        return drifted

    async def states(self) -> dict[str, ServerState]:
        """Return the states of members, by id, and note the counters. Raises HostError."""
        read = await self._haproxy.statistics()
        servers = read.servers()
        # A new process has checked nothing yet, so the states of the last one hold.
        servers |= {name: self._known[name] for name in servers if servers[name] == "unknown" and name in self._known}
        self._known = {name: state for name, state in servers.items() if state in ("up", "down")}
        self.totals.note(read.rows)
        self.checks = {key: _same(self.checks.get(key), check) for key, check in read.checks(time.time()).items()}
        return servers

    async def information(self) -> dict[str, str]:
        """Return `show info` of the process. Raises HostError when it does not run."""
        return await self._haproxy.information()

    async def mark(self, states: Mapping[str, ServerState]) -> None:
        """Set the health of members that HAProxy does not check itself. Raises HostError."""
        await self._haproxy.mark(states)

    async def close(self) -> None:
        """Stop all tasks, and close the handle of the process, which goes on."""
        self._stop()
        self._haproxy.close()

    async def remove(self) -> None:
        """End all processes."""
        self._place.host.events.unwatch(self._place.amphora_id)
        self._stop()
        await self._haproxy.end()

    def _stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._draining.close()

    # --- configuration ---

    async def _converge(self, instance: Instance) -> Session | None:
        """Have HAProxy serve what can be served. Raises HostError.

        A resource that HAProxy refuses is left out until it changes; a refused secret is replaced by the one before.
        Returns a session with the process that was replaced, if one was.
        """
        while True:
            offered = without_refused(instance, self._refused_secrets)
            part = serving(offered, self._kept_secrets(instance, offered.lost), self._refused)
            try:
                rendering = self._render(part.instance)
                replaced = await self._haproxy.converge(rendering)
                self._rendered = rendering
            except Refused as error:
                found = blame(part.instance, error.text, error.alerts, self._refused)
                # Each iteration leaves out more, so the loop ends.
                if not found.keys() - part.unserved:
                    raise
                kept = self._kept_secrets(instance, part.instance.secrets)
                if renewed := replaceable(part.instance, found, kept):
                    self._refused_secrets |= renewed
                else:
                    self._refused |= found
                continue
            self.served, self.troubles, self.unserved = part.instance.tree, part.troubles, part.unserved
            self._settle_refusals(instance)
            for key, reason in part.troubles.items():
                log.warning("not_served_as_asked", amphora=instance.amphora_id, id=key, reason=reason)
            return replaced

    def _settle_refusals(self, instance: Instance) -> None:
        """Forget refusals of resources that are gone, and schedule another try of those that may pass."""
        passing = any(each.passing for key, each in self._refused.items() if key in self.unserved)
        self._refused = {key: each for key, each in self._refused.items() if key in self.unserved and not each.passing}
        secrets = instance.secrets
        self._refused_secrets = {
            key: each for key, each in self._refused_secrets.items() if secrets.get(key) == each.content
        }
        if passing:
            self._retry_at = asyncio.get_running_loop().time() + self._backoff.next()
        else:
            self._retry_at = math.inf
            self._backoff.reset()

    def _kept_secrets(self, instance: Instance, references: Collection[str]) -> dict[str, str]:
        return self._place.host.remembered.secrets(instance.amphora_id, self._place.directory, references)

    def _render(self, instance: Instance) -> Rendering:
        settings = self._place.host.settings
        uid, gid = self._place.host.accounts.of(instance.amphora_id)
        surroundings = Surroundings(
            directory=str(self._place.directory),
            syslog=settings.syslog is not None,
            uid=uid,
            gid=gid,
            threads=settings.threads,
            max_connections=settings.max_connections or _possible_connections(instance.tree),
        )
        return render(instance, surroundings)

    # --- processes and servers ---

    def _adopt(self) -> None:
        """Take over the process that runs since before a restart of the agent."""
        if not self._haproxy.configured:
            return
        instance = self._place.host.remembered.read(self._place.amphora_id)
        rendering = None
        with contextlib.suppress(ValueError):
            if instance is not None:
                rendering = self._render(with_ticket_keys(instance, self._place.directory))
        self._haproxy.adopt(rendering)
        self._rendered = rendering
        if self.process is not None:
            self._place.host.events.watch(self._place.amphora_id, self.process)

    async def _sweep(self) -> None:
        """Delete leaving servers as they become free: HAProxy does not say when a last connection ends."""
        left = True
        while left:
            await asyncio.sleep(_SWEEP)
            async with self._place.lock:
                with contextlib.suppress(HostError):
                    left = await self._haproxy.sweep()


def _same(before: CheckResult | None, now: CheckResult) -> CheckResult:
    """Return the earlier result where the check failed in the same way, so that a report does not differ."""
    same = before is not None and (before.result, before.code) == (now.result, now.code)
    return before if same and before is not None else now


def _pid(process: Process | None) -> int | None:
    return process.pid if process is not None else None


def _counted(tree: Tree) -> set[str]:
    """Return the ids of everything that HAProxy has counters of."""
    return {each.id for kind in (tree.listeners, tree.pools, tree.members) for each in kind}


def _possible_connections(tree: Tree) -> int:
    """Return how many connections the file descriptors of a process allow."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if descriptors == resource.RLIM_INFINITY:
        descriptors = os.sysconf("SC_OPEN_MAX")
    more = tree.live().haproxy_sockets - _OF_CHECKS
    spare = _SPARE_DESCRIPTORS + _STEP * max(0, -(-more // _STEP))
    return max(100, (descriptors - spare) // 2)
