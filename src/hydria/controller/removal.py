"""The removal of rows and ports of what no host has any more. The rows are what remembers the work until then."""

from functools import cache
from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import CompoundSelect, Select, bindparam, literal, select, union_all

from hydria.controller.ports import delete_ports
from hydria.model import LoadBalancer
from hydria.model.status import AmphoraHealth
from hydria.protocols import Networking
from hydria.store import Milestone, Transaction, columns
from hydria.store.numbers import Measured, forget_numbers
from hydria.store.resources import CHILDREN, Amphora, Health, Traffic, Wait
from hydria.store.revisions import Revision

log = structlog.get_logger(__name__)

# The amphora id of the counters of all amphorae that are gone.
NO_AMPHORA = ""


def forget_deleted(transaction: Transaction, load_balancer: LoadBalancer) -> None:
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


def remove_load_balancer(transaction: Transaction, networking: Networking, load_balancer: LoadBalancer) -> None:
    """Delete the rows and ports of a load balancer that no host has: they were what remembered the work."""
    if load_balancer.vip_port_owned:
        networking.delete_port(load_balancer.vip_port_id)
    else:
        networking.swap_security_groups(load_balancer.vip_port_id, load_balancer.vip_sg_ids, ())
        networking.bind_port(load_balancer.vip_port_id, None)
    for kind in (*CHILDREN, AmphoraHealth, Health, Traffic, Revision):
        transaction.delete(kind, columns(kind).load_balancer_id == load_balancer.id)
    forget_numbers(transaction, load_balancer.id)
    transaction.delete(Wait, columns(Wait).id == load_balancer.id)
    transaction.delete(LoadBalancer, columns(LoadBalancer).id == load_balancer.id)
    gone = Milestone(load_balancer_id=load_balancer.id, generation=load_balancer.generation, served=True)
    transaction.milestones.append(gone)
    log.info("load_balancer_deleted", load_balancer=load_balancer.id)


def forget_amphora(transaction: Transaction, networking: Networking, amphora: Amphora) -> None:
    """Delete the row and the ports of an amphora that its host has removed."""
    delete_ports(transaction, networking, amphora.id)
    _keep_traffic(transaction, amphora)
    transaction.delete(AmphoraHealth, columns(AmphoraHealth).amphora_id == amphora.id)
    transaction.delete(Measured, columns(Measured).amphora_id == amphora.id)
    transaction.delete(Amphora, columns(Amphora).id == amphora.id)


def _keep_traffic(transaction: Transaction, amphora: Amphora) -> None:
    """Add an amphora's counters to those of the load balancer's earlier amphorae, which Octavia keeps too."""
    c = columns(Traffic)
    gone = (c.amphora_id == NO_AMPHORA) & (c.load_balancer_id == amphora.load_balancer_id)
    past = {each.listener_id: each.counters for each in transaction.find(Traffic, gone)}
    for traffic in transaction.find(Traffic, c.amphora_id == amphora.id):
        before = past.get(traffic.listener_id)
        ended = structs.replace(traffic.counters, active_connections=0)
        kept = structs.replace(traffic, amphora_id=NO_AMPHORA, counters=ended if before is None else before.plus(ended))
        if before is None:
            transaction.insert(kept)
        else:
            transaction.update(kept)
    transaction.delete(Traffic, c.amphora_id == amphora.id)


@cache
def _deleted() -> CompoundSelect[Any]:
    """Find the children of a load balancer whose deletion is served: their place in `CHILDREN`, and their ids."""

    def of(number: int) -> Select[Any]:
        c = columns(CHILDREN[number])
        found = select(literal(number), c.id).where(c.load_balancer_id == bindparam("key"))
        return found.where(c.deleted_in <= bindparam("observed"))

    return union_all(*map(of, range(len(CHILDREN))))
