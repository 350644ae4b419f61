"""Security groups of a VIP on a running amphora, with connections from before the first rule."""

import asyncio
import socket
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from msgspec import structs

from hydria.adapters.linux.netns import inside
from hydria.contract import FirewallRule, Instance
from tests.linux.machines import VIP, Machine
from tests.linux.wires import host, interface
from tests.support.trees import NETWORK, instance, listener, member, pool
from tests.support.waiting import eventually

OPEN = FirewallRule(ethertype="IPv4", protocol="tcp", port_min=80, port_max=80)
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

UNGUARDED = instance(listener(), pool(), member(1))


def guarded(*rules: FirewallRule) -> Instance:
    nic = structs.replace(UNGUARDED.interfaces[0], guard=rules)
    return structs.replace(UNGUARDED, interfaces=(nic,), generation=2)


class Slow:
    """A member that answers one connection, and only when the test allows it."""

    def __init__(self, namespace: str) -> None:
        self.asked, self.may_answer = Event(), Event()
        with inside(namespace):
            self._listening = socket.create_server(("10.0.0.11", 80))
        self._thread = Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        taken, _ = self._listening.accept()
        with taken:
            while taken.recv(1000):
                self.asked.set()
                self.may_answer.wait(10)
                taken.sendall(RESPONSE)

    def close(self) -> None:
        self._listening.close()


def repeated(connection: socket.socket) -> int:
    """Return how often the kernel has sent the last segment again: `tcpi_retransmits` of struct tcp_info."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[2]


@pytest.fixture
def slow(machine: Machine) -> Iterator[Slow]:
    member = Slow(host(machine.names, "slow", interface(NETWORK, "10.0.0.11/24")))
    yield member
    member.close()


@pytest.mark.parametrize("rules", [(OPEN,), ()])
async def test_the_first_rules_apply_to_existing_connections(
    machine: Machine, slow: Slow, rules: tuple[FirewallRule, ...]
) -> None:
    await machine.host.serve(UNGUARDED)
    with inside(machine.client):
        going = socket.create_connection((VIP, 80), timeout=5)
    with going:
        going.sendall(REQUEST)
        assert await asyncio.to_thread(slow.asked.wait, 5)
        await machine.host.serve(guarded(*rules))
        slow.may_answer.set()
        # The member's answer arrives, although connection tracking has no entry of the request.
        assert (await asyncio.to_thread(going.recv, 100)).endswith(b"done")
        going.sendall(REQUEST)
        if rules:
            assert (await asyncio.to_thread(going.recv, 100)).endswith(b"done")
        else:
            # Nothing acknowledges the request, however often the kernel repeats it.
            await eventually(lambda: repeated(going) >= 2)
            going.setblocking(False)
            with pytest.raises(BlockingIOError):
                going.recv(100)
