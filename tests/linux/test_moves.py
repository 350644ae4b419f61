"""A planned move of the VIPs from one amphora to another: no request is lost, and open connections go on."""

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hydria.adapters.linux import nft
from hydria.adapters.linux.kernel import ensure_interface
from hydria.adapters.linux.netns import inside
from hydria.adapters.linux.processes import find_all
from hydria.contract import Instance
from tests.linux.base_ports import apart, on
from tests.linux.haproxies import Load, Web, get
from tests.linux.machines import Machine
from tests.linux.streams import PIECES, PORT, Session, streams
from tests.linux.test_upgrades import Installed
from tests.linux.wires import interface
from tests.support.base_ports import VIP, VIP6, amphora_id, based, paired, sibling
from tests.support.trees import NETWORK, key, listener, member, pool
from tests.support.waiting import eventually

FEW = 2
VIPS = {f"{VIP}/32", f"{VIP6}/128"}
STREAMS = {"address": "10.0.0.30", "protocol_port": PORT}
TREE = (
    listener(),
    pool(),
    member(1),
    member(2),
    listener(2, protocol="TCP", protocol_port=9000, default_pool_id=key("2", 2)),
    pool(2, protocol="TCP"),
    member(3, pool_id=key("2", 2), **STREAMS),
    listener(3, protocol_port=9001, default_pool_id=key("2", 3)),
    pool(3),
    member(4, pool_id=key("2", 3), **STREAMS),
)


@pytest.fixture
def stream(machine: Machine, web: list[Web]) -> Iterator[None]:
    client = interface(NETWORK, "10.0.0.50/24", "2001:db8::50/64")
    apart(ensure_interface, machine.names, machine.client, "eth0", client)
    with contextlib.ExitStack() as running:
        apart(lambda: running.enter_context(streams(machine.names, "10.0.0.30")))
        yield


@pytest.fixture
async def moving(machine: Machine, stream: None) -> AsyncIterator[Machine]:
    yield machine
    for number in (2, 3):
        await machine.host.withdraw(amphora_id(number))


class Clients:
    """Open connections of all kinds: TCP, WebSocket, keep-alive HTTP, a download."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.sessions = [
            Session(machine.client, vip, port, upgrade=port == 9001) for vip in (VIP, VIP6) for port in (9000, 9001)
        ]
        self.kept = [http.client.HTTPConnection(vip, 80, timeout=60) for vip in (VIP, VIP6)]
        self.ask()
        self._download = http.client.HTTPConnection(VIP, 9001, timeout=60)
        with inside(machine.client):
            self._download.request("GET", "/download")

    def use(self, word: str) -> None:
        """Say something on each connection."""
        assert [each.say(word) for each in self.sessions] == [word] * len(self.sessions)
        self.ask()

    def ask(self) -> None:
        for each in self.kept:
            with inside(self._machine.client):
                each.request("GET", "/")
            assert each.getresponse().read().startswith(b"you hit: web")

    def finish(self) -> None:
        assert len(self._download.getresponse().read()) == PIECES
        for session in self.sessions:
            session.close()
        for connection in (*self.kept, self._download):
            connection.close()


async def move(machine: Machine, before: Instance, after: list[Instance]) -> None:
    """Order what the server orders; `after` are those that stay, with `hand_over`, and `before` drains."""
    if before.vrrp is None:
        # In this step it has the VIPs still.
        await machine.host.serve(structs.replace(before, duty="active", generation=2))
    for each in after:
        await machine.host.serve(each)

    async def taken() -> bool:
        return any([(await machine.host.observe(each.amphora_id)).carries_vip for each in after])

    if before.vrrp is None:
        await eventually(taken)
    await machine.host.serve(before)
    await eventually(taken)
    assert not (await machine.host.observe(before.amphora_id)).carries_vip


def _pair(number: int) -> dict[str, Any]:
    return {"secure": True, "number": number}


async def connections(machine: Machine, number: int) -> int:
    seen = await machine.host.observe(amphora_id(number))
    return sum(each.active_connections for each in seen.counters.values())


async def test_a_single_amphora_is_replaced_without_loss(moving: Machine) -> None:
    await moving.host.serve(based(*TREE, secure=True))
    await moving.host.serve(based(*TREE, number=2, secure=True, duty="standby"))
    clients = await asyncio.to_thread(Clients, moving)
    with Load(moving.client, VIP) as load, Load(moving.client, VIP6) as load6:
        await eventually(lambda: min(load.answers, load6.answers) > 20)
        new = based(*TREE, number=2, secure=True, generation=2, hand_over=(sibling(1),), probe=True)
        await move(moving, based(*TREE, secure=True, duty="draining", generation=3, successors=(sibling(2),)), [new])
        await asyncio.to_thread(clients.use, "moved")
        answers = load.answers, load6.answers
        await eventually(lambda: load.answers > answers[0] + 20 and load6.answers > answers[1] + 100 * FEW)
        await asyncio.to_thread(clients.use, "again")
    assert load.failures == []
    # While both have the VIPs, the old one's neighbour solicitations may draw IPv6 clients back (a limit in pairs.md).
    assert len(load6.failures) <= FEW, load6.failures
    assert load6.answers > 100 * FEW
    assert on(moving, 2) >= VIPS
    assert await connections(moving, 1) >= 5
    await asyncio.to_thread(clients.finish)

    async def drained() -> bool:
        return await connections(moving, 1) == 0

    await eventually(drained)
    with Load(moving.client, VIP) as load:
        await eventually(lambda: load.answers > 20)
        await moving.host.withdraw(amphora_id(1))
        await moving.host.serve(based(*TREE, number=2, secure=True, generation=4))
        answers = load.answers, 0
        await eventually(lambda: load.answers > answers[0] + 20)
    assert load.failures == []
    assert apart(nft.rules_by_chain, moving.names.amphora(amphora_id(2)), "ip", "hydria_hand_over") == {}


def keepalived_of(machine: Machine, number: int) -> int:
    """Return the number of the amphora's keepalived."""
    configuration = machine.directory / "run/amphorae" / amphora_id(number) / "keepalived.conf"
    pids = []
    for process in find_all(str(configuration)):
        pids.append(process.pid)
        process.close()
    return min(pids)


async def test_an_amphora_of_a_pair_is_replaced_without_loss_by_one_with_a_new_keepalived(
    moving: Machine, place: Path
) -> None:
    keepalived = Installed(place, "keepalived")
    await moving.restart(keepalived=str(keepalived.path))
    first, second = _pair(1), _pair(2)
    await moving.host.serve(paired(*TREE, **first))
    await eventually(lambda: on(moving, 1) >= VIPS)
    await moving.host.serve(paired(*TREE, **second))
    clients = await asyncio.to_thread(Clients, moving)
    with Load(moving.client, VIP) as load, Load(moving.client, VIP6) as load6:
        await eventually(lambda: min(load.answers, load6.answers) > 20)
        before = [keepalived_of(moving, number) for number in (1, 2)]
        keepalived.install()
        # The third joins.
        third = {**_pair(3), "vrrp": paired().vrrp}
        handing: dict[str, Any] = {"hand_over": (sibling(1),), "generation": 2}
        stay = [
            paired(*TREE, **second, siblings=(sibling(1), sibling(3)), **handing),
            paired(*TREE, **third, siblings=(sibling(1), sibling(2)), **handing),
        ]
        await moving.host.serve(paired(*TREE, **first, siblings=(sibling(2), sibling(3)), generation=2))
        await move(moving, paired(*TREE, **first, siblings=(), duty="draining", generation=3), stay)
        assert keepalived.runs(keepalived_of(moving, 3))
        # Those that run go on, however the program's file changes.
        assert keepalived_of(moving, 2) == before[1]
        assert not keepalived.runs(before[1])
        await asyncio.to_thread(clients.use, "moved")
        answers = load.answers, load6.answers
        await eventually(lambda: load.answers > answers[0] + 20 and load6.answers > answers[1] + 20)
    assert load.failures + load6.failures == []
    await asyncio.to_thread(clients.finish)


async def test_the_connections_of_an_amphora_that_stays_are_its_own(moving: Machine) -> None:
    """The other one of the pair, which never carried the VIPs, is replaced."""
    first, second = _pair(1), _pair(2)
    await moving.host.serve(paired(*TREE, **first))
    await eventually(lambda: on(moving, 1) >= VIPS)
    await moving.host.serve(paired(*TREE, **second))
    clients = await asyncio.to_thread(Clients, moving)
    await moving.host.serve(paired(*TREE, **first, hand_over=(sibling(2),), generation=2))
    await moving.host.serve(paired(*TREE, **second, siblings=(), duty="draining", generation=2))
    await asyncio.to_thread(clients.use, "still")
    # The rules are loaded again, where somebody else removed them.
    apart(nft.load, moving.names.amphora(amphora_id(1)), "delete table ip hydria_hand_over\n")
    await moving.host.serve(paired(*TREE, **first, hand_over=(sibling(2),), generation=3))
    await asyncio.to_thread(clients.use, "here")
    await asyncio.to_thread(clients.finish)
    assert get(moving.client, VIP)[0] == 200


async def test_a_draining_amphora_asks_its_clients_to_connect_anew(moving: Machine) -> None:
    await moving.host.serve(based(*TREE))
    await moving.host.serve(based(*TREE, number=2, duty="standby"))
    kept = http.client.HTTPConnection(VIP, 80, timeout=60)

    def ask() -> str | None:
        with inside(moving.client):
            kept.request("GET", "/")
        answer = kept.getresponse()
        answer.read()
        return answer.headers.get("Connection")

    assert await asyncio.to_thread(ask) is None
    new = based(*TREE, number=2, generation=2, hand_over=(sibling(1),))
    # A client whose neighbour entry still names the old amphora is forwarded by it to the new one.
    await move(moving, based(*TREE, duty="draining", generation=2, successors=(sibling(2),)), [new])
    assert await asyncio.to_thread(ask) == "close"

    async def drained() -> bool:
        return await connections(moving, 1) == 0

    await eventually(drained)
    assert await asyncio.to_thread(ask) is None
    kept.close()
