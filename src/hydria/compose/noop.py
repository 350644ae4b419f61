"""Noop mode: the API without hosts, and with made-up networks. For tests of software that uses Octavia.

As with Octavia's own noop drivers, every requested subnet, network and port exists, and measured statuses do not
change.
"""

import ipaddress
import threading
import uuid
from collections.abc import Collection, Sequence
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

# The first of the addresses that are made up when a request names none.
_IPV4, _IPV6 = ipaddress.ip_address("10.0.0.0"), ipaddress.ip_address("2001:db8::")

# The ids of a made-up subnet and its network differ in this bit, so that each can be computed from the other.
_PARTNER = 1 << 127


class _AnyPort(Port, frozen=True, kw_only=True):
    """A made-up port, which has every address on every subnet."""

    def on(self, subnet_id: str | None, address: str | None = None) -> tuple[tuple[str, str], ...]:
        """Return the given address, or one that is always the same for the subnet."""
        own = dict(self.fixed_ips)
        subnet_id = subnet_id or next(iter(own))
        return ((subnet_id, address or own.get(subnet_id) or _address(self.id, subnet_id)),)


class NoopNetworking:
    """A `hydria.protocols.Networking` on top of another one. It makes up unknown resources from their ids.

    A made-up network has an IPv4 and an IPv6 subnet. A made-up subnet has all addresses and is on the network that the
    call named before. A made-up port has every address. Made-up resources are not stored.
    """

    def __init__(self, real: Networking) -> None:
        self._real = real
        # The network of the first resource that the call named.
        self._network_id: str | None = None
        # The ports that the call made up.
        self._made: dict[str, Port] = {}

    def subnet(self, subnet_id: str, project_id: str | None) -> Subnet | None:
        """Return a subnet, made up when it is unknown; never None."""
        found = self._real.subnet(subnet_id, project_id) or _made_up(subnet_id, self._network_id)
        self._network_id = self._network_id or found.network_id
        return found

    def network_subnets(self, network_id: str, project_id: str | None) -> tuple[Subnet, ...] | None:
        """Return a network's subnets; a made-up network has two."""
        self._network_id = network_id
        found = self._real.network_subnets(network_id, project_id)
        return (_made_up(_partner(network_id)), _made_up_ipv6(network_id)) if found is None else found

    def free_addresses(self, subnet: Subnet) -> int:
        """Return the number of free addresses of a subnet; all are free on a made-up one."""
        known = self._real.subnet(subnet.id, None)
        return ipaddress.ip_network(subnet.cidr).num_addresses if known is None else self._real.free_addresses(known)

    def port(self, port_id: str, project_id: str | None) -> Port | None:
        """Return a port; a made-up one is unused and has every address."""
        found = self._real.port(port_id, project_id) or _port(port_id, _made_up(_partner(port_id)), None)
        self._network_id = self._network_id or found.network_id
        return found

    def create_port(self, name: str, project_id: str, subnet: Subnet, address: str | None, device: Device) -> Port:
        """Create a port; on a made-up subnet any address is free. Raises Conflict or Invalid."""
        if self._real.subnet(subnet.id, None) is not None:
            return self._real.create_port(name, project_id, subnet, address, device)
        made = _port(str(uuid.uuid4()), subnet, address)
        self._made[made.id] = structs.replace(made, device_id=device.id, device_owner=device.owner)
        return self._made[made.id]

    def add_address(self, port_id: str, subnet: Subnet, address: str | None) -> Port:
        """Add an address to a port; on a made-up subnet any address is free. Raises Conflict or Invalid."""
        real = self._real.port(port_id, None)
        if real is not None and self._real.subnet(subnet.id, None) is not None:
            return self._real.add_address(port_id, subnet, address)
        before = real or self._made.get(port_id) or _port(port_id, subnet, address)
        one_more = (subnet.id, address or _address(port_id, subnet.id, subnet.ip_version))
        self._made[port_id] = structs.replace(before, fixed_ips=tuple(dict((*before.fixed_ips, one_more)).items()))
        return self._made[port_id]

    def allow_addresses(self, port_id: str, addresses: Sequence[str]) -> None:
        self._real.allow_addresses(port_id, addresses)

    def bind_port(self, port_id: str, device: Device | None) -> None:
        self._real.bind_port(port_id, device)

    def delete_port(self, port_id: str) -> None:
        self._real.delete_port(port_id)

    def ports_of(self, device_id: str) -> tuple[Port, ...]:
        return self._real.ports_of(device_id)

    def interface(self, port_id: str) -> Interface:
        found = self._real.interface(port_id)
        if found is not None:
            return found
        port = _port(port_id, _made_up(_partner(port_id)), None)
        addresses = tuple(Address(ip=ip, prefix=8) for _, ip in port.fixed_ips)
        return Interface(port_id=port.id, network_id=port.network_id, mac=port.mac, addresses=addresses)

    def offers_qos(self) -> bool:
        return True

    def has_qos_policy(self, qos_policy_id: str, project_id: str | None) -> bool:
        """Return True: every QoS policy exists."""
        return True

    def set_qos_policy(self, port_id: str, qos_policy_id: str | None) -> None:
        self._real.set_qos_policy(port_id, qos_policy_id)

    def altered_ports(self) -> tuple[Port, ...]:
        return self._real.altered_ports()

    def forget_altered_ports(self) -> None:
        self._real.forget_altered_ports()

    def has_security_group(self, security_group_id: str, project_id: str | None) -> bool:
        """Return True: every security group exists."""
        return True

    def swap_security_groups(self, port_id: str, before: Sequence[str], after: Sequence[str]) -> None:
        self._real.swap_security_groups(port_id, before, after)

    def binds_ports(self) -> bool:
        """Say whether ports are bound to hosts: they are not."""
        return False

    def lets_through(self, tree: object) -> bool:
        """Say whether ports let through what is served: hosts open the ports themselves."""
        return True

    def release(self, load_balancer_id: str) -> bool:
        """Say whether everything is gone: ports are deleted at once."""
        return True

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
        """Do nothing: noop mode has no hosts with ports to restore."""

    def refuses_secured_ports(self, network_id: str) -> str | None:
        """Return None: every network can have VIPs."""
        return None

    def physical_network(self, network_id: str) -> str | None:
        """Return None: the one host has every network."""
        return None


class NoopSecrets:
    """A `hydria.protocols.Secrets` with a secret for every reference, as in Octavia's noop manager."""

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return an empty text, because no host reads it."""
        return ""

    def doubts(self, references: Collection[tuple[str, Purpose]], project_id: str) -> dict[tuple[str, str], str]:
        """Return nothing: what is gone is not served."""
        return {}


class NoopPlane:
    """The data plane of noop mode: after each transaction it makes pending resources ACTIVE at once."""

    def __init__(self, database: Database, clock: Clock, reconciler: Reconciler) -> None:
        self._database = database
        self._clock = clock
        self._reconciler = reconciler
        self._reporter = Reporter(reconciler)
        self._lock = threading.RLock()
        self._converging = False

    def start(self) -> None:
        """Settle the pending changes of an earlier run, and from now on each change before its call is answered.

        Raises HostError for a database with load balancers on hosts.
        """
        host = columns(Amphora).host
        served = self._database.read(lambda transaction: transaction.find(Amphora, host != HOST))
        if served:
            raise HostError(
                f"This database has load balancers on host {served[0].host}, which noop mode would not control. "
                "Give noop mode a state directory of its own: HYDRIA_STATE_DIR, or state_dir in the settings."
            )
        self.converge()
        self._database.subscribe(self._on_hints)

    def converge(self) -> None:
        """Make everything as desired."""
        self._database.transact(self._work)

    def _on_hints(self, topics: frozenset[str]) -> None:
        if "instances" not in topics:
            return
        with self._lock:
            # Its own transactions publish hints too.
            if self._converging:
                return
            self._converging = True
            try:
                self.converge()
            except Exception:
                # The change is stored; the next change, or the next start, settles it.
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
        """Place, serve and remove what is pending; return the ids."""
        due = self._reconciler.due(transaction, now)
        self._reconciler.reconcile(transaction, due, now)
        lb, amphora = columns(LoadBalancer), columns(Amphora)
        leaving = [found.id for found in transaction.find(Amphora, amphora.leaving.is_(True))]
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
    """Return the made-up address of a port on a subnet."""
    return str((_IPV4 if ip_version == 4 else _IPV6) + _number(port_id + subnet_id))


def _number(text: str) -> int:
    return int.from_bytes(uuid.uuid5(uuid.NAMESPACE_OID, text).bytes[:3], "big")
