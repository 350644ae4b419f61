"""The protocols that the core needs from outside. Adapters implement them; tests pass fakes that can fail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from hydria.contract import FirewallRule, Instance, Interface, Network, Observation, Router, Topology
from hydria.model.network import Device, Port, Subnet
from hydria.model.references import Purpose


class Clock(Protocol):
    """The source of time."""

    def now(self) -> datetime:
        """Return the time in UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        ...


# Stands for an amphora's id in `Host.changed`: networks or routers have drifted.
WIRES = ""


class Host(Protocol):
    """One machine's kernel and proxies. Each verb is idempotent and may be interrupted at any point."""

    async def remembered(self) -> Mapping[str, Instance]:
        """Return the instances that were served here before a restart, by amphora id.

        An instance of generation 0 is the part that can be served until the server sends the secrets, which a host must
        not keep.
        """
        ...

    async def inventory(self) -> Mapping[str, Instance | None]:
        """Return all amphorae on this host by id, served or not: complete but without secrets, None if forgotten."""
        ...

    async def wire(self, topology: Topology) -> None:
        """Make the topology's networks and routers, and remove what `removed` names. Raises HostError."""
        ...

    async def wired(self) -> Topology | None:
        """Return the last topology that `wire` was given, also before a restart; None before the first."""
        ...

    async def serve(self, instance: Instance) -> None:
        """Make the amphora serve the instance. On failure the last good one goes on. Raises HostError."""
        ...

    async def withdraw(self, amphora_id: str) -> None:
        """Remove everything of an amphora, if anything is there. Raises HostError."""
        ...

    async def observe(self, amphora_id: str) -> Observation:
        """Return the states and counters of a served amphora. Raises HostError when it is not running."""
        ...

    async def changed(self) -> str:
        """Wait for an event of an amphora (a member's health, the end of a process); return its id.

        `WIRES` stands for networks and routers.
        """
        ...


class Networking(Protocol):
    """The network service (Neutron), bound to one transaction.

    Look-ups return what the project may see, and everything when `project_id` is None. Refusals are Neutron's.
    """

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None: ...

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        """Return a network's subnets, or None when there is no such network."""
        ...

    def free_addresses(self, subnet: Subnet) -> int:
        """Return the number of addresses that a subnet can still allocate."""
        ...

    def port(self, port_id: str, project_id: str | None) -> Port | None: ...

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Create a port on a subnet, with this address or any free one. Raises Conflict or Invalid."""
        ...

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        """Add an address to a port, this or any free one of a subnet. Raises Conflict or Invalid."""
        ...

    def bind_port(self, port_id: str, device: Device | None) -> None:
        """Set the device that uses a port; None frees the port."""
        ...

    def delete_port(self, port_id: str) -> None:
        """Delete a port, if it exists, and free its addresses."""
        ...

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        """Return the ports of a device."""
        ...

    def interface(self, port_id: str) -> Interface | None:
        """Return what a host needs to attach a port, or None when the port is gone."""
        ...

    def offers_qos(self) -> bool:
        """Return True when this network service has QoS policies."""
        ...

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        """Return True when the project may use this QoS policy."""
        ...

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Set the QoS policy of a port; None removes it. The caller notifies the hosts."""
        ...

    def altered_ports(self) -> tuple[Port, ...]:
        """Return the ports of PORT_OWNER whose `interface` has changed."""
        ...

    def forget_altered_ports(self) -> None:
        """Clear the list of altered ports."""
        ...

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        """Return True when the project may use this security group."""
        ...

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Replace the groups `before` of a port by `after`; other groups stay. The caller notifies the hosts."""
        ...

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...]:
        """Return the ingress rules of security groups, in a fixed order."""
        ...

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Create a port, its network and its subnets from a host's interface; `owner` is project id and port name.

        Existing ones are not changed. Raises Conflict or Invalid.
        """
        ...

    def refuses_vip(self, network_id: str) -> str | None:
        """Return why this network can have no VIP, and what to do about it, or None."""
        ...


class Secrets(Protocol):
    """The key manager (Barbican), bound to one transaction."""

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return the PEM text of a project's reference, in the form of `Instance.secrets`.

        Raises NotFound for a secret that does not exist or belongs to another project, Invalid for unusable content.
        """
        ...


class Topologies(Protocol):
    """The source of the networks and routers that hosts must have, bound to one transaction."""

    def version(self) -> tuple[int, int]:
        """Return the topology's generation and change id."""
        ...

    def topology(self) -> Topology: ...

    def record_trouble(self, host: str, down: Mapping[str, str]) -> None:
        """Record the reasons why a host could not make networks, by network id; it has made all others."""
        ...

    def adopt(self, wire: Network | Router) -> list[str]:
        """Make the rows of a network, a router, or a router's missing parts; return sentences about what failed."""
        ...

    def remove_unknown(self, ids: Sequence[str]) -> None:
        """Make hosts remove networks, routers and their parts that have no row."""
        ...

    def all_have_made(self, generation: int) -> None:
        """Forget the ids and free the addresses that were removed up to a generation, which all hosts have made.

        Called with 0 when there is a new host, which has made none yet.
        """
        ...


class Vault(Protocol):
    """Encrypts secrets for the database."""

    def seal(self, payload: bytes) -> str: ...

    def open(self, sealed: str) -> bytes:
        """Return the payload. Raises Unavailable when it cannot be decrypted."""
        ...


class CertificateOrder(Protocol):
    """An order at a certificate authority, which waits for the validation of its challenges."""

    @property
    def challenges(self) -> Mapping[str, str]:
        """Key authorizations by token (RFC 8555, 8.3), to be answered for each name. Empty when all names are valid."""
        ...

    def finish(self) -> str:
        """Ask for validation and return the certificate: PEM of leaf, intermediates and private key.

        Blocks: call it in a thread. Raises AuthorityError.
        """
        ...


class CertificateAuthority(Protocol):
    """An authority that issues certificates for host names by ACME."""

    def order(self, names: Sequence[str]) -> CertificateOrder:
        """Order a certificate. Blocks: call it in a thread. Raises AuthorityError."""
        ...
