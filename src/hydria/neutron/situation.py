"""What the rows say of one load balancer and of the ports that it wants, read in one transaction."""

from msgspec import Struct
from sqlalchemy import or_, select, union

from hydria.model import LoadBalancer, Tree
from hydria.neutron.rows import Applied, KnownSubnet, PortCreation, WantedPort
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Wait, tree
from hydria.store.tables import rows_of


class Situation(Struct, frozen=True, kw_only=True):
    """One load balancer. `tree` is None when it is deleted or gone; `gone` are the ports that nobody wants any more.

    `wait` is why the last attempt failed.
    """

    load_balancer_id: str
    tree: Tree | None
    applied: Applied | None
    ports: tuple[WantedPort, ...] = ()
    gone: tuple[WantedPort, ...] = ()
    subnets: dict[str, KnownSubnet] = {}
    wait: Wait | None = None

    @property
    def missing(self) -> tuple[WantedPort, ...]:
        """The ports of amphorae that are to be made."""
        return tuple(each for each in self.ports if each.port_id is None and each.kind != "vip")


def due(transaction: Transaction) -> list[str]:
    """Return the ids of the load balancers for which there is something to do."""
    lb, port, applied = columns(LoadBalancer), columns(WantedPort), columns(Applied)
    amphora = columns(Amphora)
    there = select(amphora.id).where(amphora.id == port.device_id).exists()
    unmade = (port.port_id.is_(None) & (port.kind != "vip")) | port.leaving | ((port.kind != "vip") & ~there)
    ports = select(port.load_balancer_id).where(unmade)
    leaving = select(applied.id).where(applied.leaving)
    outer = rows_of(LoadBalancer).table.outerjoin(rows_of(Applied).table, applied.id == lb.id)
    behind = or_(applied.id.is_(None), applied.group_id.is_(None), applied.generation < lb.generation)
    changed = select(lb.id).select_from(outer).where(lb.deleted_in.is_(None), behind)
    return sorted(key for (key,) in transaction.execute(union(ports, leaving, changed)))


def read(transaction: Transaction, load_balancer_id: str) -> Situation:
    """Return the situation of one load balancer."""
    load_balancer = transaction.get(LoadBalancer, load_balancer_id)
    alive = load_balancer is not None and load_balancer.deleted_in is None
    c = columns(WantedPort)
    ports = transaction.find(WantedPort, c.load_balancer_id == load_balancer_id, order_by=(c.id,))
    amphorae = {each.id for each in transaction.find(Amphora, columns(Amphora).load_balancer_id == load_balancer_id)}
    gone = [each for each in ports if each.leaving or (each.kind != "vip" and each.device_id not in amphorae)]
    kept = [each for each in ports if each not in gone]
    subnets = {key for each in kept for key in (each.subnet_id, *(subnet for subnet, _ in each.fixed_ips))}
    return Situation(
        load_balancer_id=load_balancer_id,
        tree=tree(transaction, load_balancer) if alive and load_balancer is not None else None,
        applied=transaction.get(Applied, load_balancer_id),
        ports=tuple(kept),
        gone=tuple(gone),
        subnets={each.id: each for each in transaction.among(KnownSubnet, sorted(subnets))},
        wait=transaction.get(Wait, load_balancer_id),
    )


def sweepable(transaction: Transaction, before: int) -> list[PortCreation]:
    """Return the creations that began before a time (seconds since the epoch) and have no load balancer."""
    return transaction.find(PortCreation, columns(PortCreation).created_at < before)
