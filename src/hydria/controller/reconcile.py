"""Reconciling load balancers: from their ids and what the rows say, at any time and as often as wanted."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import CompoundSelect, Select, and_, bindparam, literal, not_, or_, select, union, union_all

from hydria.controller.health import is_silence, lose_health, silence
from hydria.controller.placement import HOST_SILENCE, Placement, heard_since
from hydria.controller.ports import AmphoraPorts, PortError, delete_ports, lacks_port
from hydria.model import LoadBalancer
from hydria.model.status import AmphoraHealth
from hydria.protocols import Networking
from hydria.store import Milestone, Transaction, columns
from hydria.store.generations import bump_where
from hydria.store.resources import CHILDREN, Amphora, Health, KnownHost, Traffic
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# The amphora id of the counters of all amphorae that are gone.
NO_AMPHORA = ""

# How long a new load balancer waits for a host before it fails (seconds).
PATIENCE = 30
_NO_HOST = "No host asks for work. Start an agent: hydria up, or hydria agent."


class Reconciler:
    """Brings load balancers nearer to their desired state."""

    def __init__(
        self,
        networking_of: Callable[[Transaction], Networking],
        awake_since: datetime | None = None,
        *,
        attached: bool = True,
    ) -> None:
        """`awake_since` is when this server started: before that it could not have heard from any host.

        `attached` is False where no host attaches ports (noop mode).
        """
        self._networking_of = networking_of
        self._awake_since = awake_since
        self._attached = attached

    def due(self, transaction: Transaction, now: datetime, *, retry: bool = True) -> list[str]:
        """Return the ids of load balancers that no report will bring forward.

        Those are the ones that no host serves or will serve, those with an amphora that lacks a port, those that must
        go and no host knows, and those whose host is silent. `retry` is False to leave out those whose ports could
        not be made; with it, some of those that are merely pending are looked at too, in case something is missing
        that no row says.
        """
        parameters = {"heard_since": heard_since(now) if self._can_judge_silence(now) else 0}
        found = transaction.execute(_due(attached=self._attached, retry=retry), parameters)
        return [key for (key,) in found]

    def _can_judge_silence(self, now: datetime) -> bool:
        """Say whether this server has run for long enough to call a host silent."""
        return self._awake_since is None or self._awake_since <= now - timedelta(seconds=HOST_SILENCE)

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
        bump_where(transaction, touched)
        networking.forget_altered_ports()

    def reconcile(self, transaction: Transaction, keys: Sequence[str], now: datetime) -> None:
        """Place, settle or remove load balancers."""
        of: dict[str, list[Amphora]] = defaultdict(list)
        for amphora in transaction.among(Amphora, keys, column="load_balancer_id"):
            of[amphora.load_balancer_id].append(amphora)
        networking = self._networking_of(transaction)
        placement = Placement(transaction, networking, now)
        ports = AmphoraPorts(transaction, networking, keys, attached=self._attached)
        for load_balancer in transaction.among(LoadBalancer, keys):
            amphorae = of[load_balancer.id]
            if load_balancer.deleted_in is None:
                after = self._place_or_settle(transaction, load_balancer, amphorae, placement, ports)
            elif amphorae:
                after = self._withdraw(transaction, load_balancer, amphorae)
            else:
                self._remove(transaction, load_balancer)
                continue
            if self._can_judge_silence(now):
                after = self._mark_silence(transaction, after, amphorae, placement)
            if after != load_balancer:
                transaction.update(after)
                if after.reason is not None and after.reason != load_balancer.reason:
                    log.warning("load_balancer_failing", load_balancer=after.id, reason=after.reason)
        placement.save()

    def _place_or_settle(
        self,
        transaction: Transaction,
        load_balancer: LoadBalancer,
        amphorae: list[Amphora],
        placement: Placement,
        ports: AmphoraPorts,
    ) -> LoadBalancer:
        """Make sure that there is an amphora that stays and has its ports; return the load balancer as it is then.

        One that leaves is waited for, because the VIP's port must never be in two namespaces. On a silent host it
        counts as gone.
        """
        staying = [amphora for amphora in amphorae if not amphora.leaving]
        if staying:
            after = self._settle(transaction, load_balancer, staying, ports)
        elif all(placement.silent(amphora.host) for amphora in amphorae):
            after, placed = _placed(load_balancer, placement)
            staying = [placed] if placed else []
        else:
            return _with_failures(load_balancer, amphorae)
        if after.observed < after.generation:
            try:
                for amphora in staying:
                    ports.ensure(after, amphora)
            except PortError as error:
                return _failed(after, str(error))
        return after

    def _settle(
        self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora], ports: AmphoraPorts
    ) -> LoadBalancer:
        """Return the load balancer with what its amphorae serve; what no amphora serves any more is deleted."""
        served = min(_confirmed(load_balancer, each) for each in amphorae)
        observed = max(load_balancer.observed, served)
        settled = _with_failures(structs.replace(load_balancer, observed=observed), amphorae)
        if observed > load_balancer.observed:
            transaction.milestones.append(Milestone(load_balancer_id=settled.id, generation=observed, served=True))
            self._forget_deleted(transaction, settled)
            # A newer generation may need a port again, and counts on it.
            if observed == load_balancer.generation:
                for amphora in amphorae:
                    ports.release(settled, amphora)
            log.info("load_balancer_settled", load_balancer=load_balancer.id, generation=observed)
        return settled

    def _mark_silence(
        self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora], placement: Placement
    ) -> LoadBalancer:
        """Return the load balancer with the silence of its hosts: nothing is known of what they serve."""
        for amphora in amphorae:
            # Only the end of the load balancer waits for those that leave.
            concerned = not amphora.leaving or load_balancer.deleted_in is not None
            if concerned and placement.silent(amphora.host):
                reason = silence(placement.name(amphora.host))
                if load_balancer.observed < load_balancer.generation:
                    load_balancer = _failed(load_balancer, reason)
                else:
                    # As far as is known, the host serves what it was asked to.
                    load_balancer = structs.replace(load_balancer, reason=reason)
                if load_balancer.deleted_in is None:
                    lose_health(transaction, amphora, load_balancer.generation)
        return load_balancer

    def _forget_deleted(self, transaction: Transaction, load_balancer: LoadBalancer) -> None:
        """Delete the rows of children that no host serves any more."""
        served = {"key": load_balancer.id, "observed": load_balancer.observed}
        found = [tuple(row) for row in transaction.execute(_deleted(), served)]
        gone = [key for _, key in found]
        for number in {number for number, _ in found}:
            kind = CHILDREN[number]
            transaction.delete(kind, columns(kind).id.in_(gone))
        if gone:
            transaction.delete(Health, columns(Health).id.in_(gone))
            transaction.delete(Traffic, columns(Traffic).listener_id.in_(gone))

    def _withdraw(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> LoadBalancer:
        """Tell hosts to remove all amphorae of a load balancer that is to go; return it with what they say of that."""
        for amphora in amphorae:
            if not amphora.leaving:
                # A failure to serve is not a failure to remove.
                transaction.update(structs.replace(amphora, leaving=True, reason=None))
                transaction.hint("instances")
        return _with_failures(load_balancer, [amphora for amphora in amphorae if amphora.leaving])

    def _remove(self, transaction: Transaction, load_balancer: LoadBalancer) -> None:
        """Delete the rows and ports of a load balancer that no host has: they were what remembered the work."""
        networking = self._networking_of(transaction)
        if load_balancer.vip_port_owned:
            networking.delete_port(load_balancer.vip_port_id)
        else:
            networking.swap_security_groups(load_balancer.vip_port_id, load_balancer.vip_sg_ids, ())
            networking.bind_port(load_balancer.vip_port_id, None)
        for kind in (*CHILDREN, AmphoraHealth, Health, Traffic):
            transaction.delete(kind, columns(kind).load_balancer_id == load_balancer.id)
        transaction.delete(LoadBalancer, columns(LoadBalancer).id == load_balancer.id)
        gone = Milestone(load_balancer_id=load_balancer.id, generation=load_balancer.generation, served=True)
        transaction.milestones.append(gone)
        log.info("load_balancer_deleted", load_balancer=load_balancer.id)

    def forget_amphora(self, transaction: Transaction, amphora: Amphora) -> None:
        """Delete the row and the ports of an amphora that its host has removed."""
        delete_ports(transaction, self._networking_of(transaction), amphora.id)
        self._keep_traffic(transaction, amphora)
        transaction.delete(AmphoraHealth, columns(AmphoraHealth).amphora_id == amphora.id)
        transaction.delete(Amphora, columns(Amphora).id == amphora.id)

    def _keep_traffic(self, transaction: Transaction, amphora: Amphora) -> None:
        """Add an amphora's counters to those of the load balancer's earlier amphorae, which Octavia keeps too."""
        c = columns(Traffic)
        gone = (c.amphora_id == NO_AMPHORA) & (c.load_balancer_id == amphora.load_balancer_id)
        past = {each.listener_id: each.counters for each in transaction.find(Traffic, gone)}
        for traffic in transaction.find(Traffic, c.amphora_id == amphora.id):
            before = past.get(traffic.listener_id)
            ended = structs.replace(traffic.counters, active_connections=0)
            kept = structs.replace(
                traffic, amphora_id=NO_AMPHORA, counters=ended if before is None else before.plus(ended)
            )
            if before is None:
                transaction.insert(kept)
            else:
                transaction.update(kept)
        transaction.delete(Traffic, c.amphora_id == amphora.id)


# How many load balancers that are merely pending are looked at together.
_PENDING = 50


@cache
def _due(*, attached: bool, retry: bool) -> CompoundSelect[Any]:
    lb, amphora, host = columns(LoadBalancer), columns(Amphora), columns(KnownHost)
    mine = select(amphora.id).where(amphora.load_balancer_id == lb.id)
    served, stays, going = mine.exists(), mine.where(amphora.leaving.is_(False)).exists(), lb.deleted_in.is_not(None)
    # Only a change takes an amphora away, so a settled load balancer has one.
    unsettled = lb.observed < lb.generation
    alone = select(lb.id).where(unsettled, or_(and_(not_(going), not_(stays)), and_(going, or_(not_(served), stays))))
    # Begins at the hosts, of which few are silent.
    hosted = rows_of(KnownHost).table.join(rows_of(Amphora).table, amphora.host == host.id)
    waiting = (
        select(lb.id)
        .select_from(hosted.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id))
        .where(host.seen_at < bindparam("heard_since"), or_(amphora.leaving.is_(False), going))
        .where(or_(and_(unsettled, lb.failed < lb.generation), lb.reason.is_(None), not_(is_silence(lb.reason))))
    )
    if not attached:
        return union(alone, waiting)
    lacking = select(lb.id).where(unsettled, not_(going), lacks_port())
    fresh = lb.failed < lb.generation
    if not retry:
        return union(alone, waiting, lacking.where(fresh))
    pending = select(lb.id).where(unsettled, not_(going), fresh).limit(_PENDING).subquery()
    return union(alone, waiting, lacking, select(pending.c.id))


def _placed(load_balancer: LoadBalancer, placement: Placement) -> tuple[LoadBalancer, Amphora | None]:
    """Give a load balancer an amphora; return it as it is then, and the amphora if there is a host for it."""
    refusal = placement.refusal(load_balancer.vip_network_id)
    if refusal is not None:
        return _failed(load_balancer, refusal), None
    amphora = placement.place(load_balancer)
    if amphora is not None:
        return structs.replace(load_balancer, reason=None, failed=0), amphora
    if datetime.fromisoformat(load_balancer.created_at + "Z") < placement.now - timedelta(seconds=PATIENCE):
        return _failed(load_balancer, _NO_HOST), None
    return load_balancer, None


@cache
def _deleted() -> CompoundSelect[Any]:
    """Find the children of a load balancer whose deletion is served: their place in `CHILDREN`, and their ids."""

    def of(number: int) -> Select[Any]:
        c = columns(CHILDREN[number])
        found = select(literal(number), c.id).where(c.load_balancer_id == bindparam("key"))
        return found.where(c.deleted_in <= bindparam("observed"))

    return union_all(*map(of, range(len(CHILDREN))))


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
