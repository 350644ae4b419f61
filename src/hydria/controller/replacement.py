"""The replacement of amphorae, step by step: the new one serves before the old one goes. Pure.

    old amphora                                   new amphora
    waiting        goes on serving                placed; its duty is standby
    handing_over   goes on serving                serves, takes the VIPs; forwards packets of older connections
    draining       gives up the VIPs              has the VIPs
    leaving        is removed from its host

An amphora of a pair takes part in the election at once. An amphora whose host is silent is `lost`: it can hand nothing
over, so the new one takes the VIPs as soon as it serves.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from hydria.contract import Duty
from hydria.model import LoadBalancer
from hydria.store.resources import FIRST_PRIORITY, Amphora

# The priorities of a pair, and of those that replace one of them: a new one is below those that are there.
PRIORITIES = tuple(range(FIRST_PRIORITY, 0, -10))

# How long an amphora that is draining and does not say so any more is waited for after its time (seconds).
_PATIENCE = 30


class Situation(Struct, frozen=True, kw_only=True):
    """What decides the next step of a load balancer.

    `amphorae` are all that are not leaving. `gone` are silent hosts, `emptied` hosts that give their amphorae away, by
    id. `open_connections` are by amphora id. `now` is in seconds since the epoch.
    """

    load_balancer: LoadBalancer
    amphorae: tuple[Amphora, ...]
    paired: bool
    # Whether both of a pair are on one host although there is another one for it.
    crowded: bool = False
    now: int
    drain_seconds: int
    gone: Collection[str] = ()
    emptied: Collection[str] = ()
    open_connections: Mapping[str, int] = {}

    @property
    def wanted(self) -> int:
        """The number of amphorae that the load balancer should have."""
        return 2 if self.paired else 1


class Plan(Struct, frozen=True, kw_only=True):
    """The amphorae as they should be, and how many more are needed with which duty.

    `reordered` says that hosts need new orders, which a new generation brings.
    """

    amphorae: tuple[Amphora, ...]
    missing: int = 0
    paired: bool = False
    duty: Duty = "active"
    reordered: bool = False


def plan(situation: Situation) -> Plan:
    """Return the next step. It changes nothing when there is nothing to do."""
    amphorae = _marked(situation)
    current = [each for each in amphorae if not each.replacing]
    for extra in _extra(current, 1 if situation.crowded else situation.wanted):
        amphorae = _replace(amphorae, extra, replacing="waiting")
    # The VIP's port itself can be in one namespace only, so that there is nothing to hand over.
    alone = {each.id for each in amphorae if each.replacing and each.base_port_id is None}
    waited_for = any(each.id in alone and each.host not in situation.gone for each in amphorae)
    amphorae = [structs.replace(each, leaving=True, reason=None) if each.id in alone else each for each in amphorae]
    amphorae = _made_to_wait(situation, amphorae)
    current = [each for each in amphorae if not each.replacing]
    old = [each for each in amphorae if each.replacing and not each.leaving]
    handing = any(_usable(situation, each) for each in old)
    advanced = _advance(situation, current, old) if len(current) == situation.wanted else {}
    after = tuple(advanced.get(each.id, each) for each in amphorae)
    return Plan(
        amphorae=after,
        missing=0 if waited_for else max(0, situation.wanted - len(current)),
        paired=situation.paired,
        duty="standby" if handing and not situation.paired else "active",
        # Hosts also hear of a changed duty by a new generation.
        reordered=bool(advanced) or _duties(after) != _duties(situation.amphorae),
    )


def next_priority(taken: Iterable[int | None]) -> int:
    """Return the priority of one more amphora of a pair; `taken` are those of the others."""
    used = {each for each in taken if each is not None}
    free = [each for each in PRIORITIES if each not in used]
    return next((each for each in free if each < min(used, default=FIRST_PRIORITY + 1)), free[0] if free else 1)


def _marked(situation: Situation) -> list[Amphora]:
    """Mark amphorae whose host is silent or gives them away; take back the mark of those whose host polls again."""
    marked = list(situation.amphorae)
    for each in situation.amphorae:
        silent = each.host in situation.gone
        if not each.replacing and silent and each.base_port_id is not None:
            marked = _replace(marked, each, replacing="lost", replacing_since=situation.now)
        elif not each.replacing and each.host in situation.emptied:
            marked = _replace(marked, each, replacing="waiting", replacing_since=situation.now)
        elif each.replacing == "lost" and not silent:
            replaced = sum(not other.replacing for other in marked) >= situation.wanted
            marked = _replace(marked, each, replacing="waiting" if replaced else "", replacing_since=situation.now)
    return marked


def _made_to_wait(situation: Situation, amphorae: list[Amphora]) -> list[Amphora]:
    """Return the amphorae, the new one on standby while the old one has the VIPs.

    It was to take them because the host of the old one was silent, which polls again: it is refused what is in use.
    """
    if situation.paired or not any(_usable(situation, each) and each.replacing == "waiting" for each in amphorae):
        return amphorae
    fresh = [each.id for each in amphorae if not each.replacing and each.carries_vip is not True]
    return [structs.replace(each, duty="standby") if each.id in fresh else each for each in amphorae]


def _extra(current: list[Amphora], wanted: int) -> list[Amphora]:
    """Return the amphorae beyond the wanted number: those that do not have the VIPs, the newest first."""
    spare = sorted(current, key=lambda each: (each.carries_vip is True, each.served > 0, each.created_at, each.id))
    return spare[: max(0, len(current) - wanted)]


def _advance(situation: Situation, current: list[Amphora], old: list[Amphora]) -> dict[str, Amphora]:
    """Return the amphorae that go one step on, by id. Their hosts need new orders."""
    changed = {each.id: after for each in old if (after := _next_step(situation, current, each)) != each}
    left = [after for each in old if not (after := changed.get(each.id, each)).leaving]
    kept = [each for each in left if _usable(situation, each) and each.replacing in ("waiting", "lost")]
    if not kept:
        # No other amphora has the VIPs, or the one that has them is handing them over.
        taking = (each for each in current if each.duty == "standby")
        changed |= {each.id: structs.replace(each, duty="active") for each in taking}
    return changed


def _next_step(situation: Situation, current: list[Amphora], old: Amphora) -> Amphora:
    """Return an amphora that is being replaced one step on, or as it is."""
    step: dict[str, Any] = {"replacing_since": situation.now, "replacing_in": situation.load_balancer.generation + 1}
    gone = structs.replace(old, leaving=True, reason=None)
    carried = any(each.carries_vip for each in current)

    def serve(generation: int = 1) -> bool:
        return all(each.served >= max(1, generation) and each.host not in situation.gone for each in current)

    after = old
    if not _usable(situation, old):
        # The new one may have to take the VIPs first; its probe finds out who has them still.
        if serve() and all(each.duty == "active" for each in current):
            after = gone
    elif old.replacing in ("waiting", "lost"):
        if serve() and situation.paired and old.carries_vip is False:
            # It has no connections to hand over.
            after = gone
        elif serve():
            after = structs.replace(old, replacing="handing_over", **step)
    elif old.replacing == "handing_over":
        if serve(old.replacing_in) and (situation.paired or carried):
            after = structs.replace(old, replacing="draining", duty="draining", **step)
    elif carried and _drained(situation, old):
        after = gone
    return after


def _drained(situation: Situation, amphora: Amphora) -> bool:
    """Return whether an amphora has no open connection any more, or its time is over."""
    age = situation.now - amphora.replacing_since
    if amphora.served < amphora.replacing_in:
        return age >= situation.drain_seconds + _PATIENCE
    return not situation.open_connections.get(amphora.id) or age >= situation.drain_seconds


def _usable(situation: Situation, amphora: Amphora) -> bool:
    """Return whether an amphora serves, as far as its host says, so that it can hand over."""
    return amphora.served > 0 and amphora.host not in situation.gone


def _duties(amphorae: tuple[Amphora, ...]) -> dict[str, Duty]:
    return {each.id: each.duty for each in amphorae}


def _replace(amphorae: list[Amphora], which: Amphora, **changes: Any) -> list[Amphora]:
    return [structs.replace(each, **changes) if each.id == which.id else each for each in amphorae]
