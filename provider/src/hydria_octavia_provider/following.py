"""Brings Octavia's statuses and statistics to what Hydria shows. Every round reads both sides anew.

Octavia locks a load balancer while it is pending, and commits a change only after Hydria has accepted it. So Hydria,
read after a pending status was read from Octavia, knows the change; when it shows the load balancer settled, the change
is done. No memory is needed for that: it works after a restart, and with several agents.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from octavia_lib.api.drivers import exceptions
from oslo_log import log as logging

from hydria_octavia_provider import repairs, trees
from hydria_octavia_provider.api import Api, Refused, Unreachable
from hydria_octavia_provider.trees import DELETED, ERROR, LOAD_BALANCERS, OFFLINE, PENDING_DELETE, Status, Tree

LOG = logging.getLogger(__name__)

_PENDING = ("PENDING_CREATE", "PENDING_UPDATE", PENDING_DELETE)
# Seconds between two lists of all load balancers, which are expensive for Octavia.
_LIST_INTERVAL = 60.0

Statistics = dict[str, int]
_COUNTERS = ("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections")


class Library(Protocol):
    """The calls of octavia-lib's DriverLibrary that a follower makes."""

    def update_loadbalancer_status(self, status: dict[str, Any], /) -> None: ...

    def update_listener_statistics(self, statistics: dict[str, Any], /) -> None: ...


class Follower:
    """Follows Hydria for all load balancers of one provider."""

    def __init__(
        self,
        octavia: Api,
        hydria: Api,
        library: Library,
        *,
        provider: str = "hydria",
        give_up_after: float = 600.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`give_up_after` is how many seconds of Hydria's silence end what is pending; `now` counts seconds."""
        self._octavia = octavia
        self._hydria = hydria
        self._library = library
        self._provider = provider
        self._give_up_after = give_up_after
        self._now = now
        self._silent_since: float | None = None
        # What Octavia shows, by load balancer, as far as it was read or written here.
        self._shown: dict[str, dict[str, Status]] = {}
        self._counted: dict[str, Statistics] = {}
        self._known: set[str] = set()
        # The differences between stored attributes that were worked on, by load balancer that is pending.
        self._repaired: dict[str, set[repairs.Difference]] = {}
        self._listed_at: float | None = None
        # What may have become pending while its statuses were written.
        self._written: set[str] = set()

    # --- pending changes ---

    def settle(self) -> None:
        """Report what has become of pending changes. Raises Unreachable when Octavia does not answer."""
        pending = [key for status in _PENDING for key in self._keys(provisioning_status=status)]
        again, self._written = self._written - set(pending), set()
        for key in (*pending, *sorted(again)):
            self._guarded(key, self._settle)

    def _settle(self, key: str) -> None:
        theirs = trees.read_tree(self._octavia, key)
        if theirs is None or not any(each.pending for each in theirs.values()):
            return
        try:
            ours = trees.read_tree(self._hydria, key)
        except Unreachable as error:
            self._unanswered(theirs, error)
            return
        self._silent_since = None
        if ours is not None and any(each.pending for each in ours.values()):
            return
        if self._repair(key, theirs, ours or {}):
            return
        self._report(key, theirs, _outcome(key, theirs, ours or {}))
        self._known.add(key)
        for left in (ours or {}).values():
            if left.id not in theirs:
                LOG.warning("Hydria has the %s %s, which Octavia lacks: delete it in Hydria.", left.kind, left.id)

    def _repair(self, key: str, theirs: Tree, ours: Tree) -> bool:
        """Bring Hydria to what Octavia has stored; return whether there was something to do that was not tried yet.

        A difference that stays is another spelling of the same, or was refused.
        """
        tried = self._repaired.setdefault(key, set())
        wrong = [each for each in repairs.differences(theirs, ours) if each not in tried]
        for each in wrong:
            tried.add(each)
            try:
                repairs.apply(self._hydria, each, theirs[each.id])
            except Refused as refusal:
                LOG.warning("Hydria refuses the %s %s of Octavia: %s", each.kind, each.id, refusal)
            else:
                LOG.info("Hydria got what Octavia had not told of the %s %s: %s", each.kind, each.id, each.names)
        if not wrong:
            del self._repaired[key]
        return bool(wrong)

    def _unanswered(self, theirs: Tree, error: Unreachable) -> None:
        """Wait for Hydria; after a long time show what is pending in ERROR, which unlocks it."""
        now = self._now()
        if self._silent_since is None:
            LOG.warning("Hydria cannot be reached: %s. Pending load balancers wait.", error)
            self._silent_since = now
        if now - self._silent_since < self._give_up_after:
            return
        (root,) = (each for each in theirs.values() if each.below is None)
        LOG.error("Hydria cannot be reached, so the load balancer %s is shown in ERROR.", root.id)
        failed = {each.id: _with(each, provisioning=ERROR) for each in theirs.values() if each.pending or each is root}
        self._report(root.id, theirs, failed)

    # --- what changes by itself ---

    def watch(self) -> None:
        """Report operating statuses, statistics, and what Hydria cannot serve any more. Raises Unreachable."""
        if self._listed_at is None or self._now() - self._listed_at >= _LIST_INTERVAL:
            self._known = set(self._keys())
            self._listed_at = self._now()
            self._shown = {key: tree for key, tree in self._shown.items() if key in self._known}
        for key in sorted(self._known):
            self._guarded(key, self._watch)

    def _watch(self, key: str) -> None:
        ours = trees.measured(self._hydria, key)
        shown = self._shown.get(key)
        if shown is None or _drifted(key, shown, ours):
            self._compare(key)
            return
        if ours is None:
            return
        fresh = {
            each.id: _with(shown[each.id], operating=each.operating)
            for each in ours.values()
            if each.id in shown and shown[each.id].operating != each.operating
        }
        self._report(key, shown, fresh)
        self._count(key, ours)

    def _compare(self, key: str) -> None:
        """Read both sides, and report the differences of a load balancer that is not pending."""
        theirs = trees.read_tree(self._octavia, key)
        if theirs is None:
            self._known.discard(key)
            self._shown.pop(key, None)
            return
        if any(each.pending for each in theirs.values()):
            return
        ours = trees.read_tree(self._hydria, key)
        if ours is not None and any(each.pending for each in ours.values()):
            return
        self._report(key, theirs, _outcome(key, theirs, ours or {}))

    def _count(self, key: str, ours: Tree) -> None:
        """Report the statistics of listeners, if those of the load balancer have changed."""
        total = self._counters(f"loadbalancers/{key}/stats")
        if total == self._counted.get(key):
            return
        listeners = [each.id for each in ours.values() if each.kind == trees.LISTENERS]
        found = [{"id": each, **self._counters(f"listeners/{each}/stats")} for each in listeners]
        if found:
            self._library.update_listener_statistics({"listeners": found})
        self._counted[key] = total

    def _counters(self, path: str) -> Statistics:
        body = self._hydria.get(path)
        return {name: int(body[name]) for name in _COUNTERS}

    # --- both ---

    def _keys(self, **query: Any) -> list[str]:
        return [each["id"] for each in self._octavia.list(LOAD_BALANCERS, provider=self._provider, **query)]

    def _guarded(self, key: str, act: Callable[[str], None]) -> None:
        """Do something for one load balancer; what fails is tried again in the next round."""
        try:
            act(key)
        except (Refused, exceptions.UpdateStatusError, exceptions.UpdateStatisticsError) as error:
            LOG.warning("The load balancer %s is left for the next round: %s", key, error)
            self._shown.pop(key, None)

    def _report(self, key: str, shown: Tree, fresh: Tree) -> None:
        """Write statuses that differ from what Octavia shows."""
        changed = [each for each in fresh.values() if each != shown[each.id]]
        if changed:
            self._library.update_loadbalancer_status(_status(changed, shown))
        if any(each.provisioning != shown[each.id].provisioning for each in changed):
            # A user may have changed the load balancer meanwhile, which this has unlocked too early.
            self._written.add(key)
        after = {**shown, **fresh}
        self._shown[key] = {each.id: each for each in after.values() if each.provisioning != DELETED}
        if key not in self._shown[key]:
            self._shown.pop(key)
            self._known.discard(key)
            self._counted.pop(key, None)


def _outcome(key: str, theirs: Tree, ours: Tree) -> Tree:
    """Return what Octavia shall show of a load balancer that is settled in Hydria; `ours` is empty without one."""
    going = theirs[key].provisioning == PENDING_DELETE and key not in ours
    found: dict[str, Status] = {}

    def gone(each: Status) -> bool:
        above = theirs.get(each.below or "")
        return each.provisioning == PENDING_DELETE or (above is not None and above.id not in ours and gone(above))

    for each in theirs.values():
        own = ours.get(each.id)
        if own is None:
            ended = going or gone(each)
            found[each.id] = _with(each, provisioning=DELETED if ended else ERROR, operating=OFFLINE)
        elif each.provisioning == PENDING_DELETE:
            # Hydria has accepted the deletion and forgotten it, as after the restore of a backup.
            found[each.id] = _with(each, provisioning=ERROR, operating=own.operating)
        else:
            found[each.id] = _with(each, provisioning=own.provisioning, operating=own.operating)
    return found


def _drifted(key: str, shown: Tree, ours: Tree | None) -> bool:
    """Return whether Octavia shows other provisioning statuses than Hydria's settled load balancer has."""
    if ours is None:
        return shown[key].provisioning != ERROR
    if ours[key].pending:
        return False
    vanished = (each for each in shown.values() if each.kind in trees.MEASURED and each.id not in ours)
    return any(each.provisioning != ERROR for each in vanished) or any(
        not each.pending and each.id in shown and each.provisioning != shown[each.id].provisioning
        for each in ours.values()
    )


def _with(status: Status, *, provisioning: str | None = None, operating: str | None = None) -> Status:
    return replace(status, provisioning=provisioning or status.provisioning, operating=operating or status.operating)


def _status(changed: Iterable[Status], shown: Tree) -> dict[str, list[dict[str, str]]]:
    """Return statuses as octavia-lib takes them, without what has not changed."""
    found: dict[str, list[dict[str, str]]] = {}
    for each in changed:
        before = shown[each.id]
        record = {"id": each.id}
        if each.provisioning != before.provisioning:
            record["provisioning_status"] = each.provisioning
        if each.operating != before.operating and each.provisioning != DELETED:
            record["operating_status"] = each.operating
        found.setdefault(each.kind, []).append(record)
    return found
