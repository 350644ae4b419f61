"""The state that a pair shares: stick tables, TLS sessions, members of datagram flows. The other one takes over."""

import asyncio
import base64
import contextlib
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec import structs

from hydria.adapters.linux import haproxy_socket
from hydria.adapters.linux.kernel import ensure_interface
from hydria.adapters.linux.netns import inside
from hydria.adapters.linux.processes import find_all
from hydria.contract import Address
from hydria.model.pool import SessionPersistence
from tests.linux import datagrams
from tests.linux.base_ports import apart, on
from tests.linux.datagrams import Echo
from tests.linux.haproxies import Web
from tests.linux.machines import Machine
from tests.linux.test_persistence import CLIENTS, homes
from tests.linux.wires import host, interface
from tests.support import certificates
from tests.support.base_ports import VIP, VIP6, amphora_id, paired
from tests.support.trees import NETWORK, key, listener, member, pool
from tests.support.waiting import eventually

VIPS = {f"{VIP}/32", f"{VIP6}/128"}


@pytest.fixture
async def two(machine: Machine, web: list[Web]) -> AsyncIterator[Machine]:
    nic = interface(NETWORK, f"{CLIENTS[0]}/24")
    addresses = tuple(Address(ip=client, prefix=24) for client in CLIENTS)
    nic = structs.replace(nic, addresses=addresses)
    await asyncio.to_thread(ensure_interface, machine.names, machine.client, "eth0", nic)
    yield machine
    await machine.host.withdraw(amphora_id(2))


async def pair(machine: Machine, *tree: object, generation: int = 1) -> None:
    """Serve a pair; the first carries the VIPs."""
    await machine.host.serve(paired(*tree, generation=generation))
    await eventually(lambda: on(machine, 1) >= VIPS)
    await machine.host.serve(paired(*tree, number=2, generation=generation))


async def take_over(machine: Machine) -> None:
    """End the first amphora, without the agent."""
    files = machine.directory / "run/amphorae" / amphora_id(1)
    for name in ("keepalived.conf", "candidate.cfg"):
        for process in find_all(str(files / name)):
            process.signal(signal.SIGKILL)
            process.close()
    await eventually(lambda: on(machine, 2) >= VIPS)
    await machine.host.withdraw(amphora_id(1))


@pytest.mark.parametrize("reloaded", [False, True])
async def test_clients_keep_their_members_after_a_takeover(two: Machine, reloaded: bool) -> None:
    by_address = pool(session_persistence=SessionPersistence(type="SOURCE_IP"))
    members = [member(1), member(2), member(3)]
    await pair(two, listener(), by_address, *members)
    first = await asyncio.to_thread(homes, two, CLIENTS)
    assert set(first.values()) == {"web1", "web2", "web3"}
    if reloaded:
        # Within the first ten seconds of both processes, each of which learns from the other.
        slower = listener(timeout_client_data=40000)
        for number in (2, 1):
            await two.host.serve(paired(slower, by_address, *reversed(members), number=number, generation=2))
    await shared(two, len(first))
    await take_over(two)
    assert await asyncio.to_thread(homes, two, CLIENTS[::-1]) == first


async def shared(machine: Machine, number: int) -> None:
    """Wait until the second amphora has learnt all entries of the first."""
    path = machine.directory / "run/amphorae" / amphora_id(2) / "haproxy.sock"

    async def learnt() -> bool:
        shown = await haproxy_socket.ask(str(path), f"show table {key('2', 1)}:{key('1', 1)}")
        return shown.count(" key=") == number

    await eventually(learnt)


async def test_a_member_that_is_added_at_runtime_is_the_same_in_both(two: Machine) -> None:
    by_address = pool(session_persistence=SessionPersistence(type="SOURCE_IP"))
    await pair(two, listener(), by_address, member(1))
    before = two.pid
    # The members are added in another order.
    await two.host.serve(paired(listener(), by_address, *(member(each) for each in (1, 2, 3)), generation=2))
    await two.host.serve(paired(listener(), by_address, *(member(each) for each in (3, 2, 1)), number=2, generation=2))
    assert two.pid == before
    first = await asyncio.to_thread(homes, two, CLIENTS)
    assert len(set(first.values())) == 3
    await shared(two, len(first))
    await take_over(two)
    assert await asyncio.to_thread(homes, two, CLIENTS[::-1]) == first


def keys(*numbers: int) -> tuple[str, ...]:
    return tuple(base64.b64encode(bytes([number]) * 80).decode() for number in numbers)


class Visitor:
    """A TLS client, whose sessions belong to its context."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._how = ssl.create_default_context(cadata=certificates.authority().pem)
        # Its tickets come with the handshake.
        self._how.maximum_version = ssl.TLSVersion.TLSv1_2
        self._session: ssl.SSLSession | None = None

    def resumes(self) -> bool:
        """Connect; say whether the session of the connection before was resumed."""
        with inside(self._namespace):
            plain = socket.create_connection((VIP, 443), timeout=60)
        with plain, self._how.wrap_socket(plain, server_hostname="www.example.org", session=self._session) as wrapped:
            self._session = wrapped.session
            return bool(wrapped.session_reused)


@pytest.mark.parametrize("changed", [False, True])
async def test_tls_sessions_are_resumed_after_a_takeover(two: Machine, changed: bool) -> None:
    secure = listener(protocol="TERMINATED_HTTPS", protocol_port=443, default_tls_container_ref="leaf")
    secrets = {"leaf": certificates.leaf("www.example.org").bundle}
    tree = (secure, pool(), member(1))
    await two.host.serve(paired(*tree, secrets=secrets, ticket_keys=keys(1, 2, 3)))
    await eventually(lambda: on(two, 1) >= VIPS)
    await two.host.serve(paired(*tree, number=2, secrets=secrets, ticket_keys=keys(1, 2, 3)))
    visitor = Visitor(two.client)
    assert not await asyncio.to_thread(visitor.resumes)
    assert await asyncio.to_thread(visitor.resumes)
    if changed:
        before = two.pid
        for number in (1, 2):
            order = paired(*tree, number=number, secrets=secrets, ticket_keys=keys(2, 3, 4), generation=2)
            await two.host.serve(order)
        # A new key needs no other process, and a restarted agent has the keys.
        await two.restart()
        remembered = (await two.host.remembered())[amphora_id(1)]
        assert (remembered.generation, remembered.ticket_keys) == (2, keys(2, 3, 4))
        await two.host.serve(remembered)
        assert two.pid == before
        assert keys(4)[0] not in (two.directory / "state/agent" / f"{amphora_id(1)}.json").read_text()
    await take_over(two)
    assert await asyncio.to_thread(visitor.resumes)


@pytest.fixture
def echoing(two: Machine) -> Iterator[None]:
    with contextlib.ExitStack() as running:
        for number in (1, 2, 3):
            address = f"10.0.0.{30 + number}"
            namespace = apart(host, two.names, f"echo{number}", interface(NETWORK, f"{address}/24"))
            echo = Echo(namespace, f"echo{number}", address)
            running.callback(echo.stop)
        yield


async def test_a_datagram_flow_keeps_its_member_after_a_takeover(two: Machine, echoing: None) -> None:
    udp = (
        listener(protocol="UDP", protocol_port=53),
        pool(protocol="UDP"),
        *(member(number, address=f"10.0.0.{30 + number}", protocol_port=5353) for number in (1, 2, 3)),
    )
    await pair(two, *udp)
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(datagrams.Client(two.client, VIP)) for _ in range(16)]
        first = [client.ask() for client in clients]
        assert set(first) == {"echo1", "echo2", "echo3"}
        await take_over(two)
        assert [client.ask() for client in clients] == first
