"""Noop mode: the whole API over networks that are made up and a data plane that is always there and does nothing.

For people who test software against Octavia. As with Octavia's own noop drivers every subnet, network and port that is
asked for exists, and measured statuses stay as they were made.
"""

import ipaddress
import threading
import uuid
from collections.abc import Sequence
from datetime import datetime

import structlog
from msgspec import structs
from sqlalchemy import select

from hydria.contract import Address, FirewallRule, Holding, Interface, Report
from hydria.controller.health import write_statuses
from hydria.controller.hosts import heard_from
from hydria.controller.reconcile import Reconciler
from hydria.controller.reports import Reporter
from hydria.errors import HostError
from hydria.model import LoadBalancer
from hydria.model.network import Device, Port, Subnet
from hydria.model.references import Purpose
from hydria.model.status import unmeasured_statuses
from hydria.protocols import Clock, Networking
from hydria.store import Database, Transaction, columns
from hydria.store.resources import Amphora, tree
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# The host of all amphorae.
HOST = "noop"

_NOTHING: tuple[list[str], list[str], list[str]] = ([], [], [])

# Where addresses that nobody asked for begin.
_IPV4, _IPV6 = ipaddress.ip_address("10.0.0.0"), ipaddress.ip_address("2001:db8::")

# A subnet and its network are each other's partner: the id with this bit turned over.
_PARTNER = 1 << 127


class _AnyPort(Port, frozen=True, kw_only=True):
    """A port that is made up: it has whatever address somebody looks for, on whatever subnet."""

    def on(self, subnet_id: str | None, address: str | None = None) -> tuple[tuple[str, str], ...]:
        """Return the address that is looked for; where none is named, one that is always the same for the subnet."""
        own = dict(self.fixed_ips)
        subnet_id = subnet_id or next(iter(own))
        return ((subnet_id, address or own.get(subnet_id) or _address(self.id, subnet_id)),)


class NoopNetworking:
    """A `hydria.protocols.Networking` over another one: what is not there is made up, always the same from its id.

    A made-up network has an IPv4 and an IPv6 subnet, a made-up subnet has all addresses and is on the network that the
    call named before, a made-up port has every address. Nothing of it is written down.
    """

    def __init__(self, real: Networking) -> None:
        self._real = real
        # The network that the call is about, once it has named anything of it.
        self._network_id: str | None = None
        # Ports that the call made up.
        self._made: dict[str, Port] = {}

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None:
        """Return a subnet, made up if need be; never None."""
        found = self._real.subnet(subnet_id, project_id) or _made_up(subnet_id, self._network_id)
        self._network_id = self._network_id or found.network_id
        return found

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        """Return a network's subnets; a network that is not there has two."""
        self._network_id = network_id
        found = self._real.network_subnets(network_id, project_id)
        return (_made_up(_partner(network_id)), _made_up_ipv6(network_id)) if found is None else found

    def free_addresses(self, subnet: Subnet) -> int:
        """Return how many addresses a subnet has left; a made-up one has all."""
        known = self._real.subnet(subnet.id, None)
        return ipaddress.ip_network(subnet.cidr).num_addresses if known is None else self._real.free_addresses(known)

    def port(self, port_id: str, project_id: str | None) -> Port | None:
        """Return a port; one that is not there is free and has every address."""
        found = self._real.port(port_id, project_id) or _port(port_id, _made_up(_partner(port_id)), None)
        self._network_id = self._network_id or found.network_id
        return found

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Allocate a port; on a made-up subnet with any address, taken or not. Raises Conflict or Invalid."""
        if self._real.subnet(subnet.id, None) is not None:
            return self._real.create_port(name, project_id, subnet, address, device)
        made = _port(str(uuid.uuid4()), subnet, address)
        self._made[made.id] = structs.replace(made, device_id=device.id, device_owner=device.owner)
        return self._made[made.id]

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        """Give a port one more address; what is made up has all addresses. Raises Conflict or Invalid."""
        real = self._real.port(port_id, None)
        if real is not None and self._real.subnet(subnet.id, None) is not None:
            return self._real.add_address(port_id, subnet, address)
        before = real or self._made.get(port_id) or _port(port_id, subnet, address)
        one_more = (subnet.id, address or _address(port_id, subnet.id, subnet.ip_version))
        self._made[port_id] = structs.replace(before, fixed_ips=tuple(dict((*before.fixed_ips, one_more)).items()))
        return self._made[port_id]

    def bind_port(self, port_id: str, device: Device | None) -> None:
        """Say who uses a port, if it is there."""
        self._real.bind_port(port_id, device)

    def delete_port(self, port_id: str) -> None:
        """Remove a port; none there is fine."""
        self._real.delete_port(port_id)

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        """Return the ports that a device uses and that are there."""
        return self._real.ports_of(device_id)

    def interface(self, port_id: str) -> Interface:
        """Return what a host would need to attach a port."""
        found = self._real.interface(port_id)
        if found is not None:
            return found
        port = _port(port_id, _made_up(_partner(port_id)), None)
        addresses = tuple(Address(ip=ip, prefix=8) for _, ip in port.fixed_ips)
        return Interface(port_id=port.id, network_id=port.network_id, mac=port.mac, addresses=addresses)

    def offers_qos(self) -> bool:
        """Say whether ports can have QoS policies: always."""
        return True

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        """Say whether a QoS policy is there: every one is."""
        return True

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        """Hold a port to a QoS policy, if it is there."""
        self._real.set_qos_policy(port_id, qos_policy_id)

    def altered_ports(self) -> tuple[Port, ...]:
        """Return the ports whose legs changed."""
        return self._real.altered_ports()

    def forget_altered_ports(self) -> None:
        """Have it that everybody was told of them."""
        self._real.forget_altered_ports()

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        """Say whether a security group is there: every one is."""
        return True

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        """Put a port into other security groups, if it is there."""
        self._real.swap_security_groups(port_id, before, after)

    def guard(self, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...]:
        """Return what security groups let in."""
        return self._real.guard(security_group_ids)

    def restore_port(
        self,
        interface: Interface,
        subnet_ids: Sequence[str],
        owner: tuple[str, str],
        device: Device,
        security_group_ids: Sequence[str],
    ) -> None:
        """Do nothing: there are no hosts that could have it."""

    def refuses_vip(self, network_id: str) -> str | None:
        """Say why a VIP on this network cannot work: never."""
        return None


class NoopSecrets:
    """A `hydria.protocols.Secrets` in which every reference leads somewhere, as in Octavia's noop manager."""

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return nothing: no host reads it."""
        return ""


class NoopPlane:
    """The data plane that serves everything at once: what a transaction left pending is settled right after it."""

    def __init__(self, database: Database, clock: Clock, reconciler: Reconciler) -> None:
        self._database = database
        self._clock = clock
        self._reconciler = reconciler
        self._reporter = Reporter(reconciler)
        self._turn = threading.RLock()
        self._converging = False

    def start(self) -> None:
        """Settle what an earlier run left, and from now on every change before it is answered.

        Raises HostError for a database whose load balancers are served by hosts.
        """
        host = columns(Amphora).host
        served = self._database.read(lambda transaction: transaction.find(Amphora, host != HOST))
        if served:
            raise HostError(
                f"This database has load balancers on host {served[0].host}; noop mode would lose sight of them. "
                "Give noop mode a state directory of its own: HYDRIA_STATE_DIR, or state_dir in the settings."
            )
        self.converge()
        self._database.subscribe(self._heard)

    def converge(self) -> None:
        """Bring everything to what is wanted of it."""
        self._database.transact(self._work)

    def _heard(self, topics: frozenset[str]) -> None:
        if "instances" not in topics:
            return
        with self._turn:
            # Its own transactions give hints too.
            if self._converging:
                return
            self._converging = True
            try:
                self.converge()
            except Exception:
                # What was asked for is written down; the next change, or start, settles it.
                log.exception("noop_failed")
            finally:
                self._converging = False

    def _work(self, transaction: Transaction) -> None:
        now = self._clock.now()
        heard_from(transaction, Holding(host=HOST), now)
        done: object = None
        while (step := self._step(transaction, now)) not in (done, _NOTHING):
            done = step

    def _step(self, transaction: Transaction, now: datetime) -> tuple[list[str], list[str], list[str]]:
        """Place, serve and clear away what waits; returns the ids of what did."""
        due = self._reconciler.due(transaction, now)
        self._reconciler.reconcile(transaction, due, now)
        lb, amphora = columns(LoadBalancer), columns(Amphora)
        leaving = [each.id for each in transaction.find(Amphora, amphora.leaving.is_(True))]
        self._reporter.withdrawn(transaction, HOST, leaving, now)
        joined = rows_of(Amphora).table.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
        late = (amphora.served < lb.generation) & lb.deleted_in.is_(None) & amphora.leaving.is_(False)
        behind = transaction.execute(select(amphora.id, lb.generation).select_from(joined).where(late)).all()
        for row in behind:
            key, generation = tuple(row)
            served = transaction.get(Amphora, key)
            assert served is not None  # noqa: S101 - this transaction selected it
            self._reporter.take(transaction, HOST, Report(amphora_id=key, generation=generation), now)
            load_balancer = transaction.get(LoadBalancer, served.load_balancer_id)
            assert load_balancer is not None  # noqa: S101 - it has an amphora
            write_statuses(transaction, load_balancer.id, unmeasured_statuses(tree(transaction, load_balancer)))
        return due, leaving, [row[0] for row in behind]


def _partner(key: str) -> str:
    try:
        return str(uuid.UUID(int=uuid.UUID(key).int ^ _PARTNER))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, key))


def _made_up(subnet_id: str, network_id: str | None = None) -> Subnet:
    network_id = network_id or _partner(subnet_id)
    return Subnet(id=subnet_id, network_id=network_id, cidr="0.0.0.0/0", gateway_ip=None, ip_version=4)


def _made_up_ipv6(network_id: str) -> Subnet:
    key = str(uuid.uuid5(uuid.NAMESPACE_OID, network_id))
    return Subnet(id=key, network_id=network_id, cidr="::/0", gateway_ip=None, ip_version=6)


def _port(key: str, subnet: Subnet, address: str | None) -> Port:
    return _AnyPort(
        id=key,
        network_id=subnet.network_id,
        mac="fa:16:3e:" + ":".join(f"{part:02x}" for part in _number(key).to_bytes(3, "big")),
        device_id="",
        device_owner="",
        fixed_ips=((subnet.id, address or _address(key, subnet.id, subnet.ip_version)),),
    )


def _address(port_id: str, subnet_id: str, ip_version: int = 4) -> str:
    """Return the address that a port has on a subnet when nobody asked for another."""
    return str((_IPV4 if ip_version == 4 else _IPV6) + _number(port_id + subnet_id))


def _number(text: str) -> int:
    return int.from_bytes(uuid.uuid5(uuid.NAMESPACE_OID, text).bytes[:3], "big")
