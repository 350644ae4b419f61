"""A load balancer with datagram listeners only has no HAProxy; it is started and ended with the other listeners."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from hydria.adapters.linux import netns
from hydria.adapters.linux.processes import find_all
from tests.linux import datagrams
from tests.linux.datagrams import Echo, echoes
from tests.linux.haproxies import Web
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, member, pool
from tests.support.waiting import eventually

HTTP = (listener(), pool(), member(1))
DATAGRAMS = (
    listener(2, protocol="UDP", protocol_port=53, default_pool_id=key("2", 2)),
    pool(2, protocol="UDP"),
    member(2, pool_id=key("2", 2), address="10.0.0.21", protocol_port=5353),
)


@pytest.fixture
def echo(machine: Machine) -> Iterator[Echo]:
    with echoes(machine.names, NETWORK, "10.0.0.21/24", name="dns") as (running,):
        yield running


def proxies(machine: Machine) -> list[int]:
    found = list(find_all(str(machine.amphora_files / "candidate.cfg")))
    for process in found:
        process.close()
    return [process.pid for process in found]


async def none_left(machine: Machine) -> None:
    async def ended() -> bool:
        return not proxies(machine)

    await eventually(ended)


async def served(machine: Machine) -> None:
    """Wait until datagrams are served and no part needs a repair."""
    assert datagrams.ask(machine.client, VIP) == "dns1"
    seen = await machine.host.observe(AMPHORA)
    assert dict(seen.servers) == {key("3", 2): "unchecked"}
    assert set(seen.counters) == {key("1", 2)}


async def test_haproxy_ends_with_its_last_listener_and_its_last_connection(
    machine: Machine, web: list[Web], echo: Echo
) -> None:
    await machine.host.serve(instance(*HTTP, *DATAGRAMS))
    with netns.inside(machine.client):
        going = socket.create_connection((VIP, 80), timeout=5)
    with going:
        going.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        await machine.host.serve(instance(*DATAGRAMS, generation=2))
        await served(machine)
        assert len(proxies(machine)) == 1
        going.sendall(b"\r\n")
        assert (await asyncio.to_thread(going.recv, 100)).startswith(b"HTTP/1.1 200")
    await none_left(machine)
    # Its end is no failure, and a restarted agent starts no HAProxy.
    await machine.restart()
    await machine.host.serve(instance(*DATAGRAMS, generation=2))
    assert proxies(machine) == []
    await served(machine)
    await machine.host.serve(instance(*HTTP, *DATAGRAMS, generation=3))
    assert machine.get() == "web1"


async def test_a_load_balancer_without_listeners_has_a_haproxy(machine: Machine, echo: Echo) -> None:
    await machine.host.serve(instance())
    assert proxies(machine) == [machine.pid]
    await machine.host.serve(instance(*DATAGRAMS, generation=2))
    await none_left(machine)
    await served(machine)


@pytest.mark.parametrize("written_down", [True, False])
async def test_a_restarted_agent_ends_a_haproxy_that_should_end(
    machine: Machine, web: list[Web], echo: Echo, written_down: bool
) -> None:
    await machine.host.serve(instance(*HTTP, *DATAGRAMS))
    await machine.stop()
    (machine.amphora_files / "changing").touch()
    if not written_down:
        (machine.amphora_files / "haproxy.pid").unlink()
    await machine.host.open()
    await machine.host.serve(instance(*DATAGRAMS, generation=2))
    await none_left(machine)
    await served(machine)
    assert not (machine.amphora_files / "changing").exists()
