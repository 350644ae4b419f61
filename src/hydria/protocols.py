"""The protocols that the core needs from outside. Adapters implement them; tests pass fakes that can fail."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from hydria.contract import FirewallRule, Instance, Interface, Network, Observation, Router, Topology
from hydria.model.network import Device, Port, Subnet
from hydria.model.references import Purpose
from hydria.model.tree import Tree


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

    async def remembered(self, *, alone: bool = False) -> Mapping[str, Instance]:
        """Return the instances that were served here before a restart, by amphora id, the busiest first.

        An amphora that is not there any more is one of `Instance.after_power_cut`, unless the agent is `alone`: it has
        waited for a server in vain.

        An instance of generation 0 is the part that can be served until the server sends the secrets, which a host must
        not keep.
        """
        ...

    async def amphorae(self) -> Set[str]:
        """Return the ids of all amphorae on this host, served or not."""
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

    async def still_wired(self) -> bool:
        """Return whether the last topology was made completely and is still there: not so after a reboot."""
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

    def resting(self, amphora_id: str) -> bool:
        """Say whether nothing was done in an amphora since it was observed, so that it need not be observed again."""
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

    def allow_addresses(self, port_id: str, addresses: Sequence[str]) -> None:
        """Allow a port to send from these addresses too, and from no others: allowed address pairs with its own MAC."""
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

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...] | None:
        """Return the ingress rules of security groups, in a fixed order; None where hosts enforce none."""
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

    def refuses_secured_ports(self, network_id: str) -> str | None:
        """Return why this network can have no port with port security, and what to do about it, or None."""
        ...

    def physical_network(self, network_id: str) -> str | None:
        """Return the physical network that a network is on, which its hosts must have; None for a local network."""
        ...

    def binds_ports(self) -> bool:
        """Return True when ports are bound to hosts (Neutron), so that every host with Open vSwitch can have them."""
        ...

    def lets_through(self, tree: Tree) -> bool:
        """Return True when its ports have what a load balancer wants: security groups and QoS policy are up to date."""
        ...

    def release(self, load_balancer_id: str) -> bool:
        """Give up everything of a load balancer that is deleted; return False while something is still there."""
        ...


class Secrets(Protocol):
    """The key manager (Barbican), bound to one transaction."""

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return the PEM text of a project's reference, in the form of `Instance.secrets`.

        Raises NotFound for a secret that does not exist or belongs to another project, Invalid for unusable content.
        """
        ...

    def doubts(self, references: Collection[tuple[str, Purpose]], project_id: str) -> dict[tuple[str, str], str]:
        """Return why references that are served cannot be read any more, with what to do; others are left out."""
        ...


# Stores a certificate with its key as the user of a token, and returns its reference: token, name, PEM texts by part.
StoreCertificate = Callable[[str, str, Mapping[str, str]], Awaitable[str]]


class Reach(Struct, frozen=True, kw_only=True):
    """Which networks a host can have.

    The host that is `home` has local networks, external networks and routers, and the networks of physical networks
    that no host has, so that there is someone to say that they cannot be made. `physical_networks` are its own,
    `elsewhere` those that only other hosts have. Without `tagged` its agent is too old for networks of type vlan.
    """

    home: bool = True
    physical_networks: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    tagged: bool = True

    def has(self, physical_network: str | None, vlan: int | None = None) -> bool:
        """Return whether the host can have a network on a physical network; None stands for a local network."""
        if vlan is not None and not self.tagged:
            return False
        if physical_network in self.physical_networks:
            return True
        return self.home and physical_network not in self.elsewhere


# One host that has all networks.
EVERYTHING = Reach()


class Topologies(Protocol):
    """The source of the networks and routers that hosts must have, bound to one transaction."""

    def version(self) -> tuple[int, int]:
        """Return the topology's generation and change id."""
        ...

    def topology(self, reach: Reach = EVERYTHING) -> Topology:
        """Return the networks and routers of a host that can have these networks; `removed` is the same for all."""
        ...

    def connected(self, physical_networks: Collection[str]) -> None:
        """Count a change if there are networks on these physical networks, which a host has now or has no more."""
        ...

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

    def derive(self, purpose: str) -> bytes:
        """Return 64 bytes for a purpose: always the same, and nobody without the key can tell them."""
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


class HttpAnswer(Struct, frozen=True, kw_only=True):
    """The answer to a call of an HTTP service; names of headers are in lower case."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""

    def json(self) -> Any:
        """Return the decoded body, or an empty dictionary for one that is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}


class Http(Protocol):
    """An HTTP service: this server itself, or a Keystone elsewhere."""

    async def send(
        self, method: str, path: str, headers: dict[str, str], body: Any = None, source: str = ""
    ) -> HttpAnswer:
        """Return the answer; `body` is sent as JSON, `source` is the address of the user. Raises Unavailable."""
        ...
