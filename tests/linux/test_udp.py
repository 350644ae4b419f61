"""UDP through an amphora, with real datagrams between namespaces."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hydria.adapters.linux import netns, nft
from hydria.adapters.linux.conntrack import end_flows
from hydria.contract import Address, FirewallRule
from hydria.errors import HostError
from hydria.model import Listener, Member, Pool
from hydria.model.load_balancer import AdditionalVip
from hydria.model.pool import SessionPersistence
from hydria.render.datagram import TABLE, ruleset
from tests.linux.datagrams import Client, Echo, add_address, ask, echoes, shares
from tests.linux.haproxies import Web, webs
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, load_balancer, member, monitor, pool
from tests.support.waiting import eventually


def udp(**values: Any) -> Listener:
    return listener(1, **({"protocol": "UDP", "protocol_port": 53} | values))


def udp_pool(**values: Any) -> Pool:
    return pool(**({"protocol": "UDP"} | values))


def echo(number: int, **values: Any) -> Member:
    return member(number, **({"protocol_port": 5353} | values))


BASE = (udp(), udp_pool(), echo(1), echo(2))
# The kernel limits ICMP errors to one client.
REFUSED = (ConnectionRefusedError, TimeoutError)

CHECKED = monitor(type="UDP-CONNECT", delay=1, timeout=1, max_retries=1, max_retries_down=1)
ONE = instance(udp(), udp_pool(), echo(1))

KEPT = SessionPersistence(type="SOURCE_IP", persistence_timeout=100, persistence_granularity="255.255.255.254")


@pytest.fixture
def members(machine: Machine) -> Iterator[list[Echo]]:
    with echoes(machine.names, NETWORK, "10.0.0.11/24", "10.0.0.12/24", "10.0.0.13/24") as running:
        yield running


@pytest.fixture
def web(machine: Machine) -> Iterator[list[Web]]:
    with webs(machine.names, NETWORK, "10.0.0.21") as running:
        yield running


@pytest.fixture
def six(machine: Machine) -> Iterator[list[Echo]]:
    """Members and a client with IPv6."""
    add_address(machine.client, "2001:db8::50/64")
    with echoes(machine.names, NETWORK, "2001:db8::11/64", "2001:db8::12/64", name="six") as running:
        yield running


@pytest.fixture
def sources(machine: Machine) -> list[str]:
    """The client's addresses."""
    found = [f"10.0.0.{last}" for last in range(50, 55)]
    for address in found[1:]:
        add_address(machine.client, f"{address}/24")
    return found


async def states(machine: Machine) -> dict[str, str]:
    return dict((await machine.host.observe(AMPHORA)).servers)


def _redirects(namespace: str) -> int:
    """Return how many ICMP redirects the kernel has sent."""
    with netns.inside(namespace):
        text = Path("/proc/thread-self/net/snmp").read_text()
    names, numbers = [line.split() for line in text.splitlines() if line.startswith("Icmp:")]
    return int(dict(zip(names, numbers, strict=True))["OutRedirects"])


async def test_flows_are_balanced_by_weight_and_stay(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE))
    assert shares(machine.client, VIP, 20) == {"echo1": 10, "echo2": 10}
    # Members see the amphora's address, so that answers come back through it.
    assert set(members[0].askers) == {VIP}
    with Client(machine.client, VIP) as client:
        assert len({client.ask() for _ in range(10)}) == 1
    await machine.host.serve(instance(*BASE[:3], echo(2, weight=256), echo(3, weight=128), generation=2))
    assert shares(machine.client, VIP, 385) == {"echo1": 1, "echo2": 256, "echo3": 128}
    assert set((await states(machine)).values()) == {"unchecked"}


async def test_no_client_gets_an_icmp_redirect_to_a_member(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(ONE)
    assert shares(machine.client, VIP, 2) == {"echo1": 2}
    assert _redirects(machine.names.amphora(AMPHORA)) == 0


async def test_a_drained_member_keeps_its_flows_and_gets_no_new_ones(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE))
    with Client(machine.client, VIP) as one, Client(machine.client, VIP) as other:
        assert {one.ask(), other.ask()} == {"echo1", "echo2"}
        before = one.ask(), other.ask()
        await machine.host.serve(instance(*BASE[:2], echo(1, weight=0), echo(2), generation=2))
        assert (one.ask(), other.ask()) == before
        assert shares(machine.client, VIP, 6) == {"echo2": 6}
        # When it is switched off, its flows go to another member at once.
        await machine.host.serve(instance(*BASE[:2], echo(1, admin_state_up=False), echo(2), generation=3))
        assert (one.ask(), other.ask()) == ("echo2", "echo2")


async def test_backups_serve_while_no_other_member_does(machine: Machine, members: list[Echo]) -> None:
    tree = (udp(), udp_pool(), echo(1), echo(2, backup=True), echo(3, backup=True))
    await machine.host.serve(instance(*tree))
    assert shares(machine.client, VIP, 4) == {"echo1": 4}
    await machine.host.serve(instance(*tree[:2], echo(1, admin_state_up=False), *tree[3:], generation=2))
    assert shares(machine.client, VIP, 4) == {"echo2": 2, "echo3": 2}


@pytest.mark.parametrize(
    "off", [(udp(admin_state_up=False), *BASE[1:]), (udp(), udp_pool(admin_state_up=False), *BASE[2:]), BASE[:2], ()]
)
async def test_a_switched_off_resource_refuses_at_once_and_comes_back(
    machine: Machine, members: list[Echo], off: tuple[Any, ...]
) -> None:
    with Client(machine.client, VIP, seconds=0.3) as client:
        await machine.host.serve(instance(*off))
        with pytest.raises(REFUSED):
            client.ask()
        await machine.host.serve(instance(*BASE, generation=2))
        assert client.ask().startswith("echo")
        await machine.host.serve(instance(*off, generation=3))
        with pytest.raises(REFUSED):
            client.ask()


async def test_a_dead_member_loses_its_flows_at_once_and_comes_back(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE, CHECKED))

    async def both_up() -> bool:
        return await states(machine) == {key("3", 1): "up", key("3", 2): "up"}

    await eventually(both_up)
    with Client(machine.client, VIP) as one, Client(machine.client, VIP) as other:
        assert {one.ask(), other.ask()} == {"echo1", "echo2"}
        members[0].stop()

        async def down() -> bool:
            assert await machine.host.changed() == AMPHORA
            return (await states(machine))[key("3", 1)] == "down"

        async with asyncio.timeout(5):
            await eventually(down)
        # The socket of a refused flow may have one pending error.
        assert (one.ask(), other.ask()) == ("echo2", "echo2")
        # A restarted agent keeps the state and sends it no clients.
        await machine.restart()
        await machine.host.serve(instance(*BASE, CHECKED))
        assert shares(machine.client, VIP, 4) == {"echo2": 4}
        members[0].start()
        await eventually(both_up)
        assert shares(machine.client, VIP, 4) == {"echo1": 2, "echo2": 2}
        assert (one.ask(), other.ask()) == ("echo2", "echo2")


async def test_a_member_whose_host_is_gone_is_down(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE, echo(4), CHECKED))

    async def down() -> bool:
        return (await states(machine))[key("3", 4)] == "down"

    await eventually(down)
    assert shares(machine.client, VIP, 6) == {"echo1": 3, "echo2": 3}


@pytest.mark.parametrize("kind", ["TCP", "HTTP"])
async def test_datagram_pools_are_checked_by_tcp_and_http(machine: Machine, web: list[Web], kind: str) -> None:
    checked = monitor(type=kind, delay=1, timeout=1, max_retries=1, max_retries_down=1)
    at = {"monitor_port": 80, "monitor_address": "10.0.0.21"}
    await machine.host.serve(instance(*BASE[:2], echo(1, **at), echo(2, **at), checked))

    async def both(state: str) -> bool:
        return set((await states(machine)).values()) == {state}

    await eventually(lambda: both("up"))
    if kind == "TCP":
        web[0].stop()
    else:
        web[0].status = 500
    await eventually(lambda: both("down"))


async def test_persistence_granularity_keeps_networks_together(
    machine: Machine, members: list[Echo], sources: list[str]
) -> None:
    await machine.host.serve(instance(udp(), udp_pool(session_persistence=KEPT), *BASE[2:]))

    def who(source: str) -> set[str]:
        return set(shares(machine.client, VIP, 4, source=source))

    before = [who(source) for source in sources]
    assert all(len(each) == 1 for each in before)
    # 50 and 51 are one network of the granularity, 52 and 53 are.
    assert (before[0], before[2]) == (before[1], before[3])
    assert before[0] != before[2]
    # Persistence survives a change of members and a restart of the agent, but not the removal of the member.
    await machine.host.serve(instance(udp(), udp_pool(session_persistence=KEPT), *BASE[2:], echo(3), generation=2))
    await machine.restart()
    await machine.host.serve(instance(udp(), udp_pool(session_persistence=KEPT), *BASE[2:], echo(3), generation=2))
    assert [who(source) for source in sources] == before
    left = {"echo1": echo(2), "echo2": echo(1)}[before[0].copy().pop()]
    await machine.host.serve(instance(udp(), udp_pool(session_persistence=KEPT), left, echo(3), generation=3))
    after = who(sources[0])
    assert len(after) == 1
    assert after != before[0]
    assert who(sources[1]) == after


async def test_persistence_ends_with_its_timeout(machine: Machine, members: list[Echo]) -> None:
    short = SessionPersistence(type="SOURCE_IP", persistence_timeout=1)
    await machine.host.serve(instance(udp(), udp_pool(session_persistence=short), *BASE[2:]))
    assert len(shares(machine.client, VIP, 4)) == 1

    namespace = machine.names.amphora(AMPHORA)

    def remembered() -> bool:
        with netns.inside(namespace):
            listed = subprocess.run(["nft", "list", "table", "inet", TABLE], capture_output=True, text=True, check=True)
        return " expires " in listed.stdout

    async def another() -> bool:
        # Each datagram renews the entry.
        await eventually(lambda: not remembered())
        return ask(machine.client, VIP) != first

    first = ask(machine.client, VIP)
    await eventually(another)


async def test_least_connections_prefers_members_with_fewer_flows(machine: Machine, members: list[Echo]) -> None:
    fair = udp_pool(lb_algorithm="LEAST_CONNECTIONS")
    await machine.host.serve(instance(udp(), fair, echo(1), echo(2, weight=0)))
    assert shares(machine.client, VIP, 8) == {"echo1": 8}
    wanted = instance(udp(), fair, *BASE[2:], generation=2)
    await machine.host.serve(wanted)
    assert shares(machine.client, VIP, 8) == {"echo2": 8}
    # Ended flows are detected.
    ended = [mark for mark in ruleset(wanted.tree, {}).marks if mark not in ruleset(ONE.tree, {}).marks]
    await asyncio.to_thread(end_flows, machine.names.amphora(AMPHORA), ended)

    async def corrected() -> bool:
        return shares(machine.client, VIP, 2) == {"echo2": 2}

    await eventually(corrected)


async def test_source_ip_chooses_by_a_hash(machine: Machine, members: list[Echo]) -> None:
    hashed = udp_pool(lb_algorithm="SOURCE_IP")
    await machine.host.serve(instance(udp(), hashed, *BASE[2:], echo(3)))
    (mine,) = shares(machine.client, VIP, 60)
    # The client stays with its member when another one goes.
    others = [each for each in (echo(1), echo(2), echo(3)) if f"echo{each.address[-1]}" != mine]
    await machine.host.serve(instance(udp(), hashed, echo(int(mine[-1])), others[0], generation=2))
    assert shares(machine.client, VIP, 4) == {mine: 4}


async def test_tcp_and_udp_on_one_port(machine: Machine, members: list[Echo], web: list[Web]) -> None:
    http = (listener(2, protocol_port=53, default_pool_id=key("2", 2)), pool(2))
    await machine.host.serve(instance(*BASE, *http, member(3, pool_id=key("2", 2), address="10.0.0.21")))
    assert machine.get(53) == "web1"
    assert ask(machine.client, VIP).startswith("echo")


async def test_several_listeners_share_a_pool(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE, listener(2, protocol="UDP", protocol_port=54)))
    assert shares(machine.client, VIP, 4) == shares(machine.client, VIP, 4, 54) == {"echo1": 2, "echo2": 2}


async def test_only_allowed_cidrs_are_answered(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE))
    with Client(machine.client, VIP, seconds=0.3) as client:
        client.ask()
        closed = udp(allowed_cidrs=("192.0.2.0/24", "2001:db8::/32"))
        await machine.host.serve(instance(closed, *BASE[1:], generation=2))
        with pytest.raises(TimeoutError):
            client.ask()
        await machine.host.serve(instance(udp(allowed_cidrs=("10.0.0.50/32",)), *BASE[1:], generation=3))
        assert client.ask().startswith("echo")


async def test_connection_limit_limits_flows(machine: Machine, members: list[Echo]) -> None:
    limited = (udp(connection_limit=2), *BASE[1:])
    await machine.host.serve(instance(*limited))
    with (
        Client(machine.client, VIP) as one,
        Client(machine.client, VIP) as other,
        Client(machine.client, VIP, seconds=0.3) as third,
    ):
        one.ask()
        other.ask()
        for _ in range(2):
            with pytest.raises(REFUSED):
                third.ask()
            assert (one.ask(), other.ask()) == ("echo1", "echo2")
            # Changed rules count existing flows.
            await machine.host.serve(instance(*limited, echo(3), generation=2))


async def test_counters_go_on_over_changes(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE))
    with Client(machine.client, VIP) as client:
        for _ in range(3):
            client.ask("x" * 100)
        counted = (await machine.host.observe(AMPHORA)).counters[key("1", 1)]
        # IP and UDP headers are 28 bytes; the answer begins with `echo1 `.
        assert (counted.bytes_in, counted.bytes_out) == (3 * 128, 3 * 134)
        assert (counted.total_connections, counted.active_connections) == (1, 1)
        await machine.host.serve(instance(*BASE, echo(3), generation=2))
        await machine.restart()
        await machine.host.serve(instance(*BASE, echo(3), generation=2))
        client.ask("x" * 100)
        counted = (await machine.host.observe(AMPHORA)).counters[key("1", 1)]
        assert (counted.bytes_in, counted.bytes_out) == (4 * 128, 4 * 134)
        assert (counted.total_connections, counted.active_connections) == (1, 1)


async def test_ipv6(machine: Machine, six: list[Echo]) -> None:
    vip = "2001:db8::10"
    tree = (udp(), udp_pool(), echo(1, address="2001:db8::11"), echo(2, address="2001:db8::12"), CHECKED)
    served = instance(*tree, root=load_balancer(vip_address=vip))
    nic = structs.replace(served.interfaces[0], addresses=(Address(ip=vip, prefix=64),), routes=())
    await machine.host.serve(structs.replace(served, interfaces=(nic,)))
    assert shares(machine.client, vip, 6) == {"six1": 3, "six2": 3}
    six[0].stop()

    async def down() -> bool:
        return (await states(machine))[key("3", 1)] == "down"

    await eventually(down)
    assert shares(machine.client, vip, 4) == {"six2": 4}


async def test_additional_vips_are_served_by_members_of_their_own_version(
    machine: Machine, members: list[Echo], six: list[Echo]
) -> None:
    more = "10.0.0.20", "2001:db8::10"
    root = load_balancer(
        additional_vips=tuple(AdditionalVip(subnet_id=key("d", 3), ip_address=each) for each in more),
    )
    tree = (*BASE, echo(3, address="2001:db8::11"), echo(4, address="2001:db8::12"))
    served = instance(*tree, root=root)
    addresses = tuple(Address(ip=ip, prefix=64 if ":" in ip else 24) for ip in (VIP, *more))
    nic = structs.replace(served.interfaces[0], addresses=addresses, routes=())
    await machine.host.serve(structs.replace(served, interfaces=(nic,)))
    assert shares(machine.client, VIP, 4) == shares(machine.client, more[0], 4) == {"echo1": 2, "echo2": 2}
    assert shares(machine.client, more[1], 4) == {"six1": 2, "six2": 2}
    counted = (await machine.host.observe(AMPHORA)).counters[key("1", 1)]
    assert counted.total_connections == 12


@pytest.mark.parametrize("vip", [VIP, "2001:db8::10"])
async def test_a_client_that_sent_before_the_listener_existed_is_served_at_once(
    machine: Machine, members: list[Echo], six: list[Echo], vip: str
) -> None:
    # A firewall makes the kernel track flows, also without a datagram listener.
    guard = (FirewallRule(ethertype="IPv4", protocol="udp"), FirewallRule(ethertype="IPv6", protocol="udp"))
    members_ = (echo(1), echo(2, address="2001:db8::11"))
    served = instance(udp(), udp_pool(), *members_, root=load_balancer(vip_address=vip))
    address = Address(ip=vip, prefix=64 if ":" in vip else 24)
    nic = structs.replace(served.interfaces[0], addresses=(address,), routes=(), guard=guard)
    without_listener = instance(root=load_balancer(vip_address=vip), interfaces=(nic,))
    await machine.host.serve(without_listener)
    with Client(machine.client, vip) as client:
        with pytest.raises(REFUSED):
            client.ask()
        await machine.host.serve(structs.replace(served, interfaces=(nic,), generation=2))
        assert client.ask() == ("six1" if ":" in vip else "echo1")
        # Packets that the firewall does not allow are dropped.
        nic = structs.replace(nic, guard=(FirewallRule(ethertype="IPv4", protocol="tcp"),))
        await machine.host.serve(structs.replace(served, interfaces=(nic,), generation=3))
    with pytest.raises(TimeoutError):
        ask(machine.client, vip, seconds=0.3)


async def test_a_failing_nft_is_reported_and_the_last_rules_stay(machine: Machine, members: list[Echo]) -> None:
    await machine.host.serve(instance(*BASE))
    wanted = instance(udp(), udp_pool(session_persistence=KEPT), *BASE[2:], generation=2)
    (kept,) = [name for kind, name in ruleset(wanted.tree, {}).named if kind == "map"]
    nft.load(machine.names.amphora(AMPHORA), f"add map inet {TABLE} {kept} {{ type ipv6_addr : mark; }}\n")
    with pytest.raises(HostError, match="nft cannot load the rules of"):
        await machine.host.serve(wanted)
    assert shares(machine.client, VIP, 4) == {"echo1": 2, "echo2": 2}
    await machine.host.serve(instance(*BASE, echo(3), generation=3))
    assert shares(machine.client, VIP, 6) == {"echo1": 2, "echo2": 2, "echo3": 2}


async def test_without_datagrams_there_is_no_table_and_withdrawing_leaves_nothing(
    machine: Machine, members: list[Echo]
) -> None:
    namespace = machine.names.amphora(AMPHORA)
    await machine.host.serve(instance(*BASE))
    assert nft.named(namespace, TABLE)
    await machine.host.serve(instance(generation=2))
    assert not nft.named(namespace, TABLE)
    assert sorted(path.name for path in machine.amphora_files.iterdir() if path.suffix == ".nft") == []
    await machine.host.serve(instance(*BASE, CHECKED, generation=3))
    await machine.host.withdraw(AMPHORA)
    assert namespace not in netns.namespaces(machine.names.prefix)
    assert list((machine.directory / "run" / "amphorae").iterdir()) == []


async def test_a_change_of_datagram_members_goes_through_nftables(machine: Machine, members: list[Echo]) -> None:
    for generation, children in enumerate((BASE, (*BASE, echo(3)), (udp(name="named"), *BASE[1:], echo(3))), start=1):
        await machine.host.serve(instance(*children, generation=generation))
        applied = (await machine.host.observe(AMPHORA)).applied
        assert applied is not None
        assert (applied.generation, applied.way) == (generation, "nothing" if generation == 3 else "nftables")
