"""The desired state of a host: the orders that take it from what it holds to what its amphorae should be."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy import case, select

from hydria.contract import Holding, Instance, Orders, Reports
from hydria.controller.acme import challenges_of
from hydria.controller.health import is_silence
from hydria.controller.hosts import heard_from, made_topology
from hydria.controller.interfaces import interfaces
from hydria.controller.ports import ports_of
from hydria.controller.secrets import referred
from hydria.model import LoadBalancer
from hydria.protocols import Networking, Secrets, Topologies
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Orphan, flavor_data, tree, zone_data
from hydria.store.tables import rows_of


class Assigned(Struct, frozen=True):
    """An amphora of a host by the rows; `generation` is the one that it must serve, None if it need not serve."""

    amphora_id: str
    generation: int | None = None
    change_id: int = 0
    leaving: bool = False


class DesiredState:
    """Makes orders from the rows."""

    def __init__(
        self,
        networking_of: Callable[[Transaction], Networking],
        topologies_of: Callable[[Transaction], Topologies],
        secrets_of: Callable[[Transaction], Secrets],
    ) -> None:
        self._networking_of = networking_of
        self._secrets_of = secrets_of
        self._topologies_of = topologies_of

    def orders(self, transaction: Transaction, holding: Holding) -> Orders:
        """Return what a host must do; an amphora whose ports are not made yet is left out. Only reads."""
        serve, withdraw, describe = compare(holding, self._assigned(transaction, holding.host))
        instances = [self._instance(transaction, key) for key in serve]
        topologies = self._topologies_of(transaction)
        changed = _outdated(topologies, holding)
        return Orders(
            serve=tuple(instance for instance in instances if instance is not None),
            withdraw=tuple(withdraw),
            topology=topologies.topology() if changed else None,
            describe=tuple(describe),
        )

    def has_silence(self, transaction: Transaction, host: str) -> bool:
        """Return whether a load balancer of this host, which polls, still has the host's silence as its reason."""
        amphora, lb = columns(Amphora), columns(LoadBalancer)
        joined = rows_of(Amphora).table.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
        here = (amphora.host == host) & amphora.leaving.is_(False)
        statement = select(lb.id).select_from(joined).where(here, is_silence(lb.reason)).limit(1)
        return transaction.execute(statement).first() is not None

    def heard_from(self, transaction: Transaction, holding: Holding, now: datetime) -> None:
        """Store that a host polls."""
        if heard_from(transaction, holding, now):
            self._topologies_of(transaction).all_have_made(0)

    def wired(self, transaction: Transaction, reports: Reports, now: datetime) -> None:
        """Store which topology a host has made, and the reasons for networks that it could not make."""
        topologies = self._topologies_of(transaction)
        made_topology(transaction, topologies, reports, now)
        if reports.networks_down is not None:
            topologies.record_trouble(reports.host, reports.networks_down)

    def _assigned(self, transaction: Transaction, host: str) -> list[Assigned]:
        """Return the amphorae that the rows give a host, and the orphans that it is known to have."""
        amphora, lb = columns(Amphora), columns(LoadBalancer)
        joined = rows_of(Amphora).table.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
        wanted = case((lb.deleted_in.is_(None), lb.generation), else_=None)
        statement = select(amphora.id, wanted, lb.change_id, amphora.leaving).select_from(joined)
        found = [Assigned(*row) for row in transaction.execute(statement.where(amphora.host == host))]
        orphans = transaction.find(Orphan, columns(Orphan).host == host, columns(Orphan).kind == "amphora")
        return [*found, *(Assigned(each.id, leaving=each.leaving) for each in orphans)]

    def _instance(self, transaction: Transaction, key: str) -> Instance | None:
        amphora = transaction.get(Amphora, key)
        load_balancer = transaction.get(LoadBalancer, amphora.load_balancer_id) if amphora else None
        if amphora is None or load_balancer is None:
            return None
        whole = tree(transaction, load_balancer)
        attached = interfaces(self._networking_of(transaction), whole, ports_of(transaction, key))
        if attached is None:
            return None
        secrets, lost = referred(self._secrets_of(transaction), whole)
        # Hosts do not need the progress, and it would make equal instances differ.
        plain = structs.replace(load_balancer, observed=0, failed=0, reason=None)
        return Instance(
            amphora_id=key,
            generation=load_balancer.generation,
            tree=structs.replace(whole, load_balancer=plain),
            interfaces=attached,
            flavor=flavor_data(transaction, load_balancer.flavor_id),
            zone=zone_data(transaction, load_balancer.availability_zone),
            secrets=secrets,
            lost=lost,
            challenges=challenges_of(transaction, whole),
        )


def _outdated(topologies: Topologies, holding: Holding) -> bool:
    generation, change_id = topologies.version()
    return holding.topology != generation or holding.topology_change not in (None, change_id)


def compare(holding: Holding, assigned: Sequence[Assigned]) -> tuple[list[str], list[str], list[str]]:
    """Return the amphorae of a host that it must serve in a new generation, remove, and describe. Pure.

    Only a row removes an amphora. One without a row goes on serving: the database may be an older one, or empty.
    """
    known = {each.amphora_id for each in assigned}
    serve = [each.amphora_id for each in assigned if not each.leaving and not _is_held(holding, each)]
    leaving = [each.amphora_id for each in assigned if each.leaving]
    # An agent that sends no name is too old to describe anything.
    describe = [key for key in holding.amphorae if key not in known] if holding.name else []
    if describe:
        # One of these may belong to a load balancer for which a new amphora would be made otherwise.
        serve = [key for key in serve if key in holding.amphorae]
    return serve, [key for key in leaving if key not in holding.withdrawing], describe


def _is_held(holding: Holding, amphora: Assigned) -> bool:
    """Return whether a host holds this change: a restored database may count to the same generation again."""
    if amphora.generation is None:
        return True
    if holding.amphorae.get(amphora.amphora_id) != amphora.generation:
        return False
    return holding.change_ids is None or holding.change_ids.get(amphora.amphora_id) == amphora.change_id
