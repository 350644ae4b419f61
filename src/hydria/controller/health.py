"""The health of amphorae as hosts report it, and the operating statuses that are derived from it."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from msgspec import structs
from sqlalchemy import ColumnElement, Select, bindparam, select

from hydria.contract import Report
from hydria.model import LoadBalancer, Tree
from hydria.model.status import UNREPORTED, AmphoraHealth, CheckResult, OperatingStatus, ServerState, operating_statuses
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Health, health_of, tree
from hydria.store.tables import rows_of

# The longest text of a check's result (characters).
_LONGEST = 300

_SILENCE = "Host ", " does not ask for work. Is its agent running?"


def silence(host: str) -> str:
    """Return the reason of a load balancer whose host does not poll, so that nothing is known of what it serves."""
    return host.join(_SILENCE)


def is_silence(reason: ColumnElement[str | None]) -> ColumnElement[bool]:
    """Return the SQL condition that a reason is the silence of a host."""
    return reason.endswith(_SILENCE[1])


def take_health(transaction: Transaction, amphora: Amphora, report: Report) -> None:
    """Store what a host reports of an amphora's health; if it is new, derive the operating statuses."""
    if report.reachable is None and not report.operating:
        return
    known = _reported(transaction, amphora.load_balancer_id)
    reported = AmphoraHealth(
        amphora_id=amphora.id,
        load_balancer_id=amphora.load_balancer_id,
        generation=report.generation,
        reachable=report.reachable is not False,
        servers=report.servers,
        unserved=report.unserved,
        troubles=report.troubles,
        checks={key: _bounded(check) for key, check in report.checks.items()},
    )
    if report.operating or reported != known.get(amphora.id):
        _update(transaction, reported, known, report.operating)


def _bounded(check: CheckResult) -> CheckResult:
    """Return a result whose texts are no longer than HAProxy's, without NUL, which PostgreSQL cannot store."""
    text = check.text.replace("\0", "")[:_LONGEST]
    return structs.replace(check, result=check.result.replace("\0", "")[:_LONGEST], text=text)


def lose_health(transaction: Transaction, amphora: Amphora, generation: int) -> None:
    """Store that an amphora cannot be observed, because its host does not poll.

    `generation` is the newest of the load balancer: the statuses are derived again for each generation.
    """
    lost = AmphoraHealth(
        amphora_id=amphora.id, load_balancer_id=amphora.load_balancer_id, generation=generation, reachable=False
    )
    known = _reported(transaction, amphora.load_balancer_id)
    if lost != known.get(amphora.id):
        _update(transaction, lost, known)


def write_statuses(
    transaction: Transaction,
    load_balancer_id: str,
    statuses: Mapping[str, OperatingStatus],
    troubles: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write derived operating statuses and troubles by resource id; other resources are not changed."""
    known = health_of(transaction, load_balancer_id)
    derived = [
        Health(id=key, load_balancer_id=load_balancer_id, operating_status=status, trouble=troubles.get(key))
        for key, status in statuses.items()
    ]
    transaction.update(*(each for each in derived if each.id in known and each != known[each.id]))
    # A resource without a row is unreported, and has no trouble.
    fresh = [each for each in derived if each.id not in known]
    transaction.insert(*(each for each in fresh if each.operating_status != UNREPORTED or each.trouble))


def _update(
    transaction: Transaction,
    reported: AmphoraHealth,
    known: dict[str, AmphoraHealth],
    operating: Mapping[str, OperatingStatus] = MappingProxyType({}),
) -> None:
    """Store the health of an amphora and derive the statuses of its load balancer; `known` is what was stored."""
    load_balancer = transaction.get(LoadBalancer, reported.load_balancer_id)
    if load_balancer is None:
        return
    whole = tree(transaction, load_balancer)
    if operating:
        reported = _of_older_agent(reported, whole, operating)
    # Only existing members: a report may name members that were deleted since.
    there = {member.id for member in whole.members}
    reported = structs.replace(
        reported,
        servers={key: state for key, state in reported.servers.items() if key in there},
        checks={key: check for key, check in reported.checks.items() if key in there},
    )
    if reported == known.get(reported.amphora_id) and not operating:
        return
    if reported.amphora_id in known:
        transaction.update(reported)
    else:
        transaction.insert(reported)
    healths = [*({**known, reported.amphora_id: reported}).values()]
    troubles = {key: reason for each in healths for key, reason in each.troubles.items()}
    write_statuses(transaction, load_balancer.id, operating_statuses(whole, healths), troubles)


def _of_older_agent(reported: AmphoraHealth, whole: Tree, operating: Mapping[str, OperatingStatus]) -> AmphoraHealth:
    """Return the health that operating statuses of an older agent stand for, as far as possible."""
    pools = {operating.get(pool.id) for pool in whole.pools}
    if operating.get(whole.load_balancer.id) == "ERROR" and "ERROR" not in pools:
        return structs.replace(reported, reachable=False, servers={}, unserved=())
    states = {member.id: _STATES.get(operating.get(member.id, UNREPORTED), "unknown") for member in whole.members}
    unserved = tuple(key for key in reported.troubles if operating.get(key) == "ERROR")
    return structs.replace(reported, servers=states, unserved=unserved)


# The state of a member, by the operating status that an older agent reported.
_STATES: dict[OperatingStatus, ServerState] = {
    "ONLINE": "up",
    "DRAINING": "up",
    "ERROR": "down",
    "DEGRADED": "crowded",
    "NO_MONITOR": "unchecked",
}


def _reported(transaction: Transaction, load_balancer_id: str) -> dict[str, AmphoraHealth]:
    """Return what was reported last of the amphorae of a load balancer that stay, by amphora id."""
    found = transaction.load(AmphoraHealth, _staying(), {"key": load_balancer_id})
    return {each.amphora_id: each for each in found}


@cache
def _staying() -> Select[Any]:
    c, amphora = columns(AmphoraHealth), columns(Amphora)
    staying = select(amphora.id).where(amphora.load_balancer_id == bindparam("key"), amphora.leaving.is_(False))
    return select(rows_of(AmphoraHealth).table).where(c.load_balancer_id == bindparam("key"), c.amphora_id.in_(staying))
