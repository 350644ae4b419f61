"""The network service in a dry run: everything is read, and nothing is changed."""

import uuid
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from msgspec import structs

from hydria.contract import FirewallRule, Interface
from hydria.model import Tree
from hydria.model.network import Device, Port, Subnet
from hydria.protocols import Networking
from hydria.store import Transaction

# Stands for an address that the network service would choose.
UNKNOWN = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - no address to listen on


def harmless(networking_of: Callable[[Transaction], Networking]) -> Callable[[Transaction], Networking]:
    """Return `networking_of` for a network service that does not roll back with the transaction.

    In a dry run its changes are kept in memory only.
    """
    dry: WeakKeyDictionary[Transaction, DryNetworking] = WeakKeyDictionary()

    def bound(transaction: Transaction) -> Networking:
        if not transaction.dry_run:
            return networking_of(transaction)
        if transaction not in dry:
            dry[transaction] = DryNetworking(networking_of(transaction))
        return dry[transaction]

    return bound


class DryNetworking:
    """A `hydria.protocols.Networking` on top of another one, of which it only reads."""

    def __init__(self, real: Networking) -> None:
        self._real = real
        # The ports that the call made.
        self._made: dict[str, Port] = {}

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None:
        return self._real.subnet(subnet_id, project_id)

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        return self._real.network_subnets(network_id, project_id)

    def free_addresses(self, subnet: Subnet) -> int:
        return self._real.free_addresses(subnet)

    def port(self, port_id: str, project_id: str | None) -> Port | None:
        return self._made.get(port_id) or self._real.port(port_id, project_id)

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Return a port of a random id; `UNKNOWN` stands for an address that is not given."""
        port = Port(
            id=str(uuid.uuid4()),
            network_id=subnet.network_id,
            mac="",
            device_id=device.id,
            device_owner=device.owner,
            fixed_ips=((subnet.id, address or UNKNOWN[subnet.ip_version]),),
        )
        self._made[port.id] = port
        return port

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        port = self.port(port_id, None)
        if port is None:
            raise RuntimeError(f"there is no port {port_id}")
        one_more = (subnet.id, address or UNKNOWN[subnet.ip_version])
        self._made[port_id] = structs.replace(port, fixed_ips=(*port.fixed_ips, one_more))
        return self._made[port_id]

    def allow_addresses(self, port_id: str, addresses: Sequence[str]) -> None:
        """Change nothing."""

    def bind_port(self, port_id: str, device: Device | None) -> None:
        """Change nothing."""

    def delete_port(self, port_id: str) -> None:
        """Change nothing."""

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        return self._real.ports_of(device_id)

    def interface(self, port_id: str) -> Interface | None:
        return None if port_id in self._made else self._real.interface(port_id)

    def offers_qos(self) -> bool:
        return self._real.offers_qos()

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        return self._real.has_qos_policy(qos_policy_id, project_id)

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Change nothing."""

    def altered_ports(self) -> tuple[Port, ...]:
        return self._real.altered_ports()

    def forget_altered_ports(self) -> None:
        """Change nothing."""

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        return self._real.has_security_group(security_group_id, project_id)

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Change nothing."""

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...] | None:
        return self._real.guard(security_group_ids)

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Change nothing."""

    def refuses_secured_ports(self, network_id: str) -> str | None:
        return self._real.refuses_secured_ports(network_id)

    def physical_network(self, network_id: str) -> str | None:
        return self._real.physical_network(network_id)

    def binds_ports(self) -> bool:
        return self._real.binds_ports()

    def lets_through(self, tree: Tree) -> bool:
        return self._real.lets_through(tree)

    def release(self, load_balancer_id: str) -> bool:
        """Change nothing."""
        return True
