"""`hydria.protocols.Networking` over the same rows as the API."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, true

from hydria.contract import FirewallRule, Interface
from hydria.homecloud.network import allocation, changes, interfaces, plugging
from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.firewall_rules import guard
from hydria.homecloud.network.kinds import NETWORK, PORT, QOS_POLICY, SECURITY_GROUP, SUBNET, Kind
from hydria.homecloud.network.restoring import Restoring
from hydria.homecloud.network.rows import Address, AlteredPort, Network, Port, QosPolicy, SecurityGroup, Subnet
from hydria.model import network as model
from hydria.model.caller import Caller
from hydria.store import Transaction, columns


class HomeNetworking:
    """The home cloud's networks, bound to one transaction and one moment."""

    def __init__(self, transaction: Transaction, now: datetime) -> None:
        self._transaction = transaction
        self._now = now
        # Subnets that this transaction has read: they do not change between the look-up and the allocation of a port.
        self._known: dict[str, Subnet] = {}

    def subnet(self, subnet_id: str, project_id: str | None) -> model.Subnet | None:
        if project_id is None:
            row = self._row(subnet_id)
        else:
            found = self._transaction.find(Subnet, columns(Subnet).id == subnet_id, _seen(SUBNET, project_id))
            row = found[0] if found else None
        if row is None:
            return None
        self._known[row.id] = row
        return _subnet(row)

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[model.Subnet, ...] | None:
        if not self._transaction.find(Network, columns(Network).id == network_id, _seen(NETWORK, project_id)):
            return None
        return tuple(_subnet(each) for each in plugging.subnets_of(self._transaction, network_id))

    def free_addresses(self, subnet: model.Subnet) -> int:
        """Return the number of free addresses in a subnet's pools."""
        row = self._row(subnet.id)
        return 0 if row is None else allocation.count_free(self._transaction, row)

    def port(self, port_id: str, project_id: str | None) -> model.Port | None:
        found = self._transaction.find(Port, columns(Port).id == port_id, _seen(PORT, project_id))
        return self._ports(found)[0] if found else None

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
        c = columns(Port)
        return self._ports(self._transaction.find(Port, c.device_id == device_id, order_by=(c.created_at, c.id)))

    def interface(self, port_id: str) -> Interface | None:
        port = self._transaction.get(Port, port_id)
        return None if port is None else interfaces.of_port(self._transaction, port)

    def offers_qos(self) -> bool:
        """Say whether ports can have QoS policies: they can."""
        return True

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        key = columns(QosPolicy).id == qos_policy_id
        return bool(self._transaction.find(QosPolicy, key, _seen(QOS_POLICY, project_id)))

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Hold a port to a QoS policy, or to none."""
        port = self._transaction.get(Port, port_id)
        if port is not None:
            changes.change(self._transaction, port, self._now, qos_policy_id=qos_policy_id)
            # The caller tells the hosts.
            changes.forget(self._transaction, port_id)

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        key = columns(SecurityGroup).id == security_group_id
        return bool(self._transaction.find(SecurityGroup, key, _seen(SECURITY_GROUP, project_id)))

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

    def refuses_vip(self, network_id: str) -> str | None:
        network = self._transaction.get(Network, network_id)
        if network is None:
            return f"The network {network_id} does not exist any more. Delete the load balancer and create it again."
        if network.port_security_enabled:
            return None
        return (
            f"Port security is disabled on the network {network_id}, and a VIP needs it there. Enable it with "
            f"'openstack network set --enable-port-security {network_id}', or use another network."
        )

    def _row(self, subnet_id: str) -> Subnet | None:
        return self._known.get(subnet_id) or self._transaction.get(Subnet, subnet_id)

    def _ports(self, rows: list[Port]) -> tuple[model.Port, ...]:
        addresses = plugging.addresses_of(self._transaction, *(row.id for row in rows))
        return tuple(_port(row, addresses[row.id]) for row in rows)


def _seen(kind: Kind, project_id: str | None) -> ColumnElement[bool]:
    """Return the condition that a project sees a row; None sees everything."""
    return true() if project_id is None else kind.visible(Caller(user_id="", project_id=project_id))


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
