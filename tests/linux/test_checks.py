"""Checks by the agent: PING, and SCTP by raw packets; and IPv6 addresses in HAProxy's checks."""

import asyncio
from collections.abc import Iterator

import pytest

from hydria.adapters.linux.netns import sysctl
from hydria.model.load_balancer import AdditionalVip
from tests.linux import sctp
from tests.linux.haproxies import Web
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, load_balancer, member, monitor, pool
from tests.support.waiting import eventually

BASE = (listener(), pool(), member(1), member(2))
QUICK = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
PING = monitor(type="PING", **QUICK)


@pytest.fixture
def speakers(machine: Machine) -> Iterator[list[sctp.Member]]:
    running = [
        sctp.Member(machine.names, NETWORK, f"speaker{number}", f"10.0.0.{10 + number}", 2905) for number in (1, 2)
    ]
    yield running
    for each in running:
        each.stop()


async def states(machine: Machine) -> list[str]:
    found = (await machine.host.observe(AMPHORA)).servers
    return [found[key("3", number)] for number in (1, 2)]


async def test_members_that_do_not_answer_pings_get_no_requests(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE, PING))

    async def known(*expected: str) -> bool:
        return await states(machine) == list(expected)

    await eventually(lambda: known("up", "up"))
    sysctl(web[1].namespace, "net.ipv4.icmp_echo_ignore_all", "1")
    await eventually(lambda: known("up", "down"))
    assert {machine.get() for _ in range(4)} == {"web1"}
    # Neither a reload, nor the end of maintenance, nor a restarted agent makes it UP.
    await machine.host.serve(instance(*BASE, PING, listener(2, protocol_port=8080), generation=2))
    assert {machine.get(port) for port in (80, 8080) for _ in range(3)} == {"web1"}
    await machine.host.serve(instance(*BASE[:3], member(2, admin_state_up=False), PING, generation=3))
    await machine.host.serve(instance(*BASE, PING, generation=4))
    await eventually(lambda: known("up", "down"))
    await machine.restart()
    await machine.host.serve(instance(*BASE, PING, generation=4))
    assert {machine.get() for _ in range(4)} == {"web1"}
    # Without a monitor it counts as UP; with one again it does not.
    await machine.host.serve(instance(*BASE, generation=5))
    assert {machine.get() for _ in range(4)} == {"web1", "web2"}
    assert await states(machine) == ["unchecked", "unchecked"]
    await machine.host.serve(instance(*BASE, PING, generation=6))
    await eventually(lambda: known("up", "down"))
    assert {machine.get() for _ in range(4)} == {"web1"}
    sysctl(web[1].namespace, "net.ipv4.icmp_echo_ignore_all", "0")
    await eventually(lambda: known("up", "up"))
    assert {machine.get() for _ in range(4)} == {"web1", "web2"}


async def test_what_the_agents_checks_saw_is_reported(machine: Machine, web: list[Web]) -> None:
    datagrams = (listener(2, protocol="UDP", protocol_port=53, default_pool_id=key("2", 2)), pool(2, protocol="UDP"))
    checked = member(3, pool_id=key("2", 2), address="10.0.0.13")
    http = monitor(2, pool_id=key("2", 2), type="HTTP", **QUICK)
    web[2].status = 503
    sysctl(web[1].namespace, "net.ipv4.icmp_echo_ignore_all", "1")
    await machine.host.serve(instance(*BASE, PING, *datagrams, checked, http))

    async def seen() -> bool:
        checks = (await machine.host.observe(AMPHORA)).checks
        found = {key: (each.result, each.code, each.text) for key, each in checks.items()}
        assert all(each.since > 0 and each.latency_ms is not None for each in checks.values())
        return found == {
            key("3", 2): ("L4TOUT", None, "no answer within 1 s"),
            key("3", 3): ("L7STS", 503, "it answers with status 503"),
        }

    await eventually(seen)
    web[2].stop()

    async def refused() -> bool:
        check = (await machine.host.observe(AMPHORA)).checks[key("3", 3)]
        return (check.result, check.text) == ("L4CON", "Connection refused")

    await eventually(refused)
    web[2].status = 200
    web[2].start()
    sysctl(web[1].namespace, "net.ipv4.icmp_echo_ignore_all", "0")

    async def over() -> bool:
        return (await machine.host.observe(AMPHORA)).checks == {}

    await eventually(over)


async def test_a_check_without_a_domain_name_names_the_members_address(machine: Machine) -> None:
    six = await asyncio.to_thread(Web, machine.names, NETWORK, "six", "2001:db8::11")
    try:
        whole = (listener(), pool(), member(1, address="2001:db8::11"), monitor(http_version="1.1", **QUICK))
        vip = AdditionalVip(subnet_id=key("d", 3), ip_address="2001:db8::10")
        await machine.host.serve(instance(*whole, root=load_balancer(additional_vips=(vip,))))

        async def up() -> bool:
            return (await machine.host.observe(AMPHORA)).servers[key("3", 1)] == "up"

        await eventually(up)
        assert ("host", "[2001:db8::11]:80") in six.headers
        # With a monitor_address, in a new configuration and by the runtime socket.
        own = {"address": "2001:db8::11", "monitor_address": "2001:db8::11"}
        changed = (*whole[:2], member(1, **own), whole[3])
        await machine.host.serve(instance(*changed, root=load_balancer(additional_vips=(vip,)), generation=2))
        await eventually(up)
        more = (*changed, member(2, **own | {"protocol_port": 81}, monitor_port=80))
        await machine.host.serve(instance(*more, root=load_balancer(additional_vips=(vip,)), generation=3))

        async def both() -> bool:
            servers = (await machine.host.observe(AMPHORA)).servers
            return [servers[key("3", number)] for number in (1, 2)] == ["up", "up"]

        await eventually(both)
    finally:
        six.stop()


async def test_sctp_is_forwarded_and_checked(machine: Machine, speakers: list[sctp.Member]) -> None:
    tree = (
        listener(protocol="SCTP", protocol_port=2904),
        pool(protocol="SCTP"),
        member(1, protocol_port=2905),
        member(2, protocol_port=2905),
    )
    await machine.host.serve(instance(*tree))
    # In both directions the checksum matches the addresses of the packet.
    assert [sctp.ask(machine.client, VIP, 2904, port) for port in range(40000, 40004)] == [sctp.INIT_ACK] * 4
    assert [each.heard for each in speakers] == [[(sctp.INIT, VIP)] * 2] * 2
    await machine.host.serve(instance(*tree, monitor(type="SCTP", **QUICK), generation=2))

    async def known(*expected: str) -> bool:
        return await states(machine) == list(expected)

    await eventually(lambda: known("up", "up"))
    # The check ends the association that it began.
    assert speakers[0].heard[-1][0] == sctp.ABORT
    speakers[0].answer, speakers[1].answer = sctp.ABORT, None
    await eventually(lambda: known("down", "down"))
    speakers[1].answer = sctp.INIT_ACK
    await eventually(lambda: known("down", "up"))
    heard = len([kind for kind, _ in speakers[0].heard if kind == sctp.INIT])
    assert [sctp.ask(machine.client, VIP, 2904, port) for port in range(40010, 40014)] == [sctp.INIT_ACK] * 4
    # Only checks arrive, at most one a second.
    assert len([kind for kind, _ in speakers[0].heard if kind == sctp.INIT]) <= heard + 2
