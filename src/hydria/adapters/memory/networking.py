"""A network service in memory: tests add networks and subnets, ports are allocated and freed as in Neutron.

It has no transactions: its changes stay when the caller's transaction rolls back.
"""

import uuid
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from msgspec import Struct, structs

from hydria.adapters.memory.faults import Faults
from hydria.contract import Address, AddressPair, FirewallRule, Interface, Route
from hydria.errors import Conflict, Invalid
from hydria.model.network import Device, Port, Subnet


class _Network(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    shared: bool
    refusal: str | None
    physical: str | None = None


class MemoryNetworking:
    """Implements `hydria.protocols.Networking`. `faults` makes its verbs raise; `ports` has the ports by id."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.ports: dict[str, Port] = {}
        self._networks: dict[str, _Network] = {}
        self._subnets: dict[str, Subnet] = {}
        self._owners: dict[str, str] = {}
        # The allowed address pairs by port.
        self.allowed: dict[str, tuple[str, ...]] = {}
        # The ids of all QoS policies and security groups; every project may use them.
        self.qos_policies: set[str] = set()
        self.security_groups: set[str] = set()
        # The ids of ports whose interface changed; tests add them.
        self.altered: set[str] = set()

    def add_network(
        self,
        project_id: str,
        *,
        key: str | None = None,
        shared: bool = False,
        refusal: str | None = None,
        physical: str | None = None,
    ) -> str:
        """Add a network and return its id; `refusal` is the reason why it can have no VIP."""
        network = _Network(
            id=key or str(uuid.uuid4()), project_id=project_id, shared=shared, refusal=refusal, physical=physical
        )
        self._networks[network.id] = network
        return network.id

    def add_subnet(self, network_id: str, cidr: str, *, key: str | None = None) -> Subnet:
        """Add a subnet; its first address is the gateway's."""
        block = ip_network(cidr)
        subnet = Subnet(
            id=key or str(uuid.uuid4()),
            network_id=network_id,
            cidr=cidr,
            gateway_ip=str(block[1]),
            ip_version=block.version,
        )
        self._subnets[subnet.id] = subnet
        return subnet

    def remove_subnet(self, subnet_id: str) -> None:
        """Remove a subnet, even if it is in use."""
        del self._subnets[subnet_id]

    def mend(self, network_id: str) -> None:
        """Allow VIPs on a network again."""
        self._networks[network_id] = structs.replace(self._networks[network_id], refusal=None)

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None:
        subnet = self._subnets.get(subnet_id)
        return subnet if subnet is not None and self._sees(project_id, subnet.network_id) else None

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        if not self._sees(project_id, network_id):
            return None
        return tuple(subnet for subnet in self._subnets.values() if subnet.network_id == network_id)

    def free_addresses(self, subnet: Subnet) -> int:
        """Return the number of addresses of a subnet that neither a port nor the gateway has."""
        unusable = 2 if subnet.ip_version == 4 else 1
        return ip_network(subnet.cidr).num_addresses - unusable - len(self._taken(subnet))

    def port(self, port_id: str, project_id: str | None) -> Port | None:
        return self.ports.get(port_id) if project_id in (None, self._owners.get(port_id)) else None

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Allocate a port. Raises Conflict when the address or all addresses are taken, Invalid outside the subnet."""
        self.faults.raise_if_set("create_port")
        fixed = self._free(subnet) if address is None else self._requested(subnet, address)
        key = str(uuid.uuid4())
        port = Port(
            id=key,
            network_id=subnet.network_id,
            mac="fa:16:3e:" + ":".join(f"{part:02x}" for part in uuid.UUID(key).bytes[:3]),
            device_id=device.id,
            device_owner=device.owner,
            fixed_ips=((subnet.id, fixed),),
        )
        self.ports[key] = port
        self._owners[key] = project_id
        self.faults.raise_if_set("create_port", after=True)
        return port

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        """Add an address to a port. Raises as `create_port` does."""
        self.faults.raise_if_set("add_address")
        fixed = self._free(subnet) if address is None else self._requested(subnet, address)
        port = self.ports[port_id]
        self.ports[port_id] = structs.replace(port, fixed_ips=(*port.fixed_ips, (subnet.id, fixed)))
        self.faults.raise_if_set("add_address", after=True)
        return self.ports[port_id]

    def allow_addresses(self, port_id: str, addresses: Sequence[str]) -> None:
        self.faults.raise_if_set("allow_addresses")
        self.allowed[port_id] = tuple(addresses)

    def bind_port(self, port_id: str, device: Device | None) -> None:
        self.faults.raise_if_set("bind_port")
        if port_id in self.ports:
            bound = device or Device(id="", owner="")
            self.ports[port_id] = structs.replace(self.ports[port_id], device_id=bound.id, device_owner=bound.owner)
        self.faults.raise_if_set("bind_port", after=True)

    def delete_port(self, port_id: str) -> None:
        self.faults.raise_if_set("delete_port")
        self.ports.pop(port_id, None)
        self._owners.pop(port_id, None)
        self.faults.raise_if_set("delete_port", after=True)

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        return tuple(port for port in self.ports.values() if port.device_id == device_id)

    def interface(self, port_id: str) -> Interface | None:
        port = self.ports.get(port_id)
        if port is None:
            return None
        fixed = [(self._subnets[key], ip) for key, ip in port.fixed_ips if key in self._subnets]
        return Interface(
            port_id=port.id,
            network_id=port.network_id,
            mac=port.mac,
            addresses=tuple(Address(ip=ip, prefix=ip_network(subnet.cidr).prefixlen) for subnet, ip in fixed),
            address_pairs=tuple(AddressPair(mac=port.mac, cidr=each) for each in self.allowed.get(port_id, ())),
            routes=tuple(
                Route(destination="0.0.0.0/0" if subnet.ip_version == 4 else "::/0", via=subnet.gateway_ip)
                for subnet, _ in fixed
                if subnet.gateway_ip
            ),
        )

    def offers_qos(self) -> bool:
        return bool(self.qos_policies)

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        return qos_policy_id in self.qos_policies

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        if port_id in self.ports:
            self.ports[port_id] = structs.replace(self.ports[port_id], qos_policy_id=qos_policy_id)

    def altered_ports(self) -> tuple[Port, ...]:
        """Return the ports of `altered` that exist."""
        return tuple(self.ports[key] for key in sorted(self.altered) if key in self.ports)

    def forget_altered_ports(self) -> None:
        self.altered.clear()

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        return security_group_id in self.security_groups

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Do nothing: memory ports keep no security groups."""

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Make a port from the interface that a host has, unless it exists."""
        if interface.port_id in self.ports:
            return
        fixed_ips = tuple((key, address.ip) for key, address in zip(subnet_ids, interface.addresses, strict=False))
        self._owners[interface.port_id] = owner[0]
        self.ports[interface.port_id] = Port(
            id=interface.port_id,
            network_id=interface.network_id,
            mac=interface.mac,
            device_id=device.id,
            device_owner=device.owner,
            fixed_ips=fixed_ips,
        )

    def binds_ports(self) -> bool:
        """Say whether ports are bound to hosts: they are not."""
        return False

    def lets_through(self, tree: object) -> bool:
        """Say whether ports let through what is served: hosts open the ports themselves."""
        return True

    def release(self, load_balancer_id: str) -> bool:
        """Say whether everything is gone: ports are deleted at once."""
        return True

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...]:
        """Return no rules: memory security groups have none."""
        return ()

    def refuses_secured_ports(self, network_id: str) -> str | None:
        network = self._networks.get(network_id)
        return None if network is None else network.refusal

    def physical_network(self, network_id: str) -> str | None:
        network = self._networks.get(network_id)
        return None if network is None else network.physical

    def _sees(self, project_id: str | None, network_id: str) -> bool:
        network = self._networks.get(network_id)
        return network is not None and (network.shared or project_id in (None, network.project_id))

    def _taken(self, subnet: Subnet) -> set[IPv4Address | IPv6Address]:
        taken = {ip_address(ip) for port in self.ports.values() for key, ip in port.fixed_ips if key == subnet.id}
        return taken | ({ip_address(subnet.gateway_ip)} if subnet.gateway_ip else set())

    def _requested(self, subnet: Subnet, address: str) -> str:
        if ip_address(address) not in ip_network(subnet.cidr):
            raise Invalid(
                f"IP address {address} is not a valid IP for the specified subnet.", kind="InvalidIpForSubnet"
            )
        if ip_address(address) in self._taken(subnet):
            raise Conflict(
                f"IP address {address} already allocated in subnet {subnet.id}", kind="IpAddressAlreadyAllocated"
            )
        return address

    def _free(self, subnet: Subnet) -> str:
        taken = self._taken(subnet)
        free = next((ip for ip in ip_network(subnet.cidr).hosts() if ip not in taken), None)
        if free is None:
            raise Conflict(
                f"No more IP addresses available on network {subnet.network_id}.", kind="IpAddressGenerationFailure"
            )
        return str(free)
