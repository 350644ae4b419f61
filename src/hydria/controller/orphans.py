"""Orphans: amphorae, networks and routers that hosts have and this database does not know.

They come from a database that was restored from a backup, is empty or another one, and from a host that lost its id.
An operator adopts or removes them. Nothing removes them automatically.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from msgspec import Struct, structs
from sqlalchemy import update

from hydria.contract import Instance, Interface, Network, Reports, Router, Topology
from hydria.controller.interfaces import extra_subnets
from hydria.controller.ports import base_port_columns, base_port_name
from hydria.errors import Conflict, NotFound, Refusal
from hydria.model import LoadBalancer
from hydria.model.flavor import Flavor
from hydria.model.network import PORT_OWNER, Device
from hydria.model.status import AmphoraHealth
from hydria.protocols import Networking, Topologies
from hydria.store import Transaction, columns
from hydria.store.generations import begin, bump, new_change_id
from hydria.store.resources import Amphora, AmphoraPort, KnownHost, Orphan, Traffic
from hydria.store.tables import rows_of
from hydria.times import stamp

log = structlog.get_logger(__name__)

_ADOPTED = "adopted from a host"

_NOTHING_IS_KNOWN = "The host does not remember what it serves there. Remove it: hydria orphan remove"


class Outside(Struct, frozen=True, kw_only=True):
    """The services that adopting needs, as functions of a transaction."""

    networking_of: Callable[[Transaction], Networking]
    topologies_of: Callable[[Transaction], Topologies]
    # Makes a project of this id if there is none.
    restore_project: Callable[[Transaction, str], None]


class Orphans:
    """Stores the orphans that hosts describe, and adopts or removes them for an operator."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def take(self, transaction: Transaction, reports: Reports, now: datetime) -> None:
        """Store what a host describes.

        An amphora of a known load balancer that has no other amphora there is recognised as its own: the backup is from
        before a failover.
        """
        for description in reports.described:
            if not self._recognise(transaction, reports, description.instance, now):
                data = None if description.instance is None else msgspec.to_builtins(description.instance)
                self._add(transaction, reports.host, ("amphora", description.amphora_id), data, now)
        if reports.unknown is None:
            return
        c = columns(Orphan)
        unknown = self._unknown(transaction, reports.host, reports.unknown)
        wires: dict[tuple[str, str], Network | Router] = {("network", each.id): each for each in unknown.networks}
        wires |= {("router", each.id): each for each in unknown.routers}
        for orphan in transaction.find(Orphan, c.host == reports.host, c.kind != "amphora"):
            if (orphan.kind, orphan.id) not in wires:
                transaction.delete(Orphan, c.id == orphan.id, c.host == orphan.host)
        for key, wire in wires.items():
            self._add(transaction, reports.host, key, msgspec.to_builtins(wire), now)

    def _unknown(self, transaction: Transaction, host: str, unknown: Topology) -> Topology:
        """Return what no row knows: a host may have known networks and routers that it was not ordered to have."""
        if not unknown.networks and not unknown.routers:
            return unknown
        known = self._outside.topologies_of(transaction).topology()
        networks = {each.id for each in known.networks}
        here = transaction.get(KnownHost, host)
        routers = set() if here is None or here.home else {each.id for each in known.routers}
        return structs.replace(
            unknown,
            networks=tuple(each for each in unknown.networks if each.id not in networks),
            routers=tuple(each for each in unknown.routers if each.id not in routers),
        )

    def find(self, transaction: Transaction, key: str) -> Orphan:
        """Return an orphan. Raises NotFound."""
        found = transaction.find(Orphan, columns(Orphan).id == key)
        if not found:
            raise NotFound(f"There is no orphan {key}. See: hydria orphan list")
        return found[0]

    def remove(self, transaction: Transaction, key: str) -> list[str]:
        """Make the host remove an orphan; its row is deleted when the host has done it."""
        orphan = self.find(transaction, key)
        if orphan.kind == "amphora":
            transaction.update(structs.replace(orphan, leaving=True))
            transaction.hint("instances")
        else:
            self._outside.topologies_of(transaction).remove_unknown(_wire_ids(orphan))
        log.warning("orphan_removed", kind=orphan.kind, id=key, host=orphan.host)
        return []

    def adopt(self, transaction: Transaction, key: str, now: datetime) -> list[str]:
        """Make the rows of an orphan again, and return what could not be restored. Raises a Refusal."""
        orphan = self.find(transaction, key)
        if orphan.leaving:
            raise Conflict(f"{key} is being removed.")
        if orphan.data is None:
            raise Conflict(f"{key}: {_NOTHING_IS_KNOWN}")
        if orphan.kind == "amphora":
            missing = self._adopt_amphora(transaction, orphan, msgspec.convert(orphan.data, Instance), now)
        else:
            kind: Any = Router if orphan.kind == "router" else Network
            missing = self._outside.topologies_of(transaction).adopt(msgspec.convert(orphan.data, kind))
        transaction.delete(Orphan, columns(Orphan).id == key)
        log.warning("orphan_adopted", kind=orphan.kind, id=key, host=orphan.host)
        return missing

    def _add(
        self, transaction: Transaction, host: str, key: tuple[str, str], data: dict[str, Any] | None, now: datetime
    ) -> None:
        fresh = Orphan(id=key[1], kind=key[0], host=host, data=data, found_at=stamp(now))
        c = columns(Orphan)
        found = transaction.find(Orphan, c.id == fresh.id, c.host == host)
        if not found:
            transaction.insert(fresh)
            # Logged once for each, however often the host reports it.
            log.warning("orphan_found", kind=key[0], id=key[1], host=host, see="hydria orphan list")
        elif found[0].data != data:
            transaction.update(structs.replace(found[0], data=data))

    def _recognise(self, transaction: Transaction, reports: Reports, instance: Instance | None, now: datetime) -> bool:
        if instance is None:
            return False
        load_balancer = transaction.get(LoadBalancer, instance.tree.load_balancer.id)
        c = columns(Amphora)
        if load_balancer is None or transaction.get(Amphora, instance.amphora_id) is not None:
            return False
        others = transaction.find(Amphora, c.load_balancer_id == load_balancer.id, c.leaving.is_(False))
        if any(other.host != reports.host or other.id in reports.held for other in others):
            return False
        self._replace(transaction, [other.id for other in others], instance, reports.host, now)
        log.warning("amphora_recognised", amphora=instance.amphora_id, load_balancer=load_balancer.id)
        return True

    def _base_port(self, transaction: Transaction, others: Sequence[str], instance: Instance) -> dict[str, Any]:
        """Return the columns of the base port that an amphora has, so that its host changes no interface.

        The base ports of the amphorae that it replaces are deleted.
        """
        if not instance.vips:
            return {}
        networking, root = self._outside.networking_of(transaction), instance.tree.load_balancer
        for other in transaction.among(Amphora, others):
            if other.base_port_id is not None:
                networking.delete_port(other.base_port_id)
        base = instance.interfaces[0]
        owner = (root.project_id, base_port_name(instance.amphora_id))
        try:
            networking.restore_port(
                base, root.vip_subnet_ids, owner, Device(id=instance.amphora_id, owner=PORT_OWNER), ()
            )
        except Refusal as refusal:
            # It gets another one.
            log.warning("base_port_not_restored", amphora=instance.amphora_id, reason=refusal.message)
            return {}
        networking.allow_addresses(base.port_id, root.vip_addresses)
        return base_port_columns(base.port_id, base.mac, (each.ip for each in base.addresses))

    def _replace(
        self, transaction: Transaction, others: Sequence[str], instance: Instance, host: str, now: datetime
    ) -> None:
        """Replace the amphorae that a host does not have by the one that it has."""
        root, c = instance.tree.load_balancer, columns(Amphora)
        networking = self._outside.networking_of(transaction)
        based = self._base_port(transaction, others, instance)
        for other in others:
            for port in networking.ports_of(other):
                networking.bind_port(port.id, Device(id=instance.amphora_id, owner=PORT_OWNER))
            for kind in (AmphoraPort, AmphoraHealth, Traffic):
                table = rows_of(kind).table
                moved = update(table).where(table.c.amphora_id == other).values(amphora_id=instance.amphora_id)
                transaction.execute(moved)
            transaction.delete(Amphora, c.id == other)
        amphora = Amphora(
            id=instance.amphora_id,
            load_balancer_id=root.id,
            host=host,
            created_at=stamp(now),
            served=instance.generation,
            change_id=root.change_id,
            priority=None if instance.vrrp is None else instance.vrrp.priority,
            **based,
        )
        transaction.insert(amphora)
        transaction.hint("instances")

    def _adopt_amphora(self, transaction: Transaction, orphan: Orphan, instance: Instance, now: datetime) -> list[str]:
        root, c = instance.tree.load_balancer, columns(Amphora)
        known = transaction.get(LoadBalancer, root.id)
        if known is not None and known.deleted_in is not None:
            raise Conflict(f"The load balancer {root.id} is being deleted. Remove the orphan: hydria orphan remove")
        row = transaction.get(Amphora, orphan.id)
        if row is not None:
            # The same host had it under another host id.
            transaction.update(structs.replace(row, host=orphan.host))
            transaction.hint("instances")
            return []
        if known is not None:
            leaving = update(rows_of(Amphora).table).where(c.load_balancer_id == root.id).values(leaving=True)
            transaction.execute(leaving)
            bump(transaction, root.id, cause=_ADOPTED, whole=True)
            self._replace(transaction, [], instance, orphan.host, now)
            return []
        return self._restore(transaction, instance, orphan.host, now)

    def _restore(self, transaction: Transaction, instance: Instance, host: str, now: datetime) -> list[str]:
        """Make a load balancer, its children and its ports again."""
        tree, missing = instance.tree, []
        # With one more generation the host reports how everything is.
        root = structs.replace(
            tree.load_balancer,
            generation=instance.generation + 1,
            change_id=new_change_id(),
            observed=instance.generation,
            failed=0,
            reason=None,
        )
        self._outside.restore_project(transaction, root.project_id)
        if root.flavor_id is not None and transaction.get(Flavor, root.flavor_id) is None:
            missing.append(f"flavor {root.flavor_id}")
            root = structs.replace(root, flavor_id=None)
        networking = self._outside.networking_of(transaction)
        if root.vip_qos_policy_id and not networking.has_qos_policy(root.vip_qos_policy_id, None):
            missing.append(f"QoS policy {root.vip_qos_policy_id}: its bandwidth limits end with the next change")
            root = structs.replace(root, vip_qos_policy_id=None)
        others = instance.interfaces[1:]
        device = Device(id=f"lb-{root.id}", owner=PORT_OWNER)
        name = f"octavia-lb-{root.id}"
        networking.restore_port(
            _vip_interface(root, instance), root.vip_subnet_ids, (root.project_id, name), device, root.vip_sg_ids
        )
        member_subnets = extra_subnets(root, (each.subnet_id for each in tree.members))
        if len(member_subnets) == len(others):
            own = Device(id=instance.amphora_id, owner=PORT_OWNER)
            for interface, subnet_id in zip(others, member_subnets, strict=True):
                networking.restore_port(interface, [subnet_id], (root.project_id, f"{name}-members"), own, ())
                transaction.ensure(AmphoraPort(amphora_id=own.id, subnet_id=subnet_id, port_id=interface.port_id))
        elif others:
            missing.append("the ports on members' subnets: the next change makes new ones, with other addresses")
        for reference, _ in dict.fromkeys(tree.live().references()):
            missing.append(
                f"secret {reference}: if it is lost, store it again and name it anew; it is served meanwhile"
            )
        children = (*tree.listeners, *tree.pools, *tree.members, *tree.health_monitors)
        transaction.insert(*children, *tree.l7_policies, *tree.l7_rules)
        begin(transaction, root, cause=_ADOPTED)
        self._replace(transaction, [], instance, host, now)
        return missing


def _vip_interface(load_balancer: LoadBalancer, instance: Instance) -> Interface:
    """Return the interface of the VIP's port: a host that has a base port remembers only the addresses."""
    first = instance.interfaces[0]
    if not instance.vips:
        return first
    addresses = zip(load_balancer.vip_addresses, first.addresses, strict=False)
    return structs.replace(
        first,
        port_id=load_balancer.vip_port_id,
        mac="fa:16:3e:" + ":".join(f"{part:02x}" for part in uuid.UUID(load_balancer.vip_port_id).bytes[:3]),
        addresses=tuple(structs.replace(base, ip=ip) for ip, base in addresses),
        address_pairs=(),
    )


def _wire_ids(orphan: Orphan) -> list[str]:
    """Return the ids of an orphan network or router; for a known router those of its unknown parts."""
    if orphan.kind == "network" or orphan.data is None:
        return [orphan.id]
    router = msgspec.convert(orphan.data, Router)
    ports = [each.port_id for each in (*router.interfaces, *([router.gateway] if router.gateway else []))]
    return [orphan.id, *ports, *(pair.id or pair.floating_ip for pair in router.floating_ips)]


def listed(transaction: Transaction) -> list[dict[str, Any]]:
    """Return a summary of each orphan. Amphorae come first, because adopting them restores the ids of their subnets."""
    order = ("amphora", "network", "router")
    found = sorted(transaction.find(Orphan), key=lambda each: (order.index(each.kind), each.host, each.id))
    names = {host.id: host.name or host.id for host in transaction.find(KnownHost)}
    return [_summary(orphan, names.get(orphan.host, orphan.host)) for orphan in found]


def _summary(orphan: Orphan, host: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": orphan.id, "kind": orphan.kind, "host": host, "found_at": orphan.found_at}
    shown["leaving"] = orphan.leaving
    if orphan.data is not None and orphan.kind == "amphora":
        root = msgspec.convert(orphan.data, Instance).tree.load_balancer
        shown |= {"load_balancer": root.id, "name": root.name, "project": root.project_id}
        shown["addresses"] = list(root.vip_addresses)
    elif orphan.data is not None and orphan.kind == "router":
        router = msgspec.convert(orphan.data, Router)
        interfaces = (*router.interfaces, *([router.gateway] if router.gateway else []))
        shown["addresses"] = [address.ip for each in interfaces for address in each.addresses]
        shown["addresses"] += [pair.floating_ip for pair in router.floating_ips]
    return shown
