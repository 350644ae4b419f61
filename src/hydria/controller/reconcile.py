"""Reconciling load balancers: from their ids and what the rows say, at any time and as often as wanted."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from msgspec import structs
from sqlalchemy import select

from hydria.controller.health import lose_health, silence
from hydria.controller.placement import NO_HOST, Placement, Request, Rules, heard_since
from hydria.controller.ports import AmphoraPorts, PortError
from hydria.controller.removal import forget_amphora, forget_deleted, remove_load_balancer
from hydria.controller.replacement import Plan, Situation, next_priority, plan
from hydria.controller.work_list import find_due
from hydria.errors import PortPending
from hydria.model import LoadBalancer
from hydria.protocols import Networking
from hydria.store import Milestone, Transaction, columns
from hydria.store.generations import bump, bump_where
from hydria.store.resources import Amphora, Traffic
from hydria.store.revisions import mark_failed, mark_served
from hydria.times import from_text, stamp

log = structlog.get_logger(__name__)

# How long a new load balancer waits for a host before it fails (seconds).
PATIENCE = 30


class Reconciler:
    """Brings load balancers nearer to their desired state."""

    def __init__(
        self,
        networking_of: Callable[[Transaction], Networking],
        awake_since: datetime | None = None,
        *,
        attached: bool = True,
        rules: Rules | None = None,
    ) -> None:
        """`awake_since` is when this server started: before that it could not have heard from any host.

        `attached` is False where no host attaches ports (noop mode).
        """
        self._networking_of = networking_of
        self._awake_since = awake_since
        self._attached = attached
        self.rules = rules or Rules()

    def due(self, transaction: Transaction, now: datetime, *, retry: bool = True) -> list[str]:
        """Return the ids of load balancers that no report will bring forward.

        Those are the ones that no host serves or will serve, those with an amphora that lacks a port or is being
        replaced, those that must go and no host knows, and those whose host is silent. `retry` is False to leave out
        those whose ports could not be made; with it, some of those that are merely pending are looked at too, in case
        something is missing that no row says.
        """
        since = heard_since(now, self.rules.silence)
        return find_due(
            transaction,
            attached=self._attached,
            retry=retry,
            heard_since=since if self._can_judge_silence(now) else 0,
            live_since=since,
            today=now.date().isoformat(),
        )

    def woke_up(self, now: datetime) -> None:
        """Judge no host by the time before now, in which this server did not run or its clock was wrong."""
        self._awake_since = now

    def _can_judge_silence(self, now: datetime) -> bool:
        """Say whether this server has run for long enough to call a host silent."""
        # Noop mode has no agent to hear from.
        if not self._attached:
            return False
        return self._awake_since is None or self._awake_since <= now - timedelta(seconds=self.rules.silence)

    def networks_changed(self, transaction: Transaction) -> bool:
        """Return True when ports changed since hosts got them. Only reads."""
        return bool(self._networking_of(transaction).altered_ports())

    def follow_networks(self, transaction: Transaction) -> None:
        """Count a change of the network service as a change of each load balancer whose ports it changed."""
        networking = self._networking_of(transaction)
        ports = networking.altered_ports()
        lb, amphora = columns(LoadBalancer), columns(Amphora)
        users = select(amphora.load_balancer_id).where(amphora.id.in_([port.device_id for port in ports]))
        touched = lb.vip_port_id.in_([port.id for port in ports]) | lb.id.in_(users)
        bump_where(transaction, touched, cause="networks changed")
        networking.forget_altered_ports()

    def reconcile(self, transaction: Transaction, keys: Sequence[str], now: datetime) -> None:
        """Place, settle or remove load balancers."""
        of: dict[str, list[Amphora]] = defaultdict(list)
        for amphora in transaction.among(Amphora, keys, column="load_balancer_id"):
            of[amphora.load_balancer_id].append(amphora)
        networking = self._networking_of(transaction)
        placement = Placement(transaction, networking, now, self.rules)
        ports = AmphoraPorts(transaction, networking, keys, attached=self._attached)
        for load_balancer in transaction.among(LoadBalancer, keys):
            amphorae = of[load_balancer.id]
            if load_balancer.deleted_in is None:
                after, amphorae = self._bring_forward(transaction, load_balancer, amphorae, placement, ports)
            elif amphorae:
                after = self._withdraw(transaction, load_balancer, amphorae)
            elif not networking.release(load_balancer.id):
                continue
            else:
                remove_load_balancer(transaction, networking, load_balancer)
                continue
            if self._can_judge_silence(now):
                after = self._mark_silence(transaction, after, amphorae, placement)
            if after != load_balancer:
                transaction.update(after)
                if after.failed and (after.failed, after.reason) != (load_balancer.failed, load_balancer.reason):
                    mark_failed(transaction, after, now)
                if after.reason is not None and after.reason != load_balancer.reason:
                    log.warning("load_balancer_failing", load_balancer=after.id, reason=after.reason)

    def _bring_forward(
        self,
        transaction: Transaction,
        load_balancer: LoadBalancer,
        amphorae: list[Amphora],
        placement: Placement,
        ports: AmphoraPorts,
    ) -> tuple[LoadBalancer, list[Amphora]]:
        """Make sure that there are amphorae that stay and have their ports; return both as they are then.

        An amphora that has the VIP's port itself and leaves is waited for, because the port must never be in two
        namespaces. On a silent host it counts as gone.
        """
        staying = [amphora for amphora in amphorae if not amphora.leaving]
        waited_for = [each for each in amphorae if each.leaving and each.base_port_id is None]
        if waited_for and not staying and not all(placement.silent(each.host) for each in waited_for):
            return _with_failures(load_balancer, amphorae), amphorae
        after = load_balancer
        if staying:
            after = self._settle(transaction, load_balancer, staying, placement, ports)
        planned = self._plan(transaction, after, staying, placement, crowded=_crowded(after, staying, placement, ports))
        fresh, trouble = self._place(after, planned, placement, ports)
        if fresh and not staying:
            after = structs.replace(after, reason=None, failed=0)
        reordered = planned.reordered
        today = placement.now.date().isoformat()
        if planned.paired and after.ticket_day != today:
            reordered |= bool(after.ticket_day)
            after = structs.replace(after, ticket_day=today)
        try:
            for amphora in (*planned.amphorae, *fresh):
                based = not amphora.leaving and placement.makes_base_ports(amphora.host)
                if not amphora.leaving and (after.observed < after.generation or (based and not amphora.base_port_id)):
                    with suppress(PortPending):
                        made = ports.ensure(after, amphora, based=based)
                        # The others of a pair must know it, and its own host its new form.
                        reordered |= made != amphora and any(each.served for each in planned.amphorae)
        except PortError as error:
            trouble = str(error)
        if reordered:
            bumped = bump(transaction, after.id, cause="amphorae changed")
            after = structs.replace(after, generation=bumped.generation, change_id=bumped.change_id)
        return after if trouble is None else _troubled(after, trouble), [*planned.amphorae, *fresh]

    def _plan(
        self,
        transaction: Transaction,
        load_balancer: LoadBalancer,
        staying: list[Amphora],
        placement: Placement,
        *,
        crowded: bool,
    ) -> Plan:
        """Return the next step of the replacement of amphorae, and store it."""
        paired = load_balancer.topology == "ACTIVE_STANDBY" and (
            any(each.priority is not None for each in staying) or any(map(placement.makes_base_ports, placement.hosts))
        )
        judging = self._can_judge_silence(placement.now)
        hosts = {each.host for each in staying}
        draining = [each.id for each in staying if each.replacing == "draining"]
        planned = plan(
            Situation(
                load_balancer=load_balancer,
                amphorae=tuple(staying),
                paired=paired,
                crowded=crowded,
                now=int(placement.now.timestamp()),
                drain_seconds=self.rules.drain_seconds,
                gone={host for host in hosts if judging and placement.silent(host)},
                emptied={host for host in hosts if placement.emptied(host)},
                open_connections=_open_connections(transaction, draining) if draining else {},
            )
        )
        for before, after in zip(staying, planned.amphorae, strict=True):
            if before != after:
                transaction.update(structs.replace(after, updated_at=stamp(placement.now)))
                transaction.hint("instances")
                log.info(
                    "amphora_replacing",
                    amphora=after.id,
                    load_balancer=load_balancer.id,
                    step="leaving" if after.leaving else after.replacing,
                    duty=after.duty,
                )
        return planned

    def _place(
        self, load_balancer: LoadBalancer, planned: Plan, placement: Placement, ports: AmphoraPorts
    ) -> tuple[list[Amphora], str | None]:
        """Place the amphorae that are missing; return them, and why one of them cannot be placed."""
        if not planned.missing:
            return [], None
        refusal = placement.refusal(load_balancer.vip_network_id)
        if refusal is not None:
            return [], refusal
        networks = ports.networks(load_balancer)
        staying = [each for each in planned.amphorae if not each.leaving]
        lost = any(each.replacing == "lost" for each in staying)
        placed: list[Amphora] = []
        for _ in range(planned.missing):
            others = [*(each for each in staying if not each.replacing), *placed]
            request = Request(
                load_balancer=load_balancer,
                networks=networks,
                duty=planned.duty,
                priority=next_priority(each.priority for each in (*staying, *placed)) if planned.paired else None,
                apart_from={each.host for each in others},
                # A pair on one host is no better than the amphora that is left.
                may_share=self.rules.anti_affinity == "soft" and not (lost and others),
            )
            found = placement.place(request)
            if isinstance(found, str):
                age = placement.now - from_text(load_balancer.created_at)
                waits = found == NO_HOST and not staying and age <= timedelta(seconds=PATIENCE)
                return placed, None if waits else found
            placed.append(found)
        return placed, None

    def forget_amphora(self, transaction: Transaction, amphora: Amphora) -> None:
        """Delete the row and the ports of an amphora that its host has removed."""
        forget_amphora(transaction, self._networking_of(transaction), amphora)

    def _settle(
        self,
        transaction: Transaction,
        load_balancer: LoadBalancer,
        amphorae: list[Amphora],
        placement: Placement,
        ports: AmphoraPorts,
    ) -> LoadBalancer:
        """Return the load balancer with what its amphorae serve; what no amphora serves any more is deleted.

        An amphora that only ends its connections does not count, nor does one on a silent host beside others.
        """
        counted = [each for each in amphorae if each.replacing != "draining"] or amphorae
        counted = [each for each in counted if not placement.silent(each.host)] or counted
        served = min(_confirmed(load_balancer, each) for each in counted)
        observed = max(load_balancer.observed, served)
        settled = _with_failures(structs.replace(load_balancer, observed=observed), counted)
        if observed > load_balancer.observed:
            transaction.milestones.append(Milestone(load_balancer_id=settled.id, generation=observed, served=True))
            forget_deleted(transaction, settled)
            mark_served(transaction, settled, load_balancer.observed, placement.now)
            # A newer generation may need a port again, and counts on it.
            if observed == load_balancer.generation:
                for amphora in counted:
                    ports.release(settled, amphora)
            log.info("load_balancer_settled", load_balancer=load_balancer.id, generation=observed)
        return settled

    def _mark_silence(
        self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora], placement: Placement
    ) -> LoadBalancer:
        """Return the load balancer with the silence of its hosts: nothing is known of what they serve."""
        served = any(
            each.served and not each.leaving and each.duty == "active" and not placement.silent(each.host)
            for each in amphorae
        )
        for amphora in amphorae:
            # Only the end of the load balancer waits for those that leave.
            concerned = not amphora.leaving or load_balancer.deleted_in is not None
            if concerned and placement.silent(amphora.host):
                if not served or load_balancer.deleted_in is not None:
                    # Where all is served, the host goes on as far as is known.
                    load_balancer = _troubled(load_balancer, silence(placement.name(amphora.host)))
                if load_balancer.deleted_in is None:
                    lose_health(transaction, amphora, load_balancer.generation)
        return load_balancer

    def _withdraw(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> LoadBalancer:
        """Tell hosts to remove all amphorae of a load balancer that is to go; return it with what they say of that."""
        for amphora in amphorae:
            if not amphora.leaving:
                # A failure to serve is not a failure to remove.
                transaction.update(structs.replace(amphora, leaving=True, reason=None))
                transaction.hint("instances")
        return _with_failures(load_balancer, [amphora for amphora in amphorae if amphora.leaving])


def _confirmed(load_balancer: LoadBalancer, amphora: Amphora) -> int:
    """Return the generation that an amphora serves, 0 for one that this database never had.

    A host may serve such a generation after the database was restored from a backup.
    """
    newest = amphora.served == load_balancer.generation
    foreign = newest and amphora.change_id not in (None, load_balancer.change_id)
    return 0 if foreign or amphora.served > load_balancer.generation else amphora.served


def _with_failures(load_balancer: LoadBalancer, amphorae: list[Amphora]) -> LoadBalancer:
    """Return the load balancer with the failures that its hosts report."""
    failing = next((amphora for amphora in amphorae if amphora.reason is not None), None)
    if failing is not None:
        # An amphora that leaves fails at the newest generation, which is the deletion.
        failed = load_balancer.generation if failing.leaving else min(failing.attempted, load_balancer.generation)
        return structs.replace(load_balancer, reason=failing.reason, failed=failed)
    if load_balancer.observed >= load_balancer.failed:
        return structs.replace(load_balancer, reason=None, failed=0)
    return load_balancer


def _failed(load_balancer: LoadBalancer, reason: str) -> LoadBalancer:
    """Return the load balancer with the reason why its newest generation cannot be served."""
    return structs.replace(load_balancer, reason=reason, failed=load_balancer.generation)


def _troubled(load_balancer: LoadBalancer, reason: str) -> LoadBalancer:
    """Return the load balancer with a reason; it is in ERROR unless its newest generation is served already."""
    if load_balancer.observed < load_balancer.generation:
        return _failed(load_balancer, reason)
    return structs.replace(load_balancer, reason=reason)


def _crowded(load_balancer: LoadBalancer, staying: list[Amphora], placement: Placement, ports: AmphoraPorts) -> bool:
    """Return whether a pair shares a host although there is another one for it."""
    hosts = {each.host for each in staying}
    if load_balancer.topology != "ACTIVE_STANDBY" or len(staying) != 2 or len(hosts) > 1:
        return False
    if any(each.replacing or not each.served for each in staying):
        return False
    request = Request(load_balancer=load_balancer, networks=ports.networks(load_balancer), apart_from=hosts)
    return placement.fits_apart(request)


def _open_connections(transaction: Transaction, amphora_ids: Sequence[str]) -> dict[str, int]:
    """Return the open connections of amphorae by id, as their hosts reported them last."""
    found = transaction.find(Traffic, columns(Traffic).amphora_id.in_(amphora_ids))
    open_connections: dict[str, int] = defaultdict(int)
    for each in found:
        open_connections[each.amphora_id] += each.counters.active_connections
    return open_connections
