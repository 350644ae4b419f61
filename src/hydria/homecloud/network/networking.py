"""`hydria.protocols.Networking` over the same rows as the API."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import true

from hydria.contract import FirewallRule, Interface
from hydria.homecloud.network import allocation, changes, interfaces, plugging
from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.firewall_rules import guard
from hydria.homecloud.network.kinds import NETWORK, PORT, QOS_POLICY, SECURITY_GROUP, SUBNET, Kind
from hydria.homecloud.network.restoring import Restoring
from hydria.homecloud.network.rows import (
    Address,
    AddressPair,
    AlteredPort,
    Network,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
)
from hydria.model import network as model
from hydria.model.caller import Caller
from hydria.store import Transaction, columns

S = TypeVar("S", bound=Struct)


class HomeNetworking:
    """The home cloud's networks, bound to one transaction and one moment."""

    def __init__(self, transaction: Transaction, now: datetime) -> None:
        self._transaction = transaction
        self._now = now
        # Subnets that this transaction has read: they do not change between the look-up and the allocation of a port.
        self._known: dict[str, Subnet] = {}

    def subnet(self, subnet_id: str, project_id: str | None) -> model.Subnet | None:
        row = self._row(subnet_id) if project_id is None else self._seen(SUBNET, Subnet, subnet_id, project_id)
        if row is None:
            return None
        self._known[row.id] = row
        return _subnet(row)

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[model.Subnet, ...] | None:
        if self._seen(NETWORK, Network, network_id, project_id) is None:
            return None
        return tuple(_subnet(each) for each in plugging.subnets_of(self._transaction, network_id))

    def free_addresses(self, subnet: model.Subnet) -> int:
        """Return the number of free addresses in a subnet's pools."""
        row = self._row(subnet.id)
        return 0 if row is None else allocation.count_free(self._transaction, row)

    def port(self, port_id: str, project_id: str | None) -> model.Port | None:
        row = self._seen(PORT, Port, port_id, project_id)
        return None if row is None else self._ports([row])[0]

    def create_port(
        self, name: str, project_id: str, subnet: model.Subnet, address: str | None, device: model.Device
    ) -> model.Port:
        row = self._row(subnet.id)
        if row is None:
            raise fault("SubnetNotFound", id=subnet.id)
        owned = {"name": name, "device_id": device.id, "device_owner": device.owner}
        port = plugging.new_port(self._now, row.network_id, project_id, **owned)
        return _port(port, plugging.plug(self._transaction, port, [(row, address)]))

    def add_address(self, port_id: str, subnet: model.Subnet, address: str | None) -> model.Port:
        """Give a port one more address. Raises Conflict or Invalid."""
        row, port = self._row(subnet.id), self._transaction.get(Port, port_id)
        if row is None:
            raise fault("SubnetNotFound", id=subnet.id)
        if port is None:
            raise fault("PortNotFound", id=port_id)
        there = plugging.addresses_of(self._transaction, port_id)[port_id]
        given = plugging.give(self._transaction, port, [(row, address)], first=len(there))
        changes.change(self._transaction, port, self._now)
        return _port(port, [*there, *given])

    def allow_addresses(self, port_id: str, addresses: Sequence[str]) -> None:
        """Set a port's allowed address pairs; the caller tells the hosts."""
        port = self._transaction.get(Port, port_id)
        if port is not None:
            pairs = tuple(AddressPair(mac_address=port.mac_address, ip_address=each) for each in addresses)
            changes.change(self._transaction, port, self._now, allowed_address_pairs=pairs)
            changes.forget(self._transaction, port_id)

    def bind_port(self, port_id: str, device: model.Device | None) -> None:
        port = self._transaction.get(Port, port_id)
        if port is not None:
            key, owner = ("", "") if device is None else (device.id, device.owner)
            changes.change(self._transaction, port, self._now, device_id=key, device_owner=owner)

    def delete_port(self, port_id: str) -> None:
        """Remove a port and free its addresses and floating IPs; none there is fine."""
        port = self._transaction.get(Port, port_id)
        if port is not None:
            plugging.unplug(self._transaction, port, self._now)

    def ports_of(self, device_id: str) -> tuple[model.Port, ...]:
        found = self._transaction.among(Port, [device_id], column="device_id")
        return self._ports(sorted(found, key=lambda port: (port.created_at, port.id)))

    def interface(self, port_id: str) -> Interface | None:
        port = self._transaction.get(Port, port_id)
        return None if port is None else interfaces.of_port(self._transaction, port)

    def offers_qos(self) -> bool:
        """Say whether ports can have QoS policies: they can."""
        return True

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        return self._seen(QOS_POLICY, QosPolicy, qos_policy_id, project_id) is not None

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Hold a port to a QoS policy, or to none."""
        port = self._transaction.get(Port, port_id)
        if port is not None:
            changes.change(self._transaction, port, self._now, qos_policy_id=qos_policy_id)
            # The caller tells the hosts.
            changes.forget(self._transaction, port_id)

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        return self._seen(SECURITY_GROUP, SecurityGroup, security_group_id, project_id) is not None

    def altered_ports(self) -> tuple[model.Port, ...]:
        ids = [each.port_id for each in self._transaction.find(AlteredPort)]
        return self._ports(self._transaction.find(Port, columns(Port).id.in_(ids))) if ids else ()

    def forget_altered_ports(self) -> None:
        self._transaction.delete(AlteredPort, true())

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Put a port into other security groups; those that it has besides stay."""
        port = self._transaction.get(Port, port_id)
        if port is not None:
            groups = dict.fromkeys([*(each for each in port.security_groups if each not in before), *after])
            changes.change(self._transaction, port, self._now, security_groups=tuple(groups))
            # The caller tells the hosts.
            changes.forget(self._transaction, port_id)

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: model.Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Make a port, its network and its subnets again as a host has them. Raises Conflict or Invalid."""
        project_id, name = owner
        Restoring(self._transaction, self._now, project_id).port(
            interface, subnet_ids, name, device, security_group_ids
        )

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...]:
        return guard(self._transaction, security_group_ids)

    def refuses_secured_ports(self, network_id: str) -> str | None:
        network = self._transaction.get(Network, network_id)
        if network is None:
            return f"The network {network_id} does not exist any more. Use another network."
        if network.port_security_enabled:
            return None
        return (
            f"Port security is disabled on the network {network_id}, and is needed there. Enable it with "
            f"'openstack network set --enable-port-security {network_id}', or use another network."
        )

    def physical_network(self, network_id: str) -> str | None:
        network = self._transaction.get(Network, network_id)
        return None if network is None else network.physical_network

    def binds_ports(self) -> bool:
        """Say whether ports are bound to hosts: they are not."""
        return False

    def lets_through(self, tree: object) -> bool:
        """Say whether ports let through what is served: hosts open the ports themselves."""
        return True

    def release(self, load_balancer_id: str) -> bool:
        """Say whether everything is gone: ports are deleted at once."""
        return True

    def _seen(self, kind: Kind, of: type[S], key: str, project_id: str | None) -> S | None:
        """Return the row of a key if the project sees it; None as the project sees everything."""
        if project_id is None:
            return self._transaction.get(of, key)
        caller = Caller(user_id="", project_id=project_id)
        found = self._transaction.find(of, columns(of).id == key, kind.visible(caller))
        return found[0] if found else None

    def _row(self, subnet_id: str) -> Subnet | None:
        return self._known.get(subnet_id) or self._transaction.get(Subnet, subnet_id)

    def _ports(self, rows: list[Port]) -> tuple[model.Port, ...]:
        addresses = plugging.addresses_of(self._transaction, *(row.id for row in rows))
        return tuple(_port(row, addresses[row.id]) for row in rows)


def _subnet(row: Subnet) -> model.Subnet:
    return model.Subnet(
        id=row.id,
        network_id=row.network_id,
        cidr=row.cidr,
        gateway_ip=row.gateway_ip,
        ip_version=row.ip_version,
    )


def _port(row: Port, addresses: Iterable[Address]) -> model.Port:
    return model.Port(
        id=row.id,
        network_id=row.network_id,
        mac=row.mac_address,
        device_id=row.device_id,
        device_owner=row.device_owner,
        fixed_ips=tuple((address.subnet_id, address.ip_address) for address in addresses),
        qos_policy_id=row.qos_policy_id,
        plugged=row.binding_host_id,
    )
