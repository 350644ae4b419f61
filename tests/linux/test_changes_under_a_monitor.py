"""Changes of pools, members and monitors take effect on the wire while a health monitor runs, over reloads too."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hydria.adapters.linux import haproxy_socket
from hydria.contract import Instance
from tests.linux.haproxies import get
from tests.linux.machines import VIP, Machine
from tests.linux.wiretap import Spoken, Wiretap, wiretap
from tests.support import certificates
from tests.support.trees import AMPHORA, instance, key, listener, member, monitor, pool
from tests.support.waiting import eventually

FIRST, SECOND = "10.0.0.11", "10.0.0.12"
# Port 8084 is closed.
PORTS = (8080, 8081, 8082)
CLOSED = 8084
SECRETS = {
    "ca": certificates.authority().pem,
    "stranger": certificates.authority("stranger").pem,
    "client": certificates.leaf(client=True, common_name="balancer").bundle,
}
ALPN = ("http/1.1",)
TLS = {"tls_enabled": True, "alpn_protocols": ALPN}

Change = dict[str, Any]
Seen = Callable[[Spoken], bool]


@pytest.fixture
def members(machine: Machine, tmp_path: Path) -> Iterator[Wiretap]:
    with wiretap(machine.names, tmp_path, (FIRST, SECOND), PORTS) as running:
        yield running


def served(
    generation: int, *, pools: Change | None = None, members: Change | None = None, monitors: Change | None = None
) -> Instance:
    checks: Change = {"delay": 1, "timeout": 5, "max_retries": 1, "max_retries_down": 1, "url_path": "/check"}
    return instance(
        listener(),
        pool(**(pools or {})),
        member(1, **({"protocol_port": 8080} | (members or {}))),
        monitor(**(checks | (monitors or {}))),
        generation=generation,
        secrets=SECRETS,
    )


class Wire:
    """What members receive after a change: requests of clients, and health checks."""

    def __init__(self, machine: Machine, members: Wiretap) -> None:
        self._machine = machine
        self._members = members
        self._generation = 0

    async def change(self, **changes: Change) -> None:
        """Serve the base tree with changes, and discard what members received before the new process took over."""
        self._generation += 1
        await self._machine.host.serve(served(self._generation, **changes))
        # A check of the old process may still be on its way.
        await asyncio.sleep(0.2)
        self._members.spoken.clear()

    async def checked(self, seen: Seen) -> None:
        """Wait for two checks and assert what the member received."""
        checks: list[Spoken] = []

        async def enough() -> bool:
            checks[:] = [each for each in self._members.spoken if each.path == "/check"]
            return len(checks) > 1

        await eventually(enough)
        assert all(map(seen, checks)), checks

    async def asked(self, seen: Seen) -> None:
        """Send requests and assert what the member received."""
        for _ in range(3):
            assert await asyncio.to_thread(get, self._machine.client, VIP) == (200, "ok")
        requests = [each for each in self._members.spoken if each.path == "/"]
        assert len(requests) == 3
        assert all(map(seen, requests)), requests

    async def becomes(self, state: str) -> None:
        async def so() -> bool:
            return (await self._machine.host.observe(AMPHORA)).servers.get(key("3", 1)) == state

        await eventually(so)


@pytest.fixture
def wire(machine: Machine, members: Wiretap) -> Wire:
    return Wire(machine, members)


PLAIN: Seen = lambda each: not each.tls and not each.proxy and each.port == 8080  # noqa: E731

# A change, and what a member receives then as requests and as checks.
CHANGES: dict[str, tuple[dict[str, Change], Seen, Seen]] = {
    "TLS": ({"pools": TLS}, lambda each: each.tls, lambda each: each.tls),
    "a CA": ({"pools": TLS | {"ca_tls_container_ref": "ca"}}, lambda each: each.tls, lambda each: each.tls),
    "a client's certificate": (
        {"pools": TLS | {"tls_container_ref": "client"}},
        lambda each: each.client,
        lambda each: each.client,
    ),
    "versions": (
        {"pools": TLS | {"tls_versions": ("TLSv1.2",)}},
        lambda each: each.version == "TLSv1.2",
        lambda each: each.version == "TLSv1.2",
    ),
    "ciphers": (
        {"pools": TLS | {"tls_versions": ("TLSv1.2",), "tls_ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"}},
        lambda each: each.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384",
        lambda each: each.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    "ALPN": (
        {"pools": TLS | {"alpn_protocols": ("http/1.0",)}},
        lambda each: each.alpn == "http/1.0",
        lambda each: each.alpn == "http/1.0",
    ),
    "PROXY": ({"pools": {"protocol": "PROXY"}}, lambda each: each.proxy == 1, lambda each: each.proxy == 1),
    "PROXYV2": ({"pools": {"protocol": "PROXYV2"}}, lambda each: each.proxy == 2, lambda each: each.proxy == 2),
    "the monitor's port": ({"members": {"monitor_port": 8081}}, PLAIN, lambda each: each.port == 8081),
    "the monitor's address": (
        {"members": {"monitor_address": SECOND}},
        lambda each: each.address == FIRST,
        lambda each: each.address == SECOND,
    ),
    "both": (
        {"members": {"monitor_address": SECOND, "monitor_port": 8082}},
        PLAIN,
        lambda each: (each.address, each.port) == (SECOND, 8082),
    ),
    "a monitor by TLS": ({"monitors": {"type": "HTTPS"}}, PLAIN, lambda each: each.tls),
    "a monitor's name": (
        {"monitors": {"type": "HTTPS", "http_version": "1.1", "domain_name": "asked.example.org"}},
        PLAIN,
        lambda each: each.name == "asked.example.org",
    ),
    "backup": ({"members": {"backup": True}}, PLAIN, PLAIN),
    "the algorithm": ({"pools": {"lb_algorithm": "LEAST_CONNECTIONS"}}, PLAIN, PLAIN),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_and_its_reversal_take_effect_at_once(wire: Wire, name: str) -> None:
    changes, requests, checks = CHANGES[name]
    await wire.change()
    await wire.becomes("up")
    for _ in range(2):
        await wire.change(**changes)
        await wire.asked(requests)
        await wire.checked(checks)
        await wire.change()
        await wire.asked(PLAIN)
        await wire.checked(PLAIN)


async def test_a_closed_monitor_port_takes_the_member_down_with_the_first_check(wire: Wire) -> None:
    patient = {"max_retries_down": 10}
    await wire.change(monitors=patient)
    await wire.becomes("up")
    # Without a changed check it would take max_retries_down checks, ten seconds.
    await wire.change(members={"monitor_port": CLOSED}, monitors=patient)
    await wire.becomes("down")
    await wire.change(monitors=patient)
    await wire.becomes("up")
    await wire.checked(PLAIN)


async def test_a_ca_that_did_not_sign_the_member_takes_it_down(wire: Wire, machine: Machine) -> None:
    await wire.change(pools=TLS | {"ca_tls_container_ref": "ca"})
    await wire.becomes("up")
    await wire.change(pools=TLS | {"ca_tls_container_ref": "stranger"})
    await wire.becomes("down")
    assert await asyncio.to_thread(get, machine.client, VIP) != (200, "ok")


async def test_a_member_stays_down_over_a_reload(wire: Wire, machine: Machine) -> None:
    down = {"monitor_port": CLOSED}
    await wire.change(members=down)
    await wire.becomes("down")
    slow = {"delay": 3000}
    for changes in ({"pools": TLS}, {"monitors": slow}):
        await wire.change(members=down, **changes)
        assert (await asyncio.to_thread(get, machine.client, VIP))[0] == 503


async def test_weights_and_switches_win_over_the_old_process(wire: Wire, machine: Machine) -> None:
    await wire.change()
    await wire.becomes("up")
    # First by the runtime socket, then by a reload.
    await wire.change(members={"admin_state_up": False})
    assert (await asyncio.to_thread(get, machine.client, VIP))[0] == 503
    await wire.change(members={"admin_state_up": True, "backup": True})
    await wire.asked(PLAIN)
    await wire.change(members={"weight": 7, "backup": True})
    await wire.change(members={"weight": 3})
    assert await _weight(machine) == "3"
    await wire.change(members={"weight": 0}, pools={"lb_algorithm": "LEAST_CONNECTIONS"})
    assert await _weight(machine) == "0"
    await wire.change(members={"weight": 5})
    assert await _weight(machine) == "5"
    await wire.asked(PLAIN)


async def test_a_member_added_by_the_socket_is_changed_by_a_reload(wire: Wire, machine: Machine) -> None:
    one = served(1)
    await machine.host.serve(structs.replace(one, tree=structs.replace(one.tree, members=())))
    await wire.change()
    await wire.becomes("up")
    await wire.change(pools=TLS, members={"monitor_port": 8081})
    await wire.asked(lambda each: each.tls)
    await wire.checked(lambda each: each.port == 8081)


async def _weight(machine: Machine) -> str:
    read = await haproxy_socket.statistics(str(machine.amphora_files / "haproxy.sock"))
    (row,) = [row for row in read.rows if row["svname"] == key("3", 1)]
    return row["weight"]
