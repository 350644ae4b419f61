"""`hydria.protocols.Topologies` over the rows of networks and routers, in a fixed number of statements."""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, structs
from sqlalchemy import select, union, update

from hydria import contract
from hydria.homecloud.network import changes, interfaces, plugging, released
from hydria.homecloud.network.restoring import Restoring
from hydria.homecloud.network.rows import (
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Address,
    FloatingIp,
    Network,
    NetworkTrouble,
    Port,
    RemovedWire,
    Router,
    Subnet,
    TopologyCounter,
)
from hydria.protocols import EVERYTHING, Reach
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of


class HomeTopologies:
    """The home cloud's networks and routers, bound to one transaction."""

    def __init__(self, transaction: Transaction, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._transaction = transaction
        self._now = now

    def version(self) -> tuple[int, int]:
        counter = self._transaction.get(TopologyCounter, TopologyCounter().id)
        return (0, 0) if counter is None else (counter.generation, counter.change_id)

    def topology(self, reach: Reach = EVERYTHING) -> contract.Topology:
        """Return the networks that a host can have, and at home all routers that are not switched off."""
        read = _Read.of(self._transaction)
        generation, change_id = self.version()
        networks = {
            key: each for key, each in read.networks.items() if reach.has(each.physical_network, each.segmentation_id)
        }
        return contract.Topology(
            generation=generation,
            change_id=change_id,
            removed=self._removed(),
            networks=tuple(read.network(network) for network in networks.values()),
            routers=tuple(read.router(router) for router in read.routers if reach.home),
            plugged=tuple(read.plugged_port(port) for port in read.plugged if port.network_id in networks),
        )

    def connected(self, physical_networks: Collection[str]) -> None:
        """Count a change if there are networks on these physical networks."""
        c = columns(Network)
        if physical_networks and self._transaction.find(Network, c.physical_network.in_(physical_networks)):
            changes.rewire(self._transaction)

    def adopt(self, wire: contract.Network | contract.Router) -> list[str]:
        restoring = Restoring(self._transaction, self._now(), self._owner())
        if isinstance(wire, contract.Router):
            return restoring.router(wire)
        restoring.network(wire)
        return []

    def remove_unknown(self, ids: Sequence[str]) -> None:
        generation = changes.rewire(self._transaction)
        for key in ids:
            if self._transaction.get(Router, key) is None and self._transaction.get(Network, key) is None:
                self._transaction.ensure(RemovedWire(id=key, generation=generation))

    def _owner(self) -> str:
        """Return the project of the external network: adopted resources belong to it until an admin gives them away."""
        found = self._transaction.find(Network, columns(Network).external)
        return found[0].project_id if found else ""

    def all_have_made(self, generation: int) -> None:
        self._transaction.execute(update(rows_of(TopologyCounter).table).values(wired=generation))
        self._transaction.delete(RemovedWire, columns(RemovedWire).generation <= generation)
        released.free_removed(self._transaction, generation)

    def _removed(self) -> tuple[str, ...]:
        """Return the ids of what hosts must remove: deleted, switched off, or no longer associated."""
        port, router, floating_ip = columns(Port), columns(Router), columns(FloatingIp)
        statements = (
            select(columns(RemovedWire).id),
            select(router.id).where(router.admin_state_up.is_(False)),
            select(port.id).where(
                port.device_owner.in_([ROUTER_INTERFACE, ROUTER_GATEWAY]), port.admin_state_up.is_(False)
            ),
            select(floating_ip.id).where(floating_ip.router_id.is_(None)),
        )
        return tuple(sorted(key for (key,) in self._transaction.execute(union(*statements))))

    def record_trouble(self, host: str, down: Mapping[str, str]) -> None:
        c = columns(NetworkTrouble)
        before = {each.network_id: each.reason for each in self._transaction.find(NetworkTrouble, c.host == host)}
        changed = [key for key in {**before, **down} if before.get(key) != down.get(key)]
        if not changed:
            return
        self._transaction.delete(NetworkTrouble, c.host == host, c.network_id.in_(changed))
        networks = self._transaction.among(Network, changed)
        fresh = [(network.id, down[network.id]) for network in networks if network.id in down]
        self._transaction.insert(*(NetworkTrouble(network_id=key, host=host, reason=reason) for key, reason in fresh))
        left: dict[str, str] = {}
        for each in self._transaction.find(NetworkTrouble, c.network_id.in_(changed), order_by=(c.host,)):
            left.setdefault(each.network_id, each.reason)
        for network in networks:
            if network.trouble != left.get(network.id):
                self._transaction.update(structs.replace(network, trouble=left.get(network.id)))


class _Read(Struct, frozen=True, kw_only=True):
    """The rows from which a topology is made."""

    networks: dict[str, Network]
    subnets: dict[str, Subnet]
    routers: list[Router]
    interfaces_of: dict[str, list[Port]]
    addresses: dict[str, list[Address]]
    floating_ips: dict[str, list[FloatingIp]]
    plugged: list[Port]

    @classmethod
    def of(cls, transaction: Transaction) -> "_Read":
        ports, routers, floating_ips = columns(Port), columns(Router), columns(FloatingIp)
        networks = transaction.find(Network, order_by=(columns(Network).created_at, columns(Network).id))
        up = transaction.find(Router, routers.admin_state_up, order_by=(routers.created_at, routers.id))
        interfaces_of: dict[str, list[Port]] = {router.id: [] for router in up}
        owned = ports.device_owner.in_([ROUTER_INTERFACE, ROUTER_GATEWAY])
        for port in transaction.find(Port, owned, ports.admin_state_up, order_by=(ports.created_at, ports.id)):
            if port.device_id in interfaces_of:
                interfaces_of[port.device_id].append(port)
        translating: dict[str, list[FloatingIp]] = {router.id: [] for router in up}
        for each in transaction.find(FloatingIp, floating_ips.router_id.in_(translating), order_by=(floating_ips.id,)):
            translating[str(each.router_id)].append(each)
        plugged = transaction.find(Port, ports.binding_host_id != "", order_by=(ports.created_at, ports.id))
        return cls(
            networks={network.id: network for network in networks},
            subnets={subnet.id: subnet for subnet in transaction.find(Subnet)},
            routers=up,
            interfaces_of=interfaces_of,
            addresses=plugging.addresses_of(
                transaction, *(port.id for each in (*interfaces_of.values(), plugged) for port in each)
            ),
            floating_ips=translating,
            plugged=plugged,
        )

    def network(self, network: Network) -> contract.Network:
        """Return a network for hosts; on an external one the machine itself has the gateway's addresses."""
        subnets = [each for each in self.subnets.values() if each.network_id == network.id and network.external]
        return contract.Network(
            id=network.id,
            mtu=network.mtu,
            external=network.external,
            physical=network.physical_network,
            vlan=network.segmentation_id,
            host_addresses=tuple(
                contract.Address(ip=subnet.gateway_ip, prefix=interfaces.prefix_of(subnet))
                for subnet in sorted(subnets, key=lambda each: (each.created_at, each.id))
                if subnet.gateway_ip is not None
            ),
        )

    def router(self, router: Router) -> contract.Router:
        """Return a router with its interfaces, its gateway and its floating IPs."""
        inside = [port for port in self.interfaces_of[router.id] if port.device_owner == ROUTER_INTERFACE]
        gateway = next((port for port in self.interfaces_of[router.id] if port.id == router.gw_port_id), None)
        snat = gateway is not None and router.enable_snat
        return contract.Router(
            id=router.id,
            interfaces=tuple(self._interface(port) for port in inside),
            gateway=None if gateway is None else self._gateway(gateway),
            snat_cidrs=_cidrs_of_version_4(self._subnets(inside)) if snat else (),
            floating_ips=tuple(
                contract.FloatingIp(id=each.id, floating_ip=each.floating_ip_address, fixed_ip=each.fixed_ip_address)
                for each in self.floating_ips[router.id]
                if each.fixed_ip_address is not None
            ),
        )

    def plugged_port(self, port: Port) -> contract.Interface:
        """Return the interface of a plugged port, with its port security."""
        return structs.replace(self._interface(port), **interfaces.security_of(port))

    def _interface(self, port: Port, routes: tuple[contract.Route, ...] = ()) -> contract.Interface:
        network = self.networks[port.network_id]
        return interfaces.interface(port, network, self.addresses[port.id], self.subnets, routes)

    def _gateway(self, port: Port) -> contract.Interface:
        return self._interface(port, interfaces.routes_of(self._subnets([port])))

    def _subnets(self, ports: Sequence[Port]) -> list[Subnet]:
        return [self.subnets[address.subnet_id] for port in ports for address in self.addresses[port.id]]


def _cidrs_of_version_4(subnets: Iterable[Subnet]) -> tuple[str, ...]:
    cidrs = {subnet.cidr for subnet in subnets if subnet.ip_version == 4}
    return tuple(sorted(cidrs, key=ipaddress.IPv4Network))
