"""The ports of amphorae on their members' subnets: made and deleted here, and only here."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select

from hydria.controller.interfaces import extra_subnets
from hydria.errors import Refusal
from hydria.model import LoadBalancer, Member
from hydria.model.network import PORT_OWNER, Device
from hydria.protocols import Networking
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, AmphoraPort
from hydria.store.tables import rows_of


class PortError(Exception):
    """An amphora cannot get a port that it needs; the message is for the load balancer's owner."""


class AmphoraPorts:
    """Makes and deletes the ports of the amphorae of some load balancers, in one transaction.

    A port is made before a host gets it, and deleted after the host has reported that it does not use it.
    """

    def __init__(
        self, transaction: Transaction, networking: Networking, load_balancer_ids: Sequence[str], *, attached: bool
    ) -> None:
        """`attached` is False where no host attaches ports (noop mode), so that amphorae need none."""
        self._transaction = transaction
        self._networking = networking
        self._load_balancer_ids = load_balancer_ids
        self._attached = attached
        # The subnets of members by load balancer; None until they were read.
        self._member_subnets: dict[str, list[str]] | None = None

    def ensure(self, load_balancer: LoadBalancer, amphora: Amphora) -> None:
        """Make the ports that an amphora needs and does not have. Raises PortError."""
        if not self._attached:
            return
        if self._networking.port(load_balancer.vip_port_id, None) is None:
            raise PortError(
                f"The VIP port {load_balancer.vip_port_id} does not exist any more. Delete the load balancer and "
                "create it again."
            )
        needed = self._needed(load_balancer)
        if not needed:
            return
        rows = ports_of(self._transaction, amphora.id)
        # The network service decides what is there: its port may be gone, or may have outlived a failed transaction.
        there = {subnet: port.id for port in self._networking.ports_of(amphora.id) for subnet, _ in port.fixed_ips}
        for subnet_id in needed:
            if subnet_id in rows and rows[subnet_id] == there.get(subnet_id):
                continue
            port_id = there.get(subnet_id) or self._make(load_balancer, amphora, subnet_id)
            row = AmphoraPort(amphora_id=amphora.id, subnet_id=subnet_id, port_id=port_id)
            if subnet_id in rows:
                self._transaction.update(row)
            else:
                self._transaction.insert(row)
            self._transaction.hint("instances")

    def release(self, load_balancer: LoadBalancer, amphora: Amphora) -> None:
        """Delete the ports on subnets that have no members any more."""
        there = ports_of(self._transaction, amphora.id)
        needed = self._needed(load_balancer) if there else []
        for subnet_id, port_id in there.items():
            if subnet_id not in needed:
                self._networking.delete_port(port_id)
                c = columns(AmphoraPort)
                self._transaction.delete(AmphoraPort, c.amphora_id == amphora.id, c.subnet_id == subnet_id)

    def _needed(self, load_balancer: LoadBalancer) -> list[str]:
        if self._member_subnets is None:
            self._member_subnets = defaultdict(list)
            for row in self._transaction.execute(_member_subnets(), {"keys": self._load_balancer_ids}):
                key, subnet_id = tuple(row)
                self._member_subnets[key].append(subnet_id)
        return extra_subnets(load_balancer, self._member_subnets[load_balancer.id])

    def _make(self, load_balancer: LoadBalancer, amphora: Amphora, subnet_id: str) -> str:
        subnet = self._networking.subnet(subnet_id, None)
        if subnet is None:
            raise PortError(f"The members' subnet {subnet_id} does not exist any more. Remove its members.")
        device = Device(id=amphora.id, owner=PORT_OWNER)
        name = f"octavia-lb-{load_balancer.id}-members"
        try:
            return self._networking.create_port(name, load_balancer.project_id, subnet, None, device).id
        except Refusal as refusal:
            raise PortError(
                f"The load balancer gets no port on the members' subnet {subnet_id}: {refusal.message}"
            ) from None


def ports_of(transaction: Transaction, amphora_id: str) -> dict[str, str]:
    """Return the ids of an amphora's own ports by subnet id."""
    found = transaction.load(AmphoraPort, _ports(), {"key": amphora_id})
    return {each.subnet_id: each.port_id for each in found}


def delete_ports(transaction: Transaction, networking: Networking, amphora_id: str) -> None:
    """Delete all ports of an amphora that is gone from its host."""
    for port in networking.ports_of(amphora_id):
        networking.delete_port(port.id)
    transaction.delete(AmphoraPort, columns(AmphoraPort).amphora_id == amphora_id)


def lacks_port() -> Any:
    """Say in SQL of a load balancer whether an amphora that stays has no port on a subnet of its members.

    The subnets of additional VIPs are not looked at: such a load balancer is looked at once more than it need be.
    """
    lb, amphora, member, port = columns(LoadBalancer), columns(Amphora), columns(Member), columns(AmphoraPort)
    has = select(port.port_id).where(port.amphora_id == amphora.id, port.subnet_id == member.subnet_id).exists()
    joined = rows_of(Member).table.join(rows_of(Amphora).table, amphora.load_balancer_id == member.load_balancer_id)
    return (
        select(member.id)
        .select_from(joined)
        .where(member.load_balancer_id == lb.id, member.deleted_in.is_(None), amphora.leaving.is_(False))
        .where(member.subnet_id.is_not(None), member.subnet_id != lb.vip_subnet_id, ~has)
        .correlate(rows_of(LoadBalancer).table)
        .exists()
    )


@cache
def _ports() -> Select[Any]:
    return select(rows_of(AmphoraPort).table).where(columns(AmphoraPort).amphora_id == bindparam("key"))


@cache
def _member_subnets() -> Select[Any]:
    c = columns(Member)
    concerned = c.load_balancer_id.in_(bindparam("keys", expanding=True))
    found = select(c.load_balancer_id, c.subnet_id).distinct()
    return found.where(concerned, c.deleted_in.is_(None), c.subnet_id.is_not(None))
