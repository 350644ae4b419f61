"""A Neutron in memory with OVN's rules as far as load balancers meet them. Tests change it and make its calls fail."""

import uuid
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import structs

from hydria.adapters.memory.faults import Faults
from hydria.errors import Conflict, Invalid, NotFound
from hydria.model.neutron import VIF_OVS, FixedIp, GroupRule, NeutronNetwork, NeutronPort, NeutronSubnet

# The extensions that attributes of ports belong to. Ports of a network without port security cannot have the last two.
_EXTENSION_OF = {
    "binding:host_id": "binding",
    "qos_policy_id": "qos",
    "dns_name": "dns-integration",
    "security_groups": "security-group",
    "allowed_address_pairs": "allowed-address-pairs",
}
EXTENSIONS = frozenset({*_EXTENSION_OF.values(), "network-ip-availability"})
_DETAILS = {"bridge_name": "br-int", "datapath_type": "netdev", "bound_drivers": {"0": "ovn"}}


class MemoryNeutron:
    """Implements `hydria.neutron.calls.Calls`. `faults` makes calls raise, by their names; `calls` counts them.

    Attributes of ports are refused whose extension is not among `extensions`.
    """

    def __init__(self, hosts: Iterable[str] = ("h1", "h2")) -> None:
        self.faults = Faults()
        self.extensions = set(EXTENSIONS)
        self.calls: list[str] = []
        self.all_networks: dict[str, NeutronNetwork] = {}
        self.all_subnets: dict[str, NeutronSubnet] = {}
        self.all_ports: dict[str, NeutronPort] = {}
        # Ingress rules by id, for each security group by name; a group's id is "group " and its name.
        self.groups: dict[str, dict[str, GroupRule]] = {}
        self.user_groups: set[str] = set()
        self.qos_policies: set[str] = set()
        # The hosts that ports can be bound to.
        self.hosts = set(hosts)

    def add_network(
        self, project_id: str, *, mtu: int = 1442, shared: bool = False, secured: bool = True
    ) -> NeutronNetwork:
        """Add a network; `secured` is its port security."""
        network = NeutronNetwork(
            id=str(uuid.uuid4()), project_id=project_id, mtu=mtu, shared=shared, port_security_enabled=secured
        )
        self.all_networks[network.id] = network
        return network

    def add_subnet(self, network: NeutronNetwork, cidr: str) -> NeutronSubnet:
        """Add a subnet, whose first address is the gateway's."""
        block = ip_network(cidr)
        subnet = NeutronSubnet(
            id=str(uuid.uuid4()),
            network_id=network.id,
            cidr=cidr,
            ip_version=block.version,
            project_id=network.project_id,
            gateway_ip=str(block[1]),
        )
        self.all_subnets[subnet.id] = subnet
        return subnet

    async def subnet(self, subnet_id: str) -> NeutronSubnet | None:
        self._called("subnet")
        return self.all_subnets.get(subnet_id)

    async def network(self, network_id: str) -> NeutronNetwork | None:
        self._called("network")
        return self.all_networks.get(network_id)

    async def subnets_of(self, network_id: str) -> tuple[NeutronSubnet, ...]:
        self._called("subnets_of")
        return tuple(each for each in self.all_subnets.values() if each.network_id == network_id)

    async def subnets(self, ids: Sequence[str]) -> tuple[NeutronSubnet, ...]:
        self._called("subnets")
        return tuple(self.all_subnets[key] for key in ids if key in self.all_subnets)

    async def networks(self, ids: Sequence[str]) -> tuple[NeutronNetwork, ...]:
        self._called("networks")
        return tuple(self.all_networks[key] for key in ids if key in self.all_networks)

    async def may_use(self, network_id: str, project_id: str) -> bool:
        self._called("may_use")
        network = self.all_networks.get(network_id)
        return network is not None and (network.shared or network.project_id == project_id)

    async def offers(self, alias: str) -> bool:
        self._called("offers")
        return alias in self.extensions

    async def free_addresses(self, network_id: str) -> dict[str, int]:
        """Return the number of free addresses by subnet."""
        self._called("free_addresses")
        if "network-ip-availability" not in self.extensions:
            return {}
        return {
            each.id: ip_network(each.cidr).num_addresses - 3 - len(self._taken(each.id))
            for each in self.all_subnets.values()
            if each.network_id == network_id
        }

    async def has_qos_policy(self, policy_id: str, project_id: str | None) -> bool:
        self._called("has_qos_policy")
        return "qos" in self.extensions and policy_id in self.qos_policies

    async def has_security_group(self, group_id: str, project_id: str | None) -> bool:
        self._called("has_security_group")
        return group_id in self.user_groups

    async def port(self, port_id: str) -> NeutronPort | None:
        self._called("port")
        return self.all_ports.get(port_id)

    async def ports(self, **query: Any) -> tuple[NeutronPort, ...]:
        """Return the ports of a device, or with one of some ids."""
        self._called("ports")
        found = self.all_ports.values()
        if "id" in query:
            return tuple(each for each in found if each.id in query["id"])
        return tuple(each for each in found if each.device_id == query["device_id"])

    async def create_port(self, **values: Any) -> NeutronPort:
        """Create a port. Raises NotFound, Invalid or Conflict with Neutron's words."""
        self._called("create_port")
        if values["network_id"] not in self.all_networks:
            raise NotFound(f"Network {values['network_id']} could not be found.")
        self._check(values, values["network_id"])
        key = str(uuid.uuid4())
        host = values.get("binding:host_id", "")
        port = NeutronPort(
            id=key,
            network_id=values["network_id"],
            mac_address="fa:16:3e:" + ":".join(f"{part:02x}" for part in uuid.UUID(key).bytes[:3]),
            name=values.get("name", ""),
            project_id=values.get("project_id", "p-service"),
            device_id=values.get("device_id", ""),
            device_owner=values.get("device_owner", ""),
            status="DOWN",
            fixed_ips=tuple(self._fixed(each) for each in values.get("fixed_ips", ())),
            security_groups=tuple(values.get("security_groups", ())),
            allowed_address_pairs=tuple(values.get("allowed_address_pairs", ())),
            qos_policy_id=values.get("qos_policy_id"),
            host=host,
            vif_type="unbound" if not host else VIF_OVS if host in self.hosts else "binding_failed",
            vif_details=_DETAILS if host in self.hosts else {},
        )
        self.all_ports[key] = port
        self.faults.raise_if_set("create_port", after=True)
        return port

    async def update_port(self, port_id: str, **values: Any) -> NeutronPort:
        """Change a port."""
        self._called("update_port")
        port = self.all_ports.get(port_id)
        if port is None:
            raise NotFound(f"Port {port_id} could not be found.")
        self._check(values, port.network_id)
        if "fixed_ips" in values:
            there = set(port.addresses)
            values["fixed_ips"] = tuple(
                FixedIp(**each) if (each["subnet_id"], each.get("ip_address")) in there else self._fixed(each)
                for each in values["fixed_ips"]
            )
        if "security_groups" in values:
            values["security_groups"] = tuple(values["security_groups"])
        self.all_ports[port_id] = structs.replace(port, **values)
        self.faults.raise_if_set("update_port", after=True)
        return self.all_ports[port_id]

    async def delete_port(self, port_id: str) -> None:
        self._called("delete_port")
        self.all_ports.pop(port_id, None)
        self.faults.raise_if_set("delete_port", after=True)

    async def create_group(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        self._called("create_group")
        if name in self.groups:
            raise AssertionError(f"a second group {name} would be made")
        self.groups[name] = {}
        self.faults.raise_if_set("create_group", after=True)
        return f"group {name}", []

    async def ensure_group(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        self._called("ensure_group")
        rules = self.groups.setdefault(name, {})
        self.faults.raise_if_set("ensure_group", after=True)
        return f"group {name}", [{"id": key, **rule.body(f"group {name}")} for key, rule in rules.items()]

    async def add_rules(self, group_id: str, rules: Iterable[GroupRule]) -> None:
        self._called("add_rules")
        there = self.groups[group_id.removeprefix("group ")]
        for rule in rules:
            if rule in there.values():
                raise Conflict("Security group rule already exists.")
            there[str(uuid.uuid4())] = rule
        self.faults.raise_if_set("add_rules", after=True)

    async def delete_rule(self, rule_id: str) -> None:
        self._called("delete_rule")
        for rules in self.groups.values():
            rules.pop(rule_id, None)
        self.faults.raise_if_set("delete_rule", after=True)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group. Raises Conflict while a port has it."""
        self._called("delete_group")
        if any(group_id in port.security_groups for port in self.all_ports.values()):
            raise Conflict(f"Security Group {group_id} in use.")
        self.groups.pop(group_id.removeprefix("group "), None)
        self.faults.raise_if_set("delete_group", after=True)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.faults.raise_if_set(name)

    def _check(self, values: dict[str, Any], network_id: str) -> None:
        """Refuse attributes that this Neutron does not know or this network's ports cannot have. Raises Invalid."""
        unknown = [name for name in values if _EXTENSION_OF.get(name, "binding") not in self.extensions]
        if unknown:
            raise Invalid(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        secured = values.get("security_groups") or values.get("allowed_address_pairs")
        if secured and not self.all_networks[network_id].port_security_enabled:
            raise Invalid(
                "Port Security must be enabled and port must have an IP address in order to use security groups."
            )

    def _fixed(self, wanted: dict[str, str]) -> FixedIp:
        """Return an address, this or a free one. Raises NotFound, Invalid or Conflict."""
        subnet = self.all_subnets.get(wanted["subnet_id"])
        if subnet is None:
            raise NotFound(f"Subnet {wanted['subnet_id']} could not be found.")
        taken, block, ip = self._taken(subnet.id), ip_network(subnet.cidr), wanted.get("ip_address")
        if ip is None:
            ip = next(str(each) for each in block.hosts() if str(each) not in taken)
        if ip_address(ip) not in block:
            raise Invalid(f"IP address {ip} is not a valid IP for the specified subnet.")
        if ip in taken:
            raise Conflict(f"IP address {ip} already allocated in subnet {subnet.id}")
        return FixedIp(subnet_id=subnet.id, ip_address=ip)

    def _taken(self, subnet_id: str) -> set[str]:
        taken = {ip for port in self.all_ports.values() for key, ip in port.addresses if key == subnet_id}
        gateway = self.all_subnets[subnet_id].gateway_ip
        return taken | ({gateway} if gateway else set())
