"""Reconcile one load balancer: take its id, read the rest, bring the rows nearer to the end. May run at any time."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import CompoundSelect, and_, bindparam, func, not_, or_, select, union, update

from hydria.controller.legs import release
from hydria.model import LoadBalancer
from hydria.model.base import stamp
from hydria.ports import Networking
from hydria.store import Milestone, Transaction, columns
from hydria.store.resources import CHILDREN, Amphora, Health, KnownHost, Traffic, tree
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# A host that has not asked for work for so long gets no new amphorae, and what waits for it fails (seconds).
HOST_SILENCE = 90

# Whose counters are those of amphorae that are gone.
NO_AMPHORA = ""

# How long a new load balancer waits for a first host before it fails (seconds).
PATIENCE = 30


class Reconciler:
    """Brings load balancers nearer to what is wanted of them."""

    def __init__(self, networking_of: Callable[[Transaction], Networking]) -> None:
        self._networking_of = networking_of

    def due(self, transaction: Transaction, now: datetime) -> list[str]:
        """Return the ids of load balancers that no report will bring forward.

        Those are the ones that no host serves or will serve, that must go and no host knows, and that wait for a
        host which is silent.
        """
        found = transaction.execute(_due(), {"heard_since": _heard_since(now)})
        return [key for (key,) in found]

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
        table = rows_of(LoadBalancer).table
        counted = update(table).where(touched, lb.deleted_in.is_(None)).values(generation=lb.generation + 1)
        if transaction.execute(counted).rowcount:
            transaction.hint("instances")
        networking.forget_altered_ports()

    def reconcile(self, transaction: Transaction, key: str, now: datetime) -> None:
        """Place, settle or clear away one load balancer."""
        load_balancer = transaction.get(LoadBalancer, key)
        if load_balancer is None:
            return
        amphorae = transaction.find(Amphora, columns(Amphora).load_balancer_id == key)
        if load_balancer.deleted_in is not None:
            self._clear_away(transaction, load_balancer, amphorae)
        else:
            self._keep(transaction, load_balancer, amphorae, now)
        if amphorae:
            self._miss_hosts(transaction, key, amphorae, now)

    def _keep(
        self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora], now: datetime
    ) -> None:
        """See to it that there is an amphora that stays, and settle what it serves.

        One that leaves is waited for: the VIP's port is one leg, which is never in two namespaces. On a silent host
        it is gone, as far as anybody can say.
        """
        staying = [amphora for amphora in amphorae if not amphora.leaving]
        if staying:
            self._settle(transaction, load_balancer, staying)
        elif all(self._silent(transaction, amphora, now) for amphora in amphorae):
            self._place(transaction, load_balancer, now)
        else:
            judged = _judged(load_balancer, amphorae)
            if judged != load_balancer:
                transaction.update(judged)

    def _place(self, transaction: Transaction, load_balancer: LoadBalancer, now: datetime) -> None:
        refusal = self._networking_of(transaction).refuses_vip(load_balancer.vip_network_id)
        if refusal is not None:
            fail(transaction, load_balancer, refusal)
            return
        host = _least_loaded(transaction, now)
        if host is None:
            if datetime.fromisoformat(load_balancer.created_at + "Z") < now - timedelta(seconds=PATIENCE):
                fail(transaction, load_balancer, "No host asks for work. Start an agent: hydria up, or hydria agent.")
            return
        amphora = Amphora(id=str(uuid.uuid4()), load_balancer_id=load_balancer.id, host=host, created_at=stamp(now))
        transaction.insert(amphora)
        if load_balancer.reason is not None:
            transaction.update(structs.replace(load_balancer, reason=None, failed=0))
        transaction.hint("instances")
        log.info("amphora_placed", load_balancer=load_balancer.id, amphora=amphora.id, host=host)

    def _settle(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> None:
        # A generation that was never asked for comes from a host that outlived a database put back from a backup.
        served = min(each.served if each.served <= load_balancer.generation else 0 for each in amphorae)
        observed = max(load_balancer.observed, served)
        settled = _judged(structs.replace(load_balancer, observed=observed), amphorae)
        if settled == load_balancer:
            return
        transaction.update(settled)
        if observed > load_balancer.observed:
            transaction.milestones.append(Milestone(load_balancer_id=settled.id, generation=observed, served=True))
            self._forget_deleted(transaction, settled)
            # A newer generation may need a port again: its order made it sure.
            if observed == load_balancer.generation:
                for amphora in amphorae:
                    release(self._networking_of(transaction), amphora, tree(transaction, settled))
            log.info("load_balancer_settled", load_balancer=load_balancer.id, generation=observed)

    def _miss_hosts(self, transaction: Transaction, key: str, amphorae: list[Amphora], now: datetime) -> None:
        """Say so when what is asked waits for a host that does not ask for work."""
        load_balancer = transaction.get(LoadBalancer, key)
        if load_balancer is None or load_balancer.observed >= load_balancer.generation:
            return
        for amphora in amphorae:
            # Nothing but the load balancer's end waits for those that leave.
            waited_for = not amphora.leaving or load_balancer.deleted_in is not None
            if waited_for and self._silent(transaction, amphora, now):
                fail(transaction, load_balancer, f"Host {amphora.host} does not ask for work. Is its agent running?")

    def _silent(self, transaction: Transaction, amphora: Amphora, now: datetime) -> bool:
        host = transaction.get(KnownHost, amphora.host, column="name")
        return host is not None and host.seen_at < _heard_since(now)

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

    def _clear_away(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> None:
        """Have the amphorae removed from their hosts; rows and ports go last, being what remembers the work."""
        for amphora in amphorae:
            if not amphora.leaving:
                # A failure to serve is none to leave.
                transaction.update(structs.replace(amphora, leaving=True, reason=None))
                transaction.hint("instances")
        if amphorae:
            judged = _judged(load_balancer, [amphora for amphora in amphorae if amphora.leaving])
            if judged != load_balancer:
                transaction.update(judged)
            return
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
    # Whatever takes an amphora away is a change, so that what is settled needs no look.
    unsettled = lb.observed < lb.generation
    alone = select(lb.id).where(unsettled, or_(and_(not_(going), not_(stays)), and_(going, or_(not_(served), stays))))
    # From the hosts on, of which few are silent.
    hosted = rows_of(KnownHost).table.join(rows_of(Amphora).table, amphora.host == host.name)
    waiting = (
        select(lb.id)
        .select_from(hosted.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id))
        .where(host.seen_at < bindparam("heard_since"), unsettled, lb.failed < lb.generation)
    )
    return union(alone, waiting)


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


def _heard_since(now: datetime) -> int:
    return int(now.timestamp()) - HOST_SILENCE


def fail(transaction: Transaction, load_balancer: LoadBalancer, reason: str) -> None:
    """Say why the newest generation cannot be served."""
    failed = structs.replace(load_balancer, reason=reason, failed=load_balancer.generation)
    if failed != load_balancer:
        transaction.update(failed)
        log.warning("load_balancer_failed", load_balancer=load_balancer.id, reason=reason)


def _least_loaded(transaction: Transaction, now: datetime) -> str | None:
    """Return the host with the fewest amphorae of those that ask for work."""
    host, amphora = columns(KnownHost), columns(Amphora)
    statement = (
        select(host.name)
        .select_from(rows_of(KnownHost).table.outerjoin(rows_of(Amphora).table, amphora.host == host.name))
        .where(host.seen_at >= _heard_since(now))
        .group_by(host.name)
        .order_by(func.count(amphora.id), host.name)
        .limit(1)
    )
    row = transaction.execute(statement).first()
    return None if row is None else str(row[0])
