"""The ports of amphorae: base ports in the VIP's network and ports on members' subnets. Only this module makes and
deletes them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from msgspec import structs
from sqlalchemy import Select, bindparam, select

from hydria.controller.interfaces import extra_subnets
from hydria.errors import Refusal
from hydria.model import LoadBalancer, Member
from hydria.model.network import PORT_OWNER, Device, Port, Subnet
from hydria.protocols import Networking
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, AmphoraPort, KnownHost
from hydria.store.tables import rows_of


class PortError(Exception):
    """An amphora cannot get a port that it needs; the message is for the load balancer's owner."""


class AmphoraPorts:
    """Makes and deletes the ports of the amphorae of some load balancers, in one transaction.

    A port is made before a host gets it, and deleted after the host has reported that it does not use it.
    """

    def __init__(
        self, transaction: Transaction, networking: Networking, load_balancer_ids: Sequence[str], *, attached: bool
    ) -> None:
        """`attached` is False where no host attaches ports (noop mode), so that amphorae need none."""
        self._transaction = transaction
        self._networking = networking
        self._load_balancer_ids = load_balancer_ids
        self._attached = attached
        # The names by which Neutron knows the hosts, where it does.
        self._neutron_hosts: dict[str, str] | None = None
        # The subnets of members by load balancer; None until they were read.
        self._member_subnets: dict[str, list[str]] | None = None

    def ensure(self, load_balancer: LoadBalancer, amphora: Amphora, *, based: bool) -> Amphora:
        """Make the ports that an amphora needs and does not have; return it with its base port.

        Raises PortError, or PortPending where the network service makes them later.

        `based` is False for a host whose agent knows no base ports: it gets the VIP's port itself.
        """
        if not self._attached:
            return amphora
        if self._networking.port(load_balancer.vip_port_id, None) is None:
            raise PortError(
                f"The VIP port {load_balancer.vip_port_id} does not exist any more. Delete the load balancer and "
                "create it again."
            )
        needed = self._needed(load_balancer)
        if not needed and (not based or self._has_base_port(amphora)):
            return amphora
        # The network service decides what is there: its port may be gone, or may have outlived a failed transaction.
        ports = self._networking.ports_of(amphora.id)
        if based:
            amphora = self._ensure_base_port(load_balancer, amphora, ports)
        there = {subnet: port.id for port in ports if port.id != amphora.base_port_id for subnet, _ in port.fixed_ips}
        rows = ports_of(self._transaction, amphora.id) if needed else {}
        for subnet_id in needed:
            if subnet_id in rows and rows[subnet_id] == there.get(subnet_id):
                continue
            port_id = there.get(subnet_id) or self._make(load_balancer, amphora, subnet_id)
            row = AmphoraPort(amphora_id=amphora.id, subnet_id=subnet_id, port_id=port_id)
            if subnet_id in rows:
                self._transaction.update(row)
            else:
                self._transaction.insert(row)
            self._transaction.hint("instances")
        return amphora

    def _has_base_port(self, amphora: Amphora) -> bool:
        """Say whether the base port is there; where ports are another service's, it may be gone."""
        key = amphora.base_port_id
        return key is not None and (not self._networking.binds_ports() or self._networking.port(key, None) is not None)

    def _ensure_base_port(self, load_balancer: LoadBalancer, amphora: Amphora, ports: Sequence[Port]) -> Amphora:
        """Make the base port, with an address on each subnet of the VIPs; return the amphora with it."""
        first, *others = load_balancer.vip_subnet_ids
        there = next((each for each in ports if each.on(first)), None)
        if there is not None and there.id == amphora.base_port_id:
            return amphora
        try:
            port = there or self._create(base_port_name(amphora.id), load_balancer, amphora, first)
            for subnet_id in others:
                if not port.on(subnet_id):
                    port = self._networking.add_address(port.id, self._subnet(subnet_id), None)
        except Refusal as refusal:
            raise PortError(
                f"The load balancer gets no address for its amphora on the VIP's subnet: {refusal.message}"
            ) from None
        self._networking.allow_addresses(port.id, load_balancer.vip_addresses)
        based = structs.replace(amphora, **base_port_columns(port.id, port.mac, (ip for _, ip in port.fixed_ips)))
        self._transaction.update(based)
        self._transaction.hint("instances")
        return based

    def release(self, load_balancer: LoadBalancer, amphora: Amphora) -> None:
        """Delete the ports on subnets that have no members any more."""
        there = ports_of(self._transaction, amphora.id)
        needed = self._needed(load_balancer) if there else []
        for subnet_id, port_id in there.items():
            if subnet_id not in needed:
                self._networking.delete_port(port_id)
                c = columns(AmphoraPort)
                self._transaction.delete(AmphoraPort, c.amphora_id == amphora.id, c.subnet_id == subnet_id)

    def networks(self, load_balancer: LoadBalancer) -> list[str]:
        """Return the networks that a host of the load balancer must have."""
        subnets = [self._networking.subnet(subnet_id, None) for subnet_id in self._needed(load_balancer)]
        others = {subnet.network_id for subnet in subnets if subnet is not None}
        return [load_balancer.vip_network_id, *sorted(others - {load_balancer.vip_network_id})]

    def _needed(self, load_balancer: LoadBalancer) -> list[str]:
        if self._member_subnets is None:
            self._member_subnets = defaultdict(list)
            for row in self._transaction.execute(_member_subnets(), {"keys": self._load_balancer_ids}):
                key, subnet_id = tuple(row)
                self._member_subnets[key].append(subnet_id)
        return extra_subnets(load_balancer, self._member_subnets[load_balancer.id])

    def _make(self, load_balancer: LoadBalancer, amphora: Amphora, subnet_id: str) -> str:
        try:
            return self._create(f"octavia-lb-{load_balancer.id}-members", load_balancer, amphora, subnet_id).id
        except Refusal as refusal:
            raise PortError(
                f"The load balancer gets no port on the members' subnet {subnet_id}: {refusal.message}"
            ) from None

    def _create(self, name: str, load_balancer: LoadBalancer, amphora: Amphora, subnet_id: str) -> Port:
        device = Device(
            id=amphora.id, owner=PORT_OWNER, load_balancer_id=load_balancer.id, host=self._neutron_host(amphora.host)
        )
        return self._networking.create_port(name, load_balancer.project_id, self._subnet(subnet_id), None, device)

    def _neutron_host(self, host: str) -> str:
        """Return the name by which Neutron knows a host, empty where ports are bound to none."""
        if not self._networking.binds_ports():
            return ""
        if self._neutron_hosts is None:
            self._neutron_hosts = {each.id: each.facts.neutron_host for each in self._transaction.find(KnownHost)}
        return self._neutron_hosts.get(host, "")

    def _subnet(self, subnet_id: str) -> Subnet:
        subnet = self._networking.subnet(subnet_id, None)
        if subnet is None:
            raise PortError(f"The members' subnet {subnet_id} does not exist any more. Remove its members.")
        return subnet


def base_port_name(amphora_id: str) -> str:
    """Return the name of an amphora's base port, which is Octavia's."""
    return f"octavia-lb-vrrp-{amphora_id}"


def base_port_columns(port_id: str, mac: str, addresses: Iterable[str]) -> dict[str, Any]:
    """Return the columns of an amphora that has this base port. IPv4 addresses come first."""
    ordered = tuple(sorted(addresses, key=lambda ip: ":" in ip))
    return {"base_port_id": port_id, "base_mac": mac, "base_addresses": ordered}


def ports_of(transaction: Transaction, amphora_id: str) -> dict[str, str]:
    """Return the ids of an amphora's own ports by subnet id."""
    found = transaction.load(AmphoraPort, _ports(), {"key": amphora_id})
    return {each.subnet_id: each.port_id for each in found}


def delete_ports(transaction: Transaction, networking: Networking, amphora_id: str) -> None:
    """Delete all ports of an amphora that is gone from its host."""
    for port in networking.ports_of(amphora_id):
        networking.delete_port(port.id)
    transaction.delete(AmphoraPort, columns(AmphoraPort).amphora_id == amphora_id)


def lacks_port() -> Any:
    """Say in SQL of a load balancer whether an amphora that stays has no port on a subnet of its members.

    The subnets of additional VIPs are not looked at: such a load balancer is looked at once more than it need be.
    """
    lb, amphora, member, port = columns(LoadBalancer), columns(Amphora), columns(Member), columns(AmphoraPort)
    has = select(port.port_id).where(port.amphora_id == amphora.id, port.subnet_id == member.subnet_id).exists()
    joined = rows_of(Member).table.join(rows_of(Amphora).table, amphora.load_balancer_id == member.load_balancer_id)
    return (
        select(member.id)
        .select_from(joined)
        .where(member.load_balancer_id == lb.id, member.deleted_in.is_(None), amphora.leaving.is_(False))
        .where(member.subnet_id.is_not(None), member.subnet_id != lb.vip_subnet_id, ~has)
        .correlate(rows_of(LoadBalancer).table)
        .exists()
    )


@cache
def _ports() -> Select[Any]:
    return select(rows_of(AmphoraPort).table).where(columns(AmphoraPort).amphora_id == bindparam("key"))


@cache
def _member_subnets() -> Select[Any]:
    c = columns(Member)
    concerned = c.load_balancer_id.in_(bindparam("keys", expanding=True))
    found = select(c.load_balancer_id, c.subnet_id).distinct()
    return found.where(concerned, c.deleted_in.is_(None), c.subnet_id.is_not(None))
