"""Session persistence by source IP, by HAProxy's cookie and by the application's cookie, over every change."""

import asyncio
import http.client
from collections.abc import Sequence

import pytest
from msgspec import structs

from hydria.adapters.linux.kernel import ensure_interface
from hydria.contract import Address
from hydria.model.pool import SessionPersistence
from tests.linux.haproxies import Web, ask
from tests.linux.machines import VIP, Machine
from tests.linux.wires import interface
from tests.support.trees import NETWORK, instance, listener, member, pool

CLIENTS = [f"10.0.0.{number}" for number in range(50, 57)]
MEMBERS = (member(1), member(2), member(3))


def answer(machine: Machine, client: str = CLIENTS[0], **headers: str) -> tuple[str, str]:
    """Return the member that answers, and its cookie."""
    connection = http.client.HTTPConnection(VIP, 80, timeout=5, source_address=(client, 0))
    response, body = ask(machine.client, connection, "/", headers=headers)
    assert response.status == 200, body
    return body.strip().removeprefix("you hit: "), response.getheader("set-cookie", "").partition(";")[0]


@pytest.fixture
async def clients(machine: Machine) -> list[str]:
    nic = interface(NETWORK, f"{CLIENTS[0]}/24")
    addresses = tuple(Address(ip=client, prefix=24) for client in CLIENTS)
    await asyncio.to_thread(
        ensure_interface, machine.names, machine.client, "eth0", structs.replace(nic, addresses=addresses)
    )
    return CLIENTS


def homes(machine: Machine, clients: Sequence[str]) -> dict[str, str]:
    return {client: answer(machine, client)[0] for client in clients}


async def test_source_ip_persistence_survives_reloads(machine: Machine, web: list[Web], clients: list[str]) -> None:
    by_address = pool(session_persistence=SessionPersistence(type="SOURCE_IP"))
    await machine.host.serve(instance(listener(), by_address, *MEMBERS))
    first = homes(machine, clients)
    assert set(first.values()) == {"web1", "web2", "web3"}
    for generation, timeout in enumerate((40000, 30000, 20000), start=2):
        pid = machine.pid
        changed = listener(timeout_client_data=timeout)
        # In another order the next process numbers the servers differently.
        await machine.host.serve(instance(changed, by_address, *MEMBERS[::-1], generation=generation))
        assert machine.pid != pid
        # Two reloads without a request between them.
        if generation != 2:
            assert homes(machine, clients[::-1]) == first
    pid = machine.pid
    await machine.host.serve(instance(changed, by_address, *MEMBERS[1:], generation=5))
    assert machine.pid == pid
    second = homes(machine, clients)
    assert "web1" not in second.values()
    assert {client: web for client, web in second.items() if first[client] != "web1"} == {
        client: web for client, web in first.items() if web != "web1"
    }


async def test_http_cookie_persistence_survives_reloads_and_member_changes(machine: Machine, web: list[Web]) -> None:
    by_cookie = pool(session_persistence=SessionPersistence(type="HTTP_COOKIE"))
    await machine.host.serve(instance(listener(), by_cookie, *MEMBERS[:2]))
    pid = machine.pid
    home, cookie = answer(machine)
    other, another = answer(machine)
    assert home != other
    assert cookie != another
    assert cookie.startswith("SRV=")
    await machine.host.serve(instance(listener(), by_cookie, *MEMBERS, generation=2))
    assert machine.pid == pid
    third = {answer(machine)[0] for _ in range(3)}
    assert third == {"web1", "web2", "web3"}
    await machine.host.serve(instance(listener(timeout_client_data=9000), by_cookie, *MEMBERS, generation=3))
    assert machine.pid != pid
    assert {answer(machine, Cookie=cookie)[0] for _ in range(4)} == {home}
    assert {answer(machine, Cookie=another)[0] for _ in range(4)} == {other}


async def test_app_cookie_persistence_survives_reloads(machine: Machine, web: list[Web]) -> None:
    by_session = pool(session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name="app'$x"))
    await machine.host.serve(instance(listener(), by_session, *MEMBERS))
    sessions = {}
    for number in range(3):
        for each in web:
            # Characters that would end a runtime command are part of the value.
            each.answers = {"Set-Cookie": f"app'$x=it\\s|{number}&=; path=/"}
        home, cookie = answer(machine)
        sessions[cookie] = home
    for each in web:
        each.answers = {}
    assert set(sessions.values()) == {"web1", "web2", "web3"}
    for generation in (2, 3):
        await machine.host.serve(
            instance(listener(timeout_client_data=9000 + generation), by_session, *MEMBERS, generation=generation)
        )
        for cookie, home in sessions.items():
            assert {answer(machine, Cookie=f"a=b; {cookie}")[0] for _ in range(3)} == {home}


async def test_clients_of_a_removed_member_get_another(machine: Machine, web: list[Web], clients: list[str]) -> None:
    by_address = pool(session_persistence=SessionPersistence(type="SOURCE_IP"))
    await machine.host.serve(instance(listener(), by_address, *MEMBERS))
    home, _ = answer(machine)
    await machine.host.serve(
        instance(
            listener(),
            by_address,
            *(structs.replace(each, admin_state_up=f"web{number}" != home) for number, each in enumerate(MEMBERS, 1)),
            generation=2,
        )
    )
    assert answer(machine)[0] != home
