"""Why a load balancer is as it is: its situation, and what that means in words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from hydria.api.access import permitted
from hydria.api.amphorae import AMPHORA
from hydria.api.references import doubts
from hydria.api.resource_types import LOAD_BALANCER as KIND
from hydria.http.operation import Call
from hydria.model import LoadBalancer, Member, Tree
from hydria.model.acme import SCHEME
from hydria.model.differences import kind_name, label, state_of
from hydria.model.references import references_of
from hydria.model.sentences import Sentence, Value, said, say
from hydria.model.status import UNREPORTED, AmphoraHealth, CheckResult, OperatingStatus, provisioning_status
from hydria.protocols import Secrets
from hydria.store import Transaction, columns
from hydria.store.certificates import AcmeOrder
from hydria.store.resources import Amphora, Health, KnownHost, Wait, health_of, tree
from hydria.store.revisions import Revision, last_failure_of, revision_of
from hydria.times import stamp

_FAILING = ("ERROR", "DEGRADED")


class Situation(Struct, frozen=True, kw_only=True):
    """The present facts about a load balancer. `hosts` are names by host id, empty if the caller must not know them."""

    load_balancer: LoadBalancer
    tree: Tree
    provisioning: str
    healths: dict[str, Health]
    amphorae: tuple[Amphora, ...]
    seen: tuple[AmphoraHealth, ...]
    hosts: dict[str, str]
    newest: Revision | None
    failed: Revision | None
    orders: tuple[AcmeOrder, ...]
    wait: Wait | None
    # Seconds since the epoch.
    time: float

    def host(self, amphora: Amphora | None) -> str | None:
        """Return the name of an amphora's host, or None where the caller must not know it."""
        return None if amphora is None else self.hosts.get(amphora.host)

    def status(self, key: str) -> OperatingStatus:
        """Return the operating status of a resource."""
        health = self.healths.get(key)
        return health.operating_status if health is not None else UNREPORTED  # type: ignore[return-value]


def situation_of(call: Call) -> Situation:
    """Return the situation of the load balancer of a call's path. Raises NotFound, Forbidden."""
    loaded = permitted(call, KIND, call.path["id"])
    load_balancer, transaction = loaded.resource, call.transaction
    amphorae = transaction.find(Amphora, columns(Amphora).load_balancer_id == load_balancer.id)
    seen = transaction.find(AmphoraHealth, columns(AmphoraHealth).load_balancer_id == load_balancer.id)
    visible = call.may(AMPHORA.rule("get_one"), load_balancer.project_id)
    return Situation(
        load_balancer=load_balancer,
        tree=tree(transaction, load_balancer),
        provisioning=provisioning_status(load_balancer, loaded.progress, loaded.trouble),
        healths=health_of(transaction, load_balancer.id),
        amphorae=tuple(sorted(amphorae, key=lambda each: each.id)),
        seen=tuple(sorted(seen, key=lambda each: each.amphora_id)),
        hosts=_hosts(transaction, amphorae) if visible else {},
        newest=revision_of(transaction, load_balancer.id, load_balancer.generation),
        failed=last_failure_of(transaction, load_balancer.id),
        orders=tuple(_orders(transaction, load_balancer)),
        wait=transaction.get(Wait, load_balancer.id),
        time=call.time.timestamp(),
    )


def _orders(transaction: Transaction, load_balancer: LoadBalancer) -> list[AcmeOrder]:
    c = columns(AcmeOrder)
    return transaction.find(AcmeOrder, c.project_id == load_balancer.project_id)


def _hosts(transaction: Transaction, amphorae: Sequence[Amphora]) -> dict[str, str]:
    keys = list({each.host for each in amphorae})
    names = {host.id: host.name or host.id for host in transaction.among(KnownHost, keys)}
    return {key: names.get(key, key) for key in keys}


def state_of_load_balancer(now: Situation, secrets: Secrets) -> dict[str, Any]:
    """Return why a load balancer is as it is, as JSON values."""
    doubted = doubts(secrets, now.tree)
    load_balancer, newest = now.load_balancer, now.newest
    waiting = _waiting(now)
    failed = now.provisioning == "ERROR" and load_balancer.reason is not None
    members = [_member(now, each) for each in now.tree.members if now.status(each.id) in _FAILING]
    since = None if newest is None else newest.served_at or newest.created_at
    return {
        "loadbalancer_id": load_balancer.id,
        "name": load_balancer.name,
        "provisioning_status": now.provisioning,
        "operating_status": now.status(load_balancer.id),
        "since": since,
        **_summary(now, waiting, members, doubted),
        "revision": load_balancer.generation,
        "served_revision": load_balancer.observed,
        "waiting_for": waiting,
        "failure": _failure(now) if failed else None,
        "last_failure": None if failed else _last_failure(now),
        "certificates": _certificates(now),
        "troubles": _troubles(now, doubted),
        "members": members,
    }


def _failure(now: Situation) -> dict[str, Any]:
    failing = next((each for each in now.amphorae if each.reason is not None), None)
    at = None if failing is None else failing.updated_at
    return {"revision": now.load_balancer.failed, "at": at, "reason": now.load_balancer.reason}


def _last_failure(now: Situation) -> dict[str, Any] | None:
    """Return the failure that is over: its revision, or a newer one, is served."""
    last = now.failed
    if last is None or last.served_at is None:
        return None
    # A host that fell silent later is no failure of the change: it was served before.
    over = last.failed_at is not None and last.failed_at <= last.served_at
    return {
        "revision": last.generation,
        "at": last.failed_at,
        "reason": last.failure,
        "resolved_at": last.served_at if over else None,
        **said((say("failure_over", revision=last.generation, reason=last.failure or ""),)),
    }


def _certificates(now: Situation) -> list[dict[str, Any]]:
    """Return the state of each certificate that is ordered by ACME."""
    orders = {each.reference: each for each in now.orders}
    references = dict.fromkeys(
        reference
        for listener in now.tree.listeners
        for reference, _ in references_of(listener)
        if reference.startswith(SCHEME)
    )
    return [_certificate(reference, orders.get(reference)) for reference in references]


def _certificate(reference: str, order: AcmeOrder | None) -> dict[str, Any]:
    names = reference.removeprefix(SCHEME).replace(",", ", ")
    until = None if order is None else order.not_after
    following = None if order is None else stamp(datetime.fromtimestamp(order.due, UTC))
    state, words = "ordering", [say("acme_ordering", names=names)]
    if order is not None and order.failures:
        state = "failed"
        words = [say("acme_failed", names=names, next=following or "", reason=order.reason or "")]
        if until is not None:
            words.append(say("acme_kept", until=until))
    elif until is not None:
        state, words = "issued", [say("acme_issued", names=names, until=until, next=following or "")]
    return {
        "reference": reference,
        "state": state,
        "not_after": until,
        "next_at": following,
        "reason": None if order is None else order.reason,
        **said(words),
    }


def _waiting(now: Situation) -> list[dict[str, Any]]:
    """Return what a load balancer waits for: another service comes first, because hosts get their orders after it."""
    wait = now.wait
    outside = [] if wait is None else [_wait("service", now, None, wait.since, say("told", text=wait.sentence))]
    return outside + _waiting_for_hosts(now)


def _waiting_for_hosts(now: Situation) -> list[dict[str, Any]]:
    load_balancer = now.load_balancer
    since = None if now.newest is None else now.newest.created_at
    if load_balancer.deleted_in is not None:
        return [
            _wait("removal", now, each, since, say("removal_unreported", host=_named(now.host(each))))
            for each in now.amphorae
        ]
    if load_balancer.observed >= load_balancer.generation:
        return []
    staying = [each for each in now.amphorae if not each.leaving]
    if not staying:
        return [_wait("host", now, None, since, say("no_host"))]
    late = [each for each in staying if each.served < load_balancer.generation]
    return [_wait("amphora", now, each, since, _unreported(now, each)) for each in late]


def _unreported(now: Situation, amphora: Amphora) -> Sentence:
    host, revision = _named(now.host(amphora)), now.load_balancer.generation
    if not amphora.served:
        return say("first_unreported", host=host, revision=revision)
    return say("revision_unreported", host=host, served=amphora.served, revision=revision)


def _named(host: str | None) -> Sentence:
    return say("some_host") if host is None else say("host", name=host)


def _wait(kind: str, now: Situation, amphora: Amphora | None, since: str | None, sentence: Sentence) -> dict[str, Any]:
    host = now.host(amphora)
    return {
        "kind": kind,
        "amphora_id": amphora.id if amphora is not None and host is not None else None,
        "host": host,
        "since": since,
        **said((sentence,)),
    }


def _troubles(now: Situation, doubted: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for key, resource in state_of(now.tree).items():
        health = now.healths.get(key)
        reason = (None if health is None else health.trouble) or doubted.get(key)
        if reason is not None:
            found.append({"resource": kind_name(resource), "id": key, "name": label(resource), "reason": reason})
    return found


def _member(now: Situation, member: Member) -> dict[str, Any]:
    pool = now.tree.pool(member.pool_id)
    amphorae = {each.id: each for each in now.amphorae}
    checks: list[dict[str, Any]] = []
    sentences: list[Sentence] = []
    for seen in now.seen:
        state = seen.servers.get(member.id, "unknown")
        amphora, check = amphorae.get(seen.amphora_id), seen.checks.get(member.id)
        host = now.host(amphora)
        checks.append(
            {
                "amphora_id": seen.amphora_id if host is not None else None,
                "host": host,
                "state": state,
                "result": None if check is None else check.result,
                "code": None if check is None else check.code,
                "text": None if check is None else check.text,
                "latency_ms": None if check is None else check.latency_ms,
                "seconds": None if check is None else max(0, round(now.time - check.since)),
            }
        )
        if state == "down" and (sentence := _failing(now, member, host, check)) not in sentences:
            sentences.append(sentence)
    return {
        "id": member.id,
        "name": member.name,
        "address": member.address,
        "protocol_port": member.protocol_port,
        "pool_id": member.pool_id,
        "pool_name": pool.name if pool is not None else "",
        "operating_status": now.status(member.id),
        **said(sentences or (say("flows_lost"),)),
        "checks": checks,
    }


def _failing(now: Situation, member: Member, host: str | None, check: CheckResult | None) -> Sentence:
    text: Value = "" if check is None else check.text
    monitor = now.tree.monitor_of(member.pool_id)
    if check is not None and check.code is not None and check.result == "L7STS" and monitor is not None:
        # HAProxy's text is the phrase of the answer, such as OK.
        text = say("status_unexpected", code=check.code, expected=monitor.expected_codes or "200")
    if host is None:
        return say("check_fails_by", text=text) if text else say("check_fails")
    return say("check_of_host_fails_by", host=host, text=text) if text else say("check_of_host_fails", host=host)


def _summary(
    now: Situation,
    waiting: Sequence[dict[str, Any]],
    members: Sequence[dict[str, Any]],
    doubted: Mapping[str, str],
) -> dict[str, Any]:
    load_balancer = now.load_balancer
    pending = load_balancer.deleted_in is not None or load_balancer.observed < load_balancer.generation
    serves = say("served", revision=load_balancer.observed)
    words, detail = [serves], None
    if now.provisioning == "ERROR":
        words = [say("not_served", revision=load_balancer.generation, reason=load_balancer.reason or "")]
    elif waiting and pending:
        deleting = load_balancer.deleted_in is not None
        words = [say("deleting") if deleting else say("changing", revision=load_balancer.generation)]
        detail = waiting[0]
    elif not load_balancer.admin_state_up:
        words = [say("switched_off")]
    elif members:
        code = "member_fails" if len(members) == 1 else "members_fail"
        name = members[0]["name"] or f"{members[0]['address']}:{members[0]['protocol_port']}"
        words = [say(code, member=name, failing=len(members), all=len(now.tree.members))]
        detail = members[0]
    elif any(health.trouble for health in now.healths.values()):
        words.append(say("served_in_part"))
    elif now.wait is not None or doubted:
        text = now.wait.sentence if now.wait is not None else next(iter(doubted.values()))
        words.append(say("told", text=text))
    found, more = said(words), {"sentence": "", "words": []} if detail is None else detail
    return {
        "summary": f"{found['sentence']} {more['sentence']}".rstrip(),
        "words": [*found["words"], *more["words"]],
    }
