"""Reconcile one load balancer: take its id, read the rest, bring the rows nearer to the end. May run at any time."""

import uuid
from collections.abc import Callable
from datetime import datetime

import structlog
from msgspec import structs
from sqlalchemy import func, or_, select

from hydria.controller.legs import release
from hydria.model import LoadBalancer
from hydria.model.base import stamp
from hydria.ports import Networking
from hydria.store import Transaction, columns
from hydria.store.resources import CHILDREN, Amphora, Health, KnownHost, Traffic, tree
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# A host that has not asked for work for so long gets no new amphorae.
HOST_SILENCE = 90


class Reconciler:
    """Brings load balancers nearer to what is wanted of them."""

    def __init__(self, networking_of: Callable[[Transaction], Networking]) -> None:
        self._networking_of = networking_of

    def due(self, transaction: Transaction) -> list[str]:
        """Return the ids of load balancers that no host has been told of, or that must go and no host knows."""
        lb, amphora = columns(LoadBalancer), columns(Amphora)
        joined = rows_of(LoadBalancer).table.outerjoin(rows_of(Amphora).table, amphora.load_balancer_id == lb.id)
        leaving = lb.deleted_in.is_not(None) & amphora.leaving.is_(False)
        statement = select(lb.id).select_from(joined).where(or_(amphora.id.is_(None), leaving)).distinct()
        return [key for (key,) in transaction.execute(statement)]

    def reconcile(self, transaction: Transaction, key: str, now: datetime) -> None:
        """Place, settle or clear away one load balancer."""
        load_balancer = transaction.get(LoadBalancer, key)
        if load_balancer is None:
            return
        amphorae = transaction.find(Amphora, columns(Amphora).load_balancer_id == key)
        if load_balancer.deleted_in is not None:
            self._clear_away(transaction, load_balancer, amphorae)
        elif not amphorae:
            self._place(transaction, load_balancer, now)
        else:
            self._settle(transaction, load_balancer, amphorae)

    def _place(self, transaction: Transaction, load_balancer: LoadBalancer, now: datetime) -> None:
        refusal = self._networking_of(transaction).refuses_vip(load_balancer.vip_network_id)
        if refusal is not None:
            fail(transaction, load_balancer, refusal)
            return
        host = _least_loaded(transaction, now)
        if host is None:
            return
        amphora = Amphora(id=str(uuid.uuid4()), load_balancer_id=load_balancer.id, host=host, created_at=stamp(now))
        transaction.insert(amphora)
        if load_balancer.reason is not None:
            transaction.update(structs.replace(load_balancer, reason=None, failed=0))
        transaction.hint("instances")
        log.info("amphora_placed", load_balancer=load_balancer.id, amphora=amphora.id, host=host)

    def _settle(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> None:
        observed = max(load_balancer.observed, min(amphora.served for amphora in amphorae))
        failing = next((amphora for amphora in amphorae if amphora.reason is not None), None)
        settled = structs.replace(load_balancer, observed=observed)
        if failing is not None:
            settled = structs.replace(settled, reason=failing.reason, failed=failing.attempted)
        elif observed >= load_balancer.failed:
            settled = structs.replace(settled, reason=None, failed=0)
        if settled == load_balancer:
            return
        transaction.update(settled)
        if observed > load_balancer.observed:
            self._forget_deleted(transaction, settled, amphorae)
            log.info("load_balancer_settled", load_balancer=load_balancer.id, generation=observed)

    def _forget_deleted(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> None:
        """Remove the rows of children that no host serves any more, and the ports only they needed."""
        gone: list[str] = []
        for kind in CHILDREN:
            c = columns(kind)
            condition = (c.load_balancer_id == load_balancer.id) & (c.deleted_in <= load_balancer.observed)
            table = rows_of(kind).table
            gone += [key for (key,) in transaction.execute(table.delete().where(condition).returning(c.id))]
        if not gone:
            return
        transaction.delete(Health, columns(Health).id.in_(gone))
        transaction.delete(Traffic, columns(Traffic).listener_id.in_(gone))
        networking, whole = self._networking_of(transaction), tree(transaction, load_balancer)
        # A newer generation may need a port again: its order made it sure.
        if load_balancer.observed == load_balancer.generation:
            for amphora in amphorae:
                release(networking, amphora, whole)

    def _clear_away(self, transaction: Transaction, load_balancer: LoadBalancer, amphorae: list[Amphora]) -> None:
        """Have the amphorae removed from their hosts; rows and ports go last, being what remembers the work."""
        if amphorae:
            for amphora in amphorae:
                if not amphora.leaving:
                    transaction.update(structs.replace(amphora, leaving=True))
                    transaction.hint("instances")
            return
        networking = self._networking_of(transaction)
        if load_balancer.vip_port_owned:
            networking.delete_port(load_balancer.vip_port_id)
        else:
            networking.bind_port(load_balancer.vip_port_id, None)
        for kind in (*CHILDREN, Health, Traffic):
            transaction.delete(kind, columns(kind).load_balancer_id == load_balancer.id)
        transaction.delete(LoadBalancer, columns(LoadBalancer).id == load_balancer.id)
        log.info("load_balancer_deleted", load_balancer=load_balancer.id)

    def forget_amphora(self, transaction: Transaction, amphora: Amphora) -> None:
        """Remove an amphora's row and ports: nothing of it is left on its host."""
        release(self._networking_of(transaction), amphora, None)
        transaction.delete(Traffic, columns(Traffic).amphora_id == amphora.id)
        transaction.delete(Amphora, columns(Amphora).id == amphora.id)


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
        .where(host.seen_at >= int(now.timestamp()) - HOST_SILENCE)
        .group_by(host.name)
        .order_by(func.count(amphora.id), host.name)
        .limit(1)
    )
    row = transaction.execute(statement).first()
    return None if row is None else str(row[0])
