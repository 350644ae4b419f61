"""`hydria.protocols.Networking` over the rows of this package. No method waits for Neutron.

In an API call the look-ups and the VIP's port are questions, which are answered between two runs of the call's work.
In the controller everything is read from rows; ports that are missing there are wanted.
"""

from collections.abc import Sequence

from msgspec import structs

from hydria.contract import Interface
from hydria.errors import Conflict, PortPending
from hydria.model.network import Device, Port, Subnet
from hydria.model.neutron import NeutronPort, NeutronSubnet
from hydria.model.tree import Tree
from hydria.neutron import questions
from hydria.neutron.rows import Applied, Kind, KnownSubnet, PortCreation, WantedPort
from hydria.neutron.wanted import wanted_rules
from hydria.store import Transaction, columns
from hydria.store.resources import Wait

# Wakes the worker.
TOPIC = "neutron"


class NeutronNetworking:
    """Neutron's networks, bound to one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._subnets: dict[str, KnownSubnet] = {}

    @property
    def _asks(self) -> bool:
        return self._transaction.answers is not None

    # --- look-ups ---

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None:
        if not self._asks:
            known = self._known_subnet(subnet_id)
            return None if known is None else known.plain()
        found: NeutronSubnet | None = self._transaction.ask(questions.SubnetOf(subnet_id, project_id))
        if found is None:
            return None
        self._keep(found)
        return found.plain()

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        question = questions.SubnetsOfNetwork(network_id, project_id)
        found: tuple[NeutronSubnet, ...] | None = self._transaction.ask(question)
        if found is None:
            return None
        for each in found:
            self._keep(each)
        return tuple(each.plain() for each in found)

    def free_addresses(self, subnet: Subnet) -> int:
        free: dict[str, int] = self._transaction.ask(questions.FreeAddresses(subnet.network_id))
        return free.get(subnet.id, 0)

    def port(self, port_id: str, project_id: str | None) -> Port | None:
        if not self._asks:
            row = self._row(port_id)
            return None if row is None else row.plain()
        found: NeutronPort | None = self._transaction.ask(questions.PortOf(port_id, project_id))
        return None if found is None else found.plain()

    def offers_qos(self) -> bool:
        return bool(self._transaction.ask(questions.Offers("qos")))

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        return bool(self._transaction.ask(questions.QosPolicyOf(qos_policy_id, project_id)))

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        return bool(self._transaction.ask(questions.SecurityGroupOf(security_group_id, project_id)))

    # --- ports ---

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Create a VIP's port at once; want an amphora's. Raises PortPending until the worker has made that."""
        if self._asks:
            question = questions.CreatePort(
                name, project_id, subnet.network_id, subnet.id, address, device.id, device.owner
            )
            made: NeutronPort = self._transaction.ask(question)
            self._insert_vip(made, subnet.id, device.id, owned=True)
            self._transaction.delete(PortCreation, columns(PortCreation).id == device.id)
            return made.plain()
        key = f"{device.id}/{subnet.id}"
        row = self._transaction.get(WantedPort, key)
        if row is None:
            kind: Kind = "base" if name.startswith("octavia-lb-vrrp-") else "member"
            self._transaction.insert(
                WantedPort(
                    id=key,
                    load_balancer_id=device.load_balancer_id,
                    kind=kind,
                    device_id=device.id,
                    subnet_id=subnet.id,
                    network_id=subnet.network_id,
                    host=device.host,
                )
            )
            self._transaction.hint(TOPIC)
            raise PortPending
        if row.port_id is not None:
            return row.plain()
        reason = row.reason or self._refused(device.load_balancer_id)
        if reason is not None:
            raise Conflict(reason)
        raise PortPending

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        """Give a VIP's port one more address; an amphora's has all from the beginning."""
        made: NeutronPort = self._transaction.ask(questions.AddAddress(port_id, subnet.id, address))
        row = self._row(port_id)
        if row is not None:
            self._transaction.update(_with(row, made))
        return made.plain()

    def allow_addresses(self, port_id: str, addresses: Sequence[str]) -> None:
        """Do nothing: the worker creates ports with their address pairs."""

    def bind_port(self, port_id: str, device: Device | None) -> None:
        if device is None:
            self.delete_port(port_id)
            return
        found: NeutronPort | None = self._transaction.ask(questions.PortOf(port_id, None))
        # A port that was made for this device is not bound, which would be undone when the work fails.
        made = found is not None and found.device_id == device.id
        bound = found
        if bound is None or not made:
            bound = self._transaction.ask(questions.BindPort(port_id, device.id, device.owner))
        self._insert_vip(bound, bound.fixed_ips[0].subnet_id, device.id, owned=made)

    def delete_port(self, port_id: str) -> None:
        if self._asks:
            self._transaction.ask(questions.DeletePort(port_id))
            self._transaction.delete(WantedPort, columns(WantedPort).port_id == port_id)
            return
        row = self._row(port_id)
        if row is not None and not row.leaving:
            self._transaction.update(structs.replace(row, leaving=True))
            self._transaction.hint(TOPIC)

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        c = columns(WantedPort)
        rows = self._transaction.find(WantedPort, c.device_id == device_id, c.port_id.is_not(None), ~c.leaving)
        return tuple(row.plain() for row in sorted(rows, key=lambda row: (row.kind != "base", row.id)))

    def interface(self, port_id: str) -> Interface | None:
        row = self._row(port_id)
        if row is None:
            return None
        for subnet_id, _ in row.fixed_ips:
            self._known_subnet(subnet_id)
        return row.interface(self._subnets)

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Do nothing: the worker follows the load balancer's row."""

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Do nothing: the worker follows the load balancer's row."""

    def altered_ports(self) -> tuple[Port, ...]:
        return tuple(row.plain() for row in self._transaction.find(WantedPort, columns(WantedPort).altered))

    def forget_altered_ports(self) -> None:
        for row in self._transaction.find(WantedPort, columns(WantedPort).altered):
            self._transaction.update(structs.replace(row, altered=False))

    # --- what hosts need not know ---

    def guard(self, security_group_ids: Sequence[str]) -> None:
        """Return None: Neutron enforces security groups."""

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Refuse: the rows of a port in Neutron cannot be made again from what a host remembers."""
        raise Conflict("An amphora with ports of Neutron cannot be adopted. Delete it, and create a load balancer.")

    def refuses_secured_ports(self, network_id: str) -> str | None:
        return None

    def physical_network(self, network_id: str) -> str | None:
        return None

    def binds_ports(self) -> bool:
        return True

    def lets_through(self, tree: Tree) -> bool:
        """Say whether Neutron has the rules for what is served, and the groups and the QoS policy of the VIP."""
        load_balancer = tree.load_balancer
        applied = self._transaction.get(Applied, load_balancer.id)
        if applied is None or applied.group_id is None or applied.rules != wanted_rules(tree):
            return False
        asked = (load_balancer.vip_sg_ids, load_balancer.vip_qos_policy_id)
        return (applied.vip_groups, applied.qos_policy_id) == asked

    def release(self, load_balancer_id: str) -> bool:
        """Want everything of a load balancer to be deleted; say whether it is gone."""
        c = columns(WantedPort)
        rows = self._transaction.find(WantedPort, c.load_balancer_id == load_balancer_id)
        applied = self._transaction.get(Applied, load_balancer_id)
        changed = [structs.replace(row, leaving=True) for row in rows if not row.leaving]
        if changed:
            self._transaction.update(*changed)
        if applied is not None and not applied.leaving:
            self._transaction.update(structs.replace(applied, leaving=True))
        if rows or applied is not None:
            self._transaction.hint(TOPIC)
            return False
        return True

    # --- inside ---

    def _row(self, port_id: str) -> WantedPort | None:
        return self._transaction.get(WantedPort, port_id, column="port_id")

    def _refused(self, load_balancer_id: str) -> str | None:
        """Return what Neutron has refused that comes before ports, such as a security group."""
        wait = self._transaction.get(Wait, load_balancer_id)
        return wait.reason if wait is not None and wait.refused else None

    def _known_subnet(self, subnet_id: str) -> KnownSubnet | None:
        if subnet_id not in self._subnets:
            found = self._transaction.get(KnownSubnet, subnet_id)
            if found is None:
                return None
            self._subnets[subnet_id] = found
        return self._subnets[subnet_id]

    def _keep(self, subnet: NeutronSubnet) -> None:
        """Store a subnet that the controller will need."""
        row, known = KnownSubnet.of(subnet), self._known_subnet(subnet.id)
        if known is None:
            self._transaction.ensure(row)
        elif known != row:
            self._transaction.update(row)
        self._subnets[subnet.id] = row

    def _insert_vip(self, made: NeutronPort, subnet_id: str, device_id: str, *, owned: bool) -> None:
        row = WantedPort(
            id=f"{device_id}/{subnet_id}",
            load_balancer_id=device_id.removeprefix("lb-"),
            kind="vip",
            device_id=device_id,
            subnet_id=subnet_id,
            owned=owned,
        )
        self._transaction.insert(_with(row, made))
        self._transaction.hint(TOPIC)


def _with(row: WantedPort, made: NeutronPort) -> WantedPort:
    """Return a row with what was made."""
    return structs.replace(
        row, port_id=made.id, network_id=made.network_id, mac=made.mac_address, fixed_ips=made.addresses, reason=None
    )
