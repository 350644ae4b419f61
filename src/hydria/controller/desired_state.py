"""The desired state of a host: the orders that take it from what it holds to what its amphorae should be."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import CompoundSelect, bindparam, case, select, union

from hydria.contract import Holding, Instance, Orders, Reports, Sibling, Vrrp
from hydria.controller.acme import challenges_of
from hydria.controller.health import is_silence
from hydria.controller.hosts import heard_from, made_topology, reach_of
from hydria.controller.interfaces import interfaces, vips
from hydria.controller.ports import ports_of
from hydria.controller.secrets import referred
from hydria.model import LoadBalancer
from hydria.model.status import AmphoraHealth
from hydria.protocols import Networking, Secrets, Topologies
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Orphan, Replacing, flavor_data, tree, zone_data
from hydria.store.tables import rows_of

# How many instances a host is sent at a time: after a reboot of a host with a thousand the first ones serve soon.
AT_ONCE = 50
# The steps of a replacement in which an amphora's connections are with it and new ones with others.
_GIVING: tuple[Replacing, ...] = ("handing_over", "draining")


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
        *,
        interval: float = 0.1,
        ticket_keys: Callable[[str, str], tuple[str, ...]] = lambda _, __: (),
    ) -> None:
        """`interval` is the time between VRRP advertisements in seconds. `ticket_keys` returns the keys of TLS session
        tickets of a load balancer, by its id and its `ticket_day`.
        """
        self._networking_of = networking_of
        self._secrets_of = secrets_of
        self._topologies_of = topologies_of
        self._interval = interval
        self._ticket_keys = ticket_keys

    def orders(self, transaction: Transaction, holding: Holding) -> Orders:
        """Return what a host must do, for some amphorae at a time: it polls again. Only reads.

        An amphora whose ports are not made yet is left out. What the host does not have comes first, then the order in
        which it names what it has.
        """
        serve, withdraw, describe = compare(holding, self._assigned(transaction, holding.host))
        instances = (self._instance(transaction, key) for key in serve)
        ready = islice((instance for instance in instances if instance is not None), AT_ONCE)
        topologies = self._topologies_of(transaction)
        changed = _outdated(topologies, holding)
        return Orders(
            serve=tuple(ready),
            withdraw=tuple(withdraw),
            topology=topologies.topology(reach_of(transaction, holding.host)) if changed else None,
            describe=tuple(describe),
        )

    def in_doubt(self, transaction: Transaction, host: str) -> bool:
        """Return whether the server takes something of a host, which polls, for silent or for unreachable."""
        return transaction.execute(_in_doubt(), {"host": host}).first() is not None

    def heard_from(self, transaction: Transaction, holding: Holding, now: datetime) -> None:
        """Store that a host polls."""
        known = heard_from(transaction, holding, now)
        before = frozenset() if known is None else frozenset(known.facts.physical_networks)
        topologies = self._topologies_of(transaction)
        topologies.connected(before ^ frozenset(holding.facts.physical_networks))
        if known is None:
            topologies.all_have_made(0)

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
        networking = self._networking_of(transaction)
        if amphora.base_port_id is None and networking.binds_ports():
            # The VIP's port is bound to no host.
            return None
        attached = interfaces(networking, whole, ports_of(transaction, key), amphora.base_port_id)
        if attached is None or not networking.lets_through(whole):
            return None
        secrets, lost = referred(self._secrets_of(transaction), whole)
        # Hosts do not need the progress, and it would make equal instances differ.
        plain = structs.replace(load_balancer, observed=0, failed=0, reason=None)
        instance = Instance(
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
        if amphora.base_port_id is None:
            return instance
        c = columns(Amphora)
        others = transaction.find(Amphora, c.load_balancer_id == load_balancer.id, c.id != key, c.leaving.is_(False))
        return self._with_others(networking, instance, amphora, others)

    def _with_others(
        self, networking: Networking, instance: Instance, amphora: Amphora, others: Sequence[Amphora]
    ) -> Instance:
        """Return the instance with the VIPs, and with what the other amphorae of the load balancer mean to it."""
        load_balancer = instance.tree.load_balancer
        based = sorted((each for each in others if each.base_port_id is not None), key=lambda each: each.id)
        paired, day = amphora.priority is not None, load_balancer.ticket_day
        giving = [each for each in based if each.replacing in _GIVING]
        # Both of a pair may have them, and only one is asked, so that a pair names nobody.
        taking = [each for each in based if not each.replacing] if amphora.replacing in _GIVING and not paired else []
        shared = networking.binds_ports() or networking.physical_network(load_balancer.vip_network_id) is not None
        return structs.replace(
            instance,
            vips=vips(load_balancer),
            duty=amphora.duty,
            vrrp=None if amphora.priority is None or amphora.duty == "draining" else self._vrrp(amphora.priority),
            siblings=tuple(map(_sibling, based)) if paired else (),
            hand_over=() if amphora.replacing else tuple(map(_sibling, giving)),
            successors=tuple(map(_sibling, taking)),
            # In a network of this machine only, nobody else can have an address: ports send from their own.
            probe=shared or any(each.replacing == "lost" for each in others),
            ticket_keys=self._ticket_keys(load_balancer.id, day) if paired and day else (),
        )

    def _vrrp(self, priority: int) -> Vrrp:
        return Vrrp(router_id=1, priority=priority, interval=self._interval)


@cache
def _in_doubt() -> CompoundSelect[Any]:
    """Return the statement: it begins at all that are taken for silent or unreachable, which are few."""
    amphora, lb, health = columns(Amphora), columns(LoadBalancer), columns(AmphoraHealth)
    amphorae = rows_of(Amphora).table
    of_silent = amphorae.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
    of_unreachable = amphorae.join(rows_of(AmphoraHealth).table, health.amphora_id == amphora.id)
    here = (amphora.host == bindparam("host")) & amphora.leaving.is_(False)
    return union(
        select(amphora.id).select_from(of_silent).where(lb.reason.is_not(None), is_silence(lb.reason), here),
        select(amphora.id).select_from(of_unreachable).where(health.reachable.is_(False), here),
    )


def _sibling(amphora: Amphora) -> Sibling:
    return Sibling(amphora_id=amphora.id, mac=amphora.base_mac, addresses=amphora.base_addresses)


def _outdated(topologies: Topologies, holding: Holding) -> bool:
    generation, change_id = topologies.version()
    return holding.topology != generation or holding.topology_change not in (None, change_id)


def compare(holding: Holding, assigned: Sequence[Assigned]) -> tuple[list[str], list[str], list[str]]:
    """Return the amphorae of a host that it must serve in a new generation, remove, and describe. Pure.

    Only a row removes an amphora. One without a row goes on serving: the database may be an older one, or empty.
    """
    known = {each.amphora_id for each in assigned}
    named = {key: place for place, key in enumerate(holding.amphorae)}
    serve = [each.amphora_id for each in assigned if not each.leaving and not _is_held(holding, each)]
    leaving = [each.amphora_id for each in assigned if each.leaving]
    # An agent that sends no name is too old to describe anything.
    describe = [key for key in holding.amphorae if key not in known] if holding.name else []
    if describe:
        # One of these may belong to a load balancer for which a new amphora would be made otherwise.
        serve = [key for key in serve if key in holding.amphorae]
    serve.sort(key=lambda key: named.get(key, -1))
    return serve, [key for key in leaving if key not in holding.withdrawing], describe


def _is_held(holding: Holding, amphora: Assigned) -> bool:
    """Return whether a host holds this change: a restored database may count to the same generation again."""
    if amphora.generation is None:
        return True
    if holding.amphorae.get(amphora.amphora_id) != amphora.generation:
        return False
    return holding.change_ids is None or holding.change_ids.get(amphora.amphora_id) == amphora.change_id
