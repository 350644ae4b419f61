"""What the inside needs of the outside, as Protocols. Adapters implement them; tests pass fakes that can fail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from hydria.contract import FirewallRule, Instance, Interface, Network, Observation, Router, Topology
from hydria.model.network import Device, Port, Subnet
from hydria.model.references import Purpose


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the time in UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...


# In the place of an amphora's id: networks and routers are not as they were made.
WIRES = ""


class Host(Protocol):
    """One machine's kernel and proxies as a few verbs. Each is idempotent and may be cut off anywhere."""

    async def remembered(self) -> Mapping[str, Instance]:
        """Return the instances that were served here before a restart, by amphora id.

        One of generation 0 is what can be served of it until the server sends what the host may not keep: secrets.
        """
        ...

    async def inventory(self) -> Mapping[str, Instance | None]:
        """Return everything that is here by amphora id, served or not: whole, without secrets; None if forgotten."""
        ...

    async def wire(self, topology: Topology) -> None:
        """Make networks and routers as told and remove what is named in `removed`. Raises HostError."""
        ...

    async def wired(self) -> Topology | None:
        """Return the topology that `wire` was given last, before a restart too; None before the first."""
        ...

    async def serve(self, instance: Instance) -> None:
        """Make the amphora serve the instance; the last good one goes on when it cannot. Raises HostError."""
        ...

    async def withdraw(self, amphora_id: str) -> None:
        """Remove everything of an amphora; nothing there is fine. Raises HostError."""
        ...

    async def observe(self, amphora_id: str) -> Observation:
        """Return the states and counters of a served amphora. Raises HostError when it does not run."""
        ...

    async def changed(self) -> str:
        """Wait until something happened to an amphora (a member's health, the end of a process); return its id.

        `WIRES` stands for networks and routers.
        """
        ...


class Networking(Protocol):
    """The network service (Neutron's part), bound to one transaction.

    Look-ups see what `project_id` may see, everything when it is None. Refusals are Neutron's.
    """

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None:
        """Return a subnet, or None."""
        ...

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        """Return a network's subnets, or None when the network is not there."""
        ...

    def free_addresses(self, subnet: Subnet) -> int:
        """Return how many addresses a subnet could give to ports that ask for any."""
        ...

    def port(self, port_id: str, project_id: str | None) -> Port | None:
        """Return a port, or None."""
        ...

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Allocate a port on a subnet, with this address or any free one. Raises Conflict or Invalid."""
        ...

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        """Give a port one more address, this or any free one of a subnet. Raises Conflict or Invalid."""
        ...

    def bind_port(self, port_id: str, device: Device | None) -> None:
        """Say who uses a port; None frees it."""
        ...

    def delete_port(self, port_id: str) -> None:
        """Remove a port and free its addresses; none there is fine."""
        ...

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        """Return the ports that a device uses."""
        ...

    def interface(self, port_id: str) -> Interface | None:
        """Return what a host needs to attach a port, or None when the port is gone."""
        ...

    def offers_qos(self) -> bool:
        """Say whether ports can have QoS policies here."""
        ...

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        """Say whether a QoS policy is there."""
        ...

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Hold a port to a QoS policy, or to none; it is the caller who has the hosts told."""
        ...

    def altered_ports(self) -> tuple[Port, ...]:
        """Return the ports of PORT_OWNER for which `interface` would now return something else than before."""
        ...

    def forget_altered_ports(self) -> None:
        """Clear the list of altered ports."""
        ...

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        """Say whether a security group is there."""
        ...

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Put a port into other security groups, those besides stay; it is the caller who has the hosts told."""
        ...

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...]:
        """Return what security groups let in, in a fixed order."""
        ...

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Make a port, its network and its subnets again as a host has them; `owner` is project id and port name.

        What is there is left alone. Raises Conflict or Invalid.
        """
        ...

    def refuses_vip(self, network_id: str) -> str | None:
        """Say why a VIP on this network cannot work and what to do, or return None."""
        ...


class Secrets(Protocol):
    """The key manager (Barbican's part), bound to one transaction."""

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return what a project's reference leads to, as `Instance.secrets` has it.

        Raises NotFound for what is not there or another project's, Invalid for what is not as it must be.
        """
        ...


class Topologies(Protocol):
    """Where the networks and routers that a host must have come from, bound to one transaction."""

    def version(self) -> tuple[int, int]:
        """Return the number of changes so far, and the random number of the newest."""
        ...

    def topology(self) -> Topology:
        """Return all of it."""
        ...

    def tell(self, host: str, down: Mapping[str, str]) -> None:
        """Record why a host could not make these networks, by network id; its others are well."""
        ...

    def adopt(self, wire: Network | Router) -> list[str]:
        """Make the rows of a network, of a router or of a router's missing parts; returns what could not be made."""
        ...

    def remove_unknown(self, ids: Sequence[str]) -> None:
        """Have hosts remove networks, routers and their parts, of which no row is left."""
        ...

    def forget_removed(self, generation: int) -> None:
        """Forget the names of what was removed up to a generation: every host has made that one."""
        ...


class Vault(Protocol):
    """Keeps what the database must not have in clear."""

    def seal(self, payload: bytes) -> str:
        """Return what is stored."""
        ...

    def open(self, sealed: str) -> bytes:
        """Return the payload. Raises Unavailable."""
        ...


class CertificateOrder(Protocol):
    """A certificate that an authority was asked for and that waits for proofs."""

    @property
    def challenges(self) -> Mapping[str, str]:
        """What must be answered under each name: key authorizations by token (RFC 8555, 8.3). Often nothing is left."""
        ...

    def finish(self) -> str:
        """Have the proofs looked at and return the certificate: PEM of leaf, intermediates and private key.

        Waits, so not for an event loop. Raises AuthorityError.
        """
        ...


class CertificateAuthority(Protocol):
    """Who makes certificates for host names, by ACME."""

    def order(self, names: Sequence[str]) -> CertificateOrder:
        """Ask for a certificate. Waits, so not for an event loop. Raises AuthorityError."""
        ...
