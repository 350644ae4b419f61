"""Timeouts of UDP flows, and what is reported when a member's flows use up all source ports."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydria.adapters.linux.conntrack import count_flows, dropped_flows, end_flows
from hydria.adapters.linux.netns import inside
from hydria.model import Listener
from hydria.model.status import AmphoraHealth, operating_statuses
from tests.linux.datagrams import Echo, add_address, ask, echoes
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, NETWORK, instance, listener, member, pool
from tests.support.waiting import eventually

# More than the source ports of one address.
MANY = 66_000


def udp(**values: int) -> Listener:
    return listener(1, **({"protocol": "UDP", "protocol_port": 53} | values))


@pytest.fixture
def members(machine: Machine) -> Iterator[list[Echo]]:
    with echoes(machine.names, NETWORK, "10.0.0.11/24") as running:
        yield running


@pytest.fixture
def sources(machine: Machine) -> list[str]:
    """The client's addresses."""
    found = [f"10.0.0.{last}" for last in range(60, 64)]
    for address in found:
        add_address(machine.client, f"{address}/24")
    return found


def seconds_left(namespace: str) -> list[int]:
    """Return the remaining seconds of each UDP flow."""
    with inside(namespace):
        lines = Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()
    return [int(line.split()[4]) for line in lines if " udp " in line]


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, 10),
        ({"timeout_client_data": 3000}, 3),
        ({"timeout_member_data": 20_000, "timeout_client_data": 60_000}, 20),
    ],
)
async def test_an_answered_flow_ends_after_the_listeners_timeout(
    machine: Machine, members: list[Echo], values: dict[str, int], seconds: int
) -> None:
    await machine.host.serve(instance(udp(**values), pool(protocol="UDP"), member(1, protocol_port=5353)))
    namespace = machine.names.amphora(AMPHORA)
    assert ask(machine.client, VIP) == "echo1"
    assert all(left <= seconds for left in seconds_left(namespace))

    async def ended() -> bool:
        return not count_flows(namespace)

    await eventually(ended)


async def test_a_changed_timeout_applies_to_new_flows(machine: Machine, members: list[Echo]) -> None:
    for generation, seconds in enumerate((3600, 2, 3600), start=1):
        tree = (udp(timeout_client_data=seconds * 1000), pool(protocol="UDP"), member(1, protocol_port=5353))
        await machine.host.serve(instance(*tree, generation=generation))
        assert ask(machine.client, VIP) == "echo1"
        left = seconds_left(machine.names.amphora(AMPHORA))
        # Older flows keep their timeout or get the new one.
        assert any(seconds - 60 < each <= seconds for each in left)


async def test_a_member_without_source_ports_left_is_degraded_until_flows_have_ended(
    machine: Machine, members: list[Echo], sources: list[str]
) -> None:
    # The member need not answer; without answers the test is faster.
    with inside(machine.names.lab("echo1")):
        deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("10.0.0.11", 5354))
    scraped = listener(2, protocol="PROMETHEUS", protocol_port=9100, default_pool_id=None)
    wanted = instance(udp(timeout_client_data=3_600_000), scraped, pool(protocol="UDP"), member(1, protocol_port=5354))
    await machine.host.serve(wanted)
    namespace = machine.names.amphora(AMPHORA)
    known = wanted.tree.members[0].id
    assert (await machine.host.observe(AMPHORA)).servers[known] == "unchecked"
    with inside(machine.client):
        for number in range(MANY):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
                flow.bind((sources[number % len(sources)], 20_000 + number // len(sources)))
                flow.sendto(b"x", (VIP, 53))
    assert dropped_flows(namespace) > 0

    async def becomes(state: str) -> bool:
        return (await machine.host.observe(AMPHORA)).servers[known] == state

    # An observation right after a repair still has the old counts.
    await eventually(lambda: becomes("crowded"))
    seen = await machine.host.observe(AMPHORA)
    assert seen.dropped_flows > 0
    root = wanted.tree.load_balancer.id
    health = AmphoraHealth(amphora_id=AMPHORA, load_balancer_id=root, generation=1, servers=dict(seen.servers))
    statuses = operating_statuses(wanted.tree, [health])
    assert [statuses[each] for each in (known, wanted.tree.pools[0].id, root)] == ["DEGRADED"] * 3
    scrape = (await machine.host.metrics(AMPHORA)).decode()
    dropped = next(line for line in scrape.splitlines() if line.startswith("octavia_loadbalancer_dropped_flows_total"))
    assert float(dropped.split()[1]) > 0
    await asyncio.to_thread(end_flows, namespace, count_flows(namespace))
    await eventually(lambda: becomes("unchecked"))
    deaf.close()
