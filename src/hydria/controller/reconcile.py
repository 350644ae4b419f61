"""Reconcile load balancers: take their ids, read the rest, bring the rows nearer to the end. May run at any time."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import CompoundSelect, and_, bindparam, not_, or_, select, union

from hydria.controller.health import is_silence, silence, write_health
from hydria.controller.interfaces import release
from hydria.controller.placement import HOST_SILENCE, Placement, heard_since
from hydria.model import LoadBalancer
from hydria.model.status import unknown_statuses
from hydria.protocols import Networking
from hydria.store import Milestone, Transaction, columns
from hydria.store.generations import bump_where
from hydria.store.resources import CHILDREN, Amphora, Health, KnownHost, Traffic, tree
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# Whose counters are those of amphorae that are gone.
NO_AMPHORA = ""

# How long a new load balancer waits for a first host before it fails (seconds).
PATIENCE = 30
_HOMELESS = "No host asks for work. Start an agent: hydria up, or hydria agent."


class Reconciler:
    """Brings load balancers nearer to what is wanted of them."""

    def __init__(self, networking_of: Callable[[Transaction], Networking], awake_since: datetime | None = None) -> None:
        """`awake_since` is when this server began: before, it could hear no host."""
        self._networking_of = networking_of
        self._awake_since = awake_since

    def due(self, transaction: Transaction, now: datetime) -> list[str]:
        """Return the ids of load balancers that no report will bring forward.

        Those are the ones that no host serves or will serve, that must go and no host knows, and whose host is silent.
        """
        found = transaction.execute(_due(), {"heard_since": heard_since(now) if self._hears(now) else 0})
        return [key for (key,) in found]

    def _hears(self, now: datetime) -> bool:
        """Say whether this server has been there for so long that a host's silence is the host's."""
        return self._awake_since is None or self._awake_since <= now - timedelta(seconds=HOST_SILENCE)

    def networks_changed(self, transaction: Transaction) -> bool:
        """Say whether legs are not any more as hosts were told. Only reads."""
        return bool(self._networking_of(transaction).altered_ports())

    def follow_networks(self, transaction: Transaction) -> None:
        """Count a change of the network service as one of each load balancer whose legs it changed."""
        networking = self._networking_of(transaction)
        ports = networking.altered_ports()
        lb, amphora = columns(LoadBalancer), columns(Amphora)
        users = select(amphora.load_balancer_id).where(amphora.id.in_([port.device_id for port in ports]))
        touched = lb.vip_port_id.in_([port.id for port in ports]) | lb.id.in_(users)
        bump_where(transaction, touched)
        networking.forget_altered_ports()

    def reconcile(self, transaction: Transaction, keys: Sequence[str], now: datetime) -> None:
        """Place, settle or clear away load balancers."""
        found = transaction.among(LoadBalancer, keys)
        of: dict[str, list[Amphora]] = defaultdict(list)
        for amphora in transaction.among(Amphora, keys, column="load_balancer_id"):
            of[amphora.load_balancer_id].append(amphora)
        placement = Placement(transaction, self._networking_of(transaction), now)
        for load_balancer in found:
            amphorae = of[load_balancer.id]
            if load_balancer.deleted_in is not None:
                after = self._clear_away(transaction, load_balancer, amphorae)
            else:
                after = self._keep(transaction, load_balancer, amphorae, placement, now)
            if self._hears(now):
                self._miss_hosts(transaction, after, amphorae, placement)
        placement.save()

    def _keep(
        self,
        transaction: Transaction,
        load_balancer: LoadBalancer,
        amphorae: list[Amphora],
        placement: Placement,
        now: datetime,
    ) -> LoadBalancer:
        """See to it that there is an amphora that stays, and settle what it serves; return the load balancer after it.

        One that leaves is waited for: the VIP's port is one leg, which is never in two namespaces. On a silent host
        it is gone, as far as anybody can say.
        """
        staying = [amphora for amphora in amphorae if not amphora.leaving]
        if staying:
            return self._settle(transaction, load_balancer, staying)
        if all(placement.silent(amphora.host) for amphora in amphorae):
            return self._place(transaction, load_balancer, placement, now)
        return _written(transaction, load_balancer, _judged(load_balancer, amphorae))

    def _place(
        self, transaction: Transaction, load_balancer: LoadBalancer, placement: Placement, now: datetime
    ) -> LoadBalancer:
        refusal = placement.refusal(load_balancer.vip_network_id)
        if refusal is not None:
            return fail(transaction, load_balancer, refusal)
        if placement.place(load_balancer):
            return _written(transaction, load_balancer, structs.replace(load_balancer, reason=None, failed=0))
        if datetime.fromisoformat(load_balancer.created_at + "Z") < now - timedelta(seconds=PATIENCE):
            return fail(transaction, load_balancer, _HOMELESS)
        return load_balancer

    def _settle(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> LoadBalancer:
        served = min(_confirmed(load_balancer, each) for each in amphorae)
        observed = max(load_balancer.observed, served)
        settled = _judged(structs.replace(load_balancer, observed=observed), amphorae)
        _written(transaction, load_balancer, settled)
        if observed > load_balancer.observed:
            transaction.milestones.append(Milestone(load_balancer_id=settled.id, generation=observed, served=True))
            self._forget_deleted(transaction, settled)
            # A newer generation may need a port again: its order made it sure.
            if observed == load_balancer.generation:
                for amphora in amphorae:
                    release(self._networking_of(transaction), amphora, tree(transaction, settled))
            log.info("load_balancer_settled", load_balancer=load_balancer.id, generation=observed)
        return settled

    def _miss_hosts(
        self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora], placement: Placement
    ) -> None:
        """Report hosts that do not ask for work: nothing is known of what they serve, and nothing new is served."""
        for amphora in amphorae:
            # Nothing but the load balancer's end waits for those that leave.
            concerned = not amphora.leaving or load_balancer.deleted_in is not None
            if concerned and placement.silent(amphora.host):
                if load_balancer.observed < load_balancer.generation:
                    fail(transaction, load_balancer, silence(placement.name(amphora.host)))
                else:
                    # What was asked for is served, as far as anybody knows.
                    doubted = structs.replace(load_balancer, reason=silence(placement.name(amphora.host)))
                    _written(transaction, load_balancer, doubted)
                if load_balancer.deleted_in is None:
                    write_health(transaction, load_balancer.id, unknown_statuses(tree(transaction, load_balancer)))

    def _forget_deleted(self, transaction: Transaction, load_balancer: LoadBalancer) -> None:
        """Remove the rows of children that no host serves any more."""
        gone: list[str] = []
        for kind in CHILDREN:
            c = columns(kind)
            condition = (c.load_balancer_id == load_balancer.id) & (c.deleted_in <= load_balancer.observed)
            table = rows_of(kind).table
            gone += [key for (key,) in transaction.execute(table.delete().where(condition).returning(c.id))]
        if gone:
            transaction.delete(Health, columns(Health).id.in_(gone))
            transaction.delete(Traffic, columns(Traffic).listener_id.in_(gone))

    def _clear_away(
        self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]
    ) -> LoadBalancer:
        """Have the amphorae removed from their hosts; rows and ports go last, being what remembers the work.

        Returns the load balancer after it, or as it last was.
        """
        for amphora in amphorae:
            if not amphora.leaving:
                # A failure to serve is none to leave.
                transaction.update(structs.replace(amphora, leaving=True, reason=None))
                transaction.hint("instances")
        if amphorae:
            judged = _judged(load_balancer, [amphora for amphora in amphorae if amphora.leaving])
            return _written(transaction, load_balancer, judged)
        networking = self._networking_of(transaction)
        if load_balancer.vip_port_owned:
            networking.delete_port(load_balancer.vip_port_id)
        else:
            networking.swap_security_groups(load_balancer.vip_port_id, load_balancer.vip_sg_ids, ())
            networking.bind_port(load_balancer.vip_port_id, None)
        for kind in (*CHILDREN, Health, Traffic):
            transaction.delete(kind, columns(kind).load_balancer_id == load_balancer.id)
        transaction.delete(LoadBalancer, columns(LoadBalancer).id == load_balancer.id)
        gone = Milestone(load_balancer_id=load_balancer.id, generation=load_balancer.generation, served=True)
        transaction.milestones.append(gone)
        log.info("load_balancer_deleted", load_balancer=load_balancer.id)
        return load_balancer

    def forget_amphora(self, transaction: Transaction, amphora: Amphora) -> None:
        """Remove an amphora's row and ports: nothing of it is left on its host."""
        release(self._networking_of(transaction), amphora, None)
        self._keep_traffic(transaction, amphora)
        transaction.delete(Amphora, columns(Amphora).id == amphora.id)

    def _keep_traffic(self, transaction: Transaction, amphora: Amphora) -> None:
        """Add what an amphora counted to what its load balancer's earlier ones did: Octavia's counters stay, too."""
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


@cache
def _due() -> CompoundSelect[Any]:
    lb, amphora, host = columns(LoadBalancer), columns(Amphora), columns(KnownHost)
    mine = select(amphora.id).where(amphora.load_balancer_id == lb.id)
    served, stays, going = mine.exists(), mine.where(amphora.leaving.is_(False)).exists(), lb.deleted_in.is_not(None)
    # Whatever takes an amphora away is a change, so that what is settled has one.
    unsettled = lb.observed < lb.generation
    alone = select(lb.id).where(unsettled, or_(and_(not_(going), not_(stays)), and_(going, or_(not_(served), stays))))
    # From the hosts on, of which few are silent.
    hosted = rows_of(KnownHost).table.join(rows_of(Amphora).table, amphora.host == host.id)
    waiting = (
        select(lb.id)
        .select_from(hosted.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id))
        .where(host.seen_at < bindparam("heard_since"), or_(amphora.leaving.is_(False), going))
        .where(or_(and_(unsettled, lb.failed < lb.generation), lb.reason.is_(None), not_(is_silence(lb.reason))))
    )
    return union(alone, waiting)


def _confirmed(load_balancer: LoadBalancer, amphora: Amphora) -> int:
    """Return the generation that an amphora serves, 0 for one that this database never asked for.

    Such a one comes from a host that served it before the database was restored from a backup.
    """
    newest = amphora.served == load_balancer.generation
    foreign = newest and amphora.change_id not in (None, load_balancer.change_id)
    return 0 if foreign or amphora.served > load_balancer.generation else amphora.served


def _judged(load_balancer: LoadBalancer, amphorae: list[Amphora]) -> LoadBalancer:
    """Return the load balancer with what its hosts say of their failures."""
    failing = next((amphora for amphora in amphorae if amphora.reason is not None), None)
    if failing is not None:
        # One that leaves fails at the newest generation, which is the deletion.
        failed = load_balancer.generation if failing.leaving else min(failing.attempted, load_balancer.generation)
        return structs.replace(load_balancer, reason=failing.reason, failed=failed)
    if load_balancer.observed >= load_balancer.failed:
        return structs.replace(load_balancer, reason=None, failed=0)
    return load_balancer


def _written(transaction: Transaction, before: LoadBalancer, after: LoadBalancer) -> LoadBalancer:
    """Write a load balancer if it has changed; returns it as it is now."""
    if after != before:
        transaction.update(after)
    return after


def fail(transaction: Transaction, load_balancer: LoadBalancer, reason: str) -> LoadBalancer:
    """Say why the newest generation cannot be served; returns the load balancer that says so."""
    failed = structs.replace(load_balancer, reason=reason, failed=load_balancer.generation)
    if failed != load_balancer:
        transaction.update(failed)
        log.warning("load_balancer_failed", load_balancer=load_balancer.id, reason=reason)
    return failed
