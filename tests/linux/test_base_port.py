"""Amphorae with a base port of their own: who carries the VIPs, and what becomes of those from before."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from hydria.adapters.linux.kernel import ensure_interface
from hydria.adapters.linux.netns import inside, netlink
from hydria.adapters.linux.vip_addresses import give_up
from hydria.contract import Route
from hydria.errors import HostError
from tests.linux import datagrams
from tests.linux.base_ports import apart, on
from tests.linux.datagrams import Echo
from tests.linux.haproxies import Load, Web, get
from tests.linux.machines import Machine
from tests.linux.wires import host, interface
from tests.support.base_ports import BOTH, VIP, VIP6, amphora_id, base_port, based, sibling
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, member, monitor, pool
from tests.support.waiting import DEADLINE, eventually

TREE = (listener(), pool(), member(1), member(2))
BASE = {"10.0.0.21/24", "2001:db8::21/64"}
VIPS = {f"{VIP}/32", f"{VIP6}/128"}


@pytest.fixture
async def two(machine: Machine, web: list[Web]) -> AsyncIterator[Machine]:
    """A machine that may have a second amphora, whose client also has an IPv6 address."""
    client = interface(NETWORK, "10.0.0.50/24", "2001:db8::50/64")
    await asyncio.to_thread(ensure_interface, machine.names, machine.client, "eth0", client)
    yield machine
    await machine.host.withdraw(amphora_id(2))


def both(machine: Machine) -> tuple[str, str]:
    """Ask both VIPs."""
    return get(machine.client, VIP)[1], get(machine.client, VIP6)[1]


async def test_an_active_amphora_carries_the_vips(two: Machine) -> None:
    await two.host.serve(based(*TREE))
    assert on(two, 1) == BASE | VIPS
    assert all("you hit: web" in each for each in both(two))
    assert (await two.host.observe(AMPHORA)).carries_vip


async def test_an_amphora_of_the_old_form_carries_its_vip(two: Machine) -> None:
    await two.host.serve(instance(*TREE))
    assert (await two.host.observe(AMPHORA)).carries_vip


def source(namespace: str, target: str) -> str:
    """Return the address that the kernel sends from."""
    with inside(namespace), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.connect((target, 9))
        return str(sender.getsockname()[0])


async def test_members_see_the_base_address(two: Machine, web: list[Web]) -> None:
    await two.host.serve(based(*TREE))
    both(two)
    assert {each.peer for each in web[:2]} == {"10.0.0.21"}
    assert apart(source, two.names.amphora(AMPHORA), "2001:db8::11") == "2001:db8::21"


async def test_a_standby_serves_everything_but_the_vips(two: Machine) -> None:
    await two.host.serve(based(*TREE, monitor(delay=1, timeout=1), duty="standby"))
    assert on(two, 1) == BASE
    assert not (await two.host.observe(AMPHORA)).carries_vip

    async def checked() -> bool:
        return (await two.host.observe(AMPHORA)).servers[key("3", 1)] == "up"

    await eventually(checked)
    with pytest.raises(OSError, match=r"No route|timed out"):
        get(two.client, VIP)
    await two.host.serve(based(*TREE, monitor(delay=1, timeout=1), generation=2))
    assert all("you hit: web" in each for each in both(two))


async def test_an_amphora_gives_up_the_vips(two: Machine) -> None:
    await two.host.serve(based(*TREE))
    await two.host.serve(based(*TREE, duty="standby", generation=2))
    assert (on(two, 1), on(two, 1, "lo")) == (BASE, set())
    assert not (await two.host.observe(AMPHORA)).carries_vip


async def test_neighbours_learn_at_once_who_has_taken_the_vips(two: Machine) -> None:
    await two.host.serve(based(*TREE, secure=True))
    await two.host.serve(based(*TREE, number=2, duty="standby", secure=True))
    assert all("you hit: web" in each for each in both(two))
    await two.host.serve(based(*TREE, number=2, secure=True, generation=2))
    await two.host.withdraw(AMPHORA)
    assert all("you hit: web" in each for each in both(two))


@pytest.mark.parametrize(("probe", "wanted"), [(False, 2), (True, 4)])
async def test_vips_that_somebody_may_have_had_are_announced_more_often(two: Machine, probe: bool, wanted: int) -> None:
    with inside(two.client):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    with tap:
        await two.host.serve(structs.replace(based(*TREE), probe=probe))
        for _ in range(wanted):
            assert await asyncio.to_thread(announced, tap, DEADLINE)
        assert not await asyncio.to_thread(announced, tap, 3)


def announced(tap: socket.socket, seconds: float) -> bool:
    """Wait for a gratuitous ARP request for the VIP; return whether it came in time."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tap.settimeout(left)
        try:
            frame = tap.recv(2048)
        except TimeoutError:
            return False
        # It asks for the sender's own address.
        if socket.inet_aton(VIP) + bytes(6) + socket.inet_aton(VIP) in frame:
            return True
    return False


async def test_a_lost_vip_comes_back(two: Machine) -> None:
    await two.host.serve(based(*TREE))
    apart(give_up, two.names.amphora(AMPHORA), "eth0", [VIP])
    assert on(two, 1) < BASE | VIPS

    async def back() -> bool:
        await two.host.observe(AMPHORA)
        return on(two, 1) == BASE | VIPS

    await eventually(back)
    assert all("you hit: web" in each for each in both(two))


async def test_datagrams_reach_the_vips(two: Machine) -> None:
    echo = Echo(apart(host, two.names, "echo1", interface(NETWORK, "10.0.0.31/24")), "echo1", "10.0.0.31")
    udp = (
        listener(2, protocol="UDP", protocol_port=53, default_pool_id=key("2", 2)),
        pool(2, protocol="UDP"),
        member(3, pool_id=key("2", 2), address="10.0.0.31", protocol_port=5353),
    )
    try:
        await two.host.serve(based(*TREE, *udp))
        assert datagrams.shares(two.client, VIP, 3) == {"echo1": 3}
        assert set(echo.askers) == {"10.0.0.21"}
    finally:
        echo.stop()


def mac_and_gateways(namespace: str) -> tuple[str, list[str]]:
    with netlink(namespace) as here:
        (link,) = here.link("get", ifname="eth0")
        return link.get("address"), [route.get("gateway") for route in here.get_default_routes()]


async def test_an_amphora_from_before_gets_a_base_port_without_losing_a_request(two: Machine) -> None:
    old = instance(*TREE, root=BOTH)
    nic = structs.replace(old.interfaces[0], port_security=True)
    await two.host.serve(structs.replace(old, interfaces=(nic,)))
    before = two.pid
    with Load(two.client, VIP) as load, Load(two.client, VIP6) as load6:
        await eventually(lambda: min(load.answers, load6.answers) > 20)
        routes = (Route(destination="0.0.0.0/0", via="10.0.0.1"),)
        nic = structs.replace(base_port(secure=True), routes=routes)
        await two.host.serve(based(*TREE, generation=2, interfaces=(nic,)))
        now = load.answers, load6.answers
        await eventually(lambda: load.answers > now[0] + 20 and load6.answers > now[1] + 20)
    assert load.failures + load6.failures == []
    assert on(two, 1) == BASE | VIPS
    assert two.pid == before
    assert apart(mac_and_gateways, two.names.amphora(AMPHORA)) == (base_port().mac, ["10.0.0.1"])


async def test_a_connection_goes_on_while_the_amphora_gets_a_base_port(two: Machine) -> None:
    tcp = (listener(protocol="TCP"), pool(protocol="TCP"), member(1))
    await two.host.serve(instance(*tcp))
    with inside(two.client):
        client = socket.create_connection((VIP, 80), 60)
    with client:
        await two.host.serve(based(*tcp, generation=2))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"you hit: web1" in await asyncio.to_thread(client.makefile("rb").read)


async def test_a_vip_that_somebody_else_has_is_not_taken(two: Machine) -> None:
    other = interface(NETWORK, f"{VIP}/24", f"{VIP6}/64")
    await asyncio.to_thread(host, two.names, "other", other)
    with pytest.raises(HostError) as refusal:
        await two.host.serve(based(*TREE, probe=True, secure=True))
    assert f"{VIP} is used by the MAC {other.mac}" in str(refusal.value)
    assert f"{VIP6} is used by the MAC {other.mac}" in str(refusal.value)
    assert on(two, 1) == BASE


async def test_a_vip_that_another_amphora_hands_over_is_taken(two: Machine) -> None:
    await two.host.serve(based(*TREE))
    await two.host.serve(based(*TREE, number=2, probe=True, hand_over=(sibling(1),)))
    assert on(two, 2) > VIPS
    # It has them already, so it need not look again.
    await two.host.serve(based(*TREE, number=2, probe=True, generation=2))
