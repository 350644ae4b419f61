"""The answers to the questions of API calls (`hydria.http.outside.Outside`)."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import structlog

from hydria.errors import NotFound, Refusal, Unavailable
from hydria.model.neutron import NeutronPort, NeutronSubnet
from hydria.neutron import questions
from hydria.neutron.calls import Calls
from hydria.neutron.rows import PortCreation
from hydria.protocols import Clock
from hydria.store import Database, columns

T = TypeVar("T")

log = structlog.get_logger(__name__)

# How long a subnet that was found is taken for unchanged (seconds).
_CACHED = 10.0
_MOST = 2000


class NeutronAnswers:
    """Asks Neutron."""

    def __init__(self, neutron: Calls, database: Database, clock: Clock) -> None:
        self._neutron = neutron
        self._database = database
        self._clock = clock
        self._found: dict[Hashable, tuple[float, Any]] = {}

    async def answer(self, question: Hashable, token: str) -> Any:
        """Return the answer to one of `questions`. Raises Neutron's Refusal, or Unavailable."""
        match question:
            case questions.SubnetOf(subnet_id, project_id):
                return await self._cached(question, lambda: self._subnet(subnet_id, project_id))
            case questions.SubnetsOfNetwork(network_id, project_id):
                sees = await self._sees(network_id, project_id)
                return await self._neutron.subnets_of(network_id) if sees else None
            case questions.PortOf(port_id, project_id):
                port = await self._neutron.port(port_id)
                return port if port is not None and project_id in (None, port.project_id) else None
            case _:
                return await self._look(question)

    async def _look(self, question: Hashable) -> Any:
        match question:
            case questions.FreeAddresses(network_id):
                return await self._neutron.free_addresses(network_id)
            case questions.Offers(alias):
                return await self._cached(question, lambda: self._neutron.offers(alias))
            case questions.QosPolicyOf(policy_id, project_id):
                return await self._neutron.has_qos_policy(policy_id, project_id)
            case questions.SecurityGroupOf(group_id, project_id):
                return await self._neutron.has_security_group(group_id, project_id)
            case _:
                return await self._do(question)

    async def _do(self, question: Hashable) -> Any:
        neutron = self._neutron
        match question:
            case questions.CreatePort():
                return await self._create(question)
            case questions.AddAddress(port_id, subnet_id, address):
                port = await self._port(port_id)
                fixed = [{"subnet_id": key, "ip_address": ip} for key, ip in port.addresses]
                return await neutron.update_port(port_id, fixed_ips=[*fixed, _fixed(subnet_id, address)])
            case questions.BindPort(port_id, device_id, device_owner):
                return await neutron.update_port(port_id, device_id=device_id, device_owner=device_owner)
            case questions.DeletePort(port_id):
                return await neutron.delete_port(port_id)
            case _:
                raise TypeError(f"Nobody answers {question}")

    async def undo(self, question: Hashable, answer: Any) -> None:
        """Undo what a question has made. A port that cannot be deleted is left to the sweep."""
        try:
            match question:
                case questions.CreatePort():
                    await self._neutron.delete_port(answer.id)
                    await self._forget(question.device_id)
                case questions.BindPort(port_id):
                    await self._neutron.update_port(port_id, device_id="", device_owner="")
                case _:
                    return
        except Refusal as refusal:
            log.warning("port_not_undone", question=str(question), reason=refusal.message)

    async def _create(self, question: questions.CreatePort) -> NeutronPort:
        """Create a VIP's port. It is written down before, so that a sweep finds it after a crash."""
        creation = PortCreation(id=question.device_id, created_at=int(self._clock.now().timestamp()))
        await self._database.run(lambda transaction: transaction.ensure(creation), writing=True)
        try:
            return await self._neutron.create_port(
                name=question.name,
                project_id=question.project_id,
                network_id=question.network_id,
                fixed_ips=[_fixed(question.subnet_id, question.address)],
                device_id=question.device_id,
                device_owner=question.device_owner,
                # It is bound nowhere: amphorae carry its addresses.
                admin_state_up=False,
            )
        except Unavailable:
            # It may have been created.
            raise
        except Refusal:
            await self._forget(question.device_id)
            raise

    async def _forget(self, device_id: str) -> None:
        gone = columns(PortCreation).id == device_id
        await self._database.run(lambda transaction: transaction.delete(PortCreation, gone), writing=True)

    async def _subnet(self, subnet_id: str, project_id: str | None) -> NeutronSubnet | None:
        subnet = await self._neutron.subnet(subnet_id)
        if subnet is None or subnet.project_id == project_id:
            return subnet
        return subnet if await self._sees(subnet.network_id, project_id) else None

    async def _sees(self, network_id: str, project_id: str | None) -> bool:
        if project_id is None:
            return await self._neutron.network(network_id) is not None
        return await self._neutron.may_use(network_id, project_id)

    async def _port(self, port_id: str) -> NeutronPort:
        port = await self._neutron.port(port_id)
        if port is None:
            raise NotFound(f"Port {port_id} could not be found.")
        return port

    async def _cached(self, question: Hashable, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        now = self._clock.monotonic()
        until, found = self._found.get(question, (0.0, None))
        if until > now:
            return found  # type: ignore[no-any-return]
        found = await ask()
        if found is not None:
            if len(self._found) >= _MOST:
                self._found.clear()
            self._found[question] = now + _CACHED, found
        return found


def _fixed(subnet_id: str, address: str | None) -> dict[str, str]:
    return {"subnet_id": subnet_id} if address is None else {"subnet_id": subnet_id, "ip_address": address}
