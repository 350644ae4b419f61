"""`hydria logs` with real clients, over reloads, and the forwarding to syslog."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hydria.adapters.linux import netns
from hydria.compose.access_log import AccessLog, as_json, as_line
from hydria.errors import HydriaError
from hydria.settings import Settings
from tests.linux.haproxies import Web, get
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, LB, instance, listener, load_balancer, member, monitor, pool
from tests.support.waiting import eventually

ROOT = load_balancer(name="shop")
WEB = listener(name="web")
TREE = (WEB, pool(name="shelf"), member(1, name="one"), member(2))


def log_of(machine: Machine, wanted: str = "shop") -> AccessLog:
    directory = machine.directory
    settings = Settings(agent=machine.settings, run_dir=directory / "run", state_dir=directory / "state")
    return AccessLog(settings, wanted)


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def shown(machine: Machine, wanted: str = "shop") -> list[str]:
    lines: list[str] = []
    await log_of(machine, wanted).show(lines.append, as_line, None, lines.append)
    return lines


async def asked_until(machine: Machine, came: Callable[[str], "asyncio.Future[None]"], *texts: str) -> None:
    """Send requests until the follower has seen all texts: it may have begun to listen only now."""
    waiting = asyncio.gather(*map(came, texts))
    while not waiting.done():
        await asyncio.to_thread(machine.get)
    await waiting


@asynccontextmanager
async def followed(machine: Machine) -> AsyncIterator[Callable[[str], "asyncio.Future[None]"]]:
    """Follow the log; yield a function that waits for a line with a text."""
    lines: list[str] = []
    stop = asyncio.Event()
    following = asyncio.create_task(log_of(machine).show(lines.append, as_line, stop, lines.append))

    async def came(text: str) -> None:
        async def there() -> bool:
            return any(text in line for line in lines)

        await eventually(there)

    yield lambda text: asyncio.ensure_future(came(text))
    stop.set()
    await following


async def test_a_line_names_client_request_and_member(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE, root=ROOT))
    async with followed(machine) as came:
        # A member without a name is shown by its address.
        members = ("web -> shelf/one", "web -> shelf/10.0.0.12:80")
        await asked_until(machine, came, '200 "GET / HTTP/1.1"', *members)
    assert any("10.0.0.50:" in line for line in await shown(machine))
    assert await shown(machine, LB) == await shown(machine)
    found: list[str] = []
    await log_of(machine).show(found.append, as_json, None, found.append)
    first = json.loads(found[0])
    assert (first["status"], first["listener_name"], first["client"]) == (200, "web", "10.0.0.50")
    with pytest.raises(HydriaError, match="serves no load balancer nowhere"):
        await shown(machine, "nowhere")


async def test_without_a_follower_errors_and_some_successes_are_logged(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(WEB, pool(name="shelf"), member(1, name="one"), root=ROOT))
    for _ in range(50):
        await asyncio.to_thread(get, machine.client, VIP)
    web[0].status = 404
    for _ in range(3):
        await asyncio.to_thread(get, machine.client, VIP)
    web[0].stop()
    await asyncio.to_thread(get, machine.client, VIP)

    async def kept() -> bool:
        lines = await shown(machine)
        succeeded = sum(' 200 "' in line for line in lines)
        # The first one always is; the others came within a pause, unless the machine was slow.
        return 1 <= succeeded < 50 and [sum(f" {code} " in line for line in lines) for code in (404, 503)] == [3, 1]

    await eventually(kept)


async def test_response_times_of_members_are_reported(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(WEB, pool(name="shelf"), member(1, name="one"), root=ROOT))
    await machine.host.observe(AMPHORA)
    for _ in range(20):
        await asyncio.to_thread(get, machine.client, VIP)
    numbers = (await machine.host.observe(AMPHORA)).numbers
    (count,) = numbers.members.values()
    assert 1 <= count.response_p50 <= count.response_p95 <= count.response_p99
    assert any(" status=200 " in line for line in numbers.log)


async def test_a_follower_sees_health_changes_and_goes_on_over_reloads(machine: Machine, web: list[Web]) -> None:
    fast = monitor(delay=1, timeout=1, max_retries=1, max_retries_down=1)
    await machine.host.serve(instance(*TREE, fast, root=ROOT))
    async with followed(machine) as came:
        await asked_until(machine, came, '"GET / HTTP/1.1"')
        with netns.inside(machine.client):
            slow = socket.create_connection((VIP, 80), timeout=5)
        with slow:
            slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
            old = machine.pid
            second = listener(2, name="second", protocol="TCP", protocol_port=8080)
            await machine.host.serve(instance(*TREE, fast, second, root=ROOT, generation=2))
            assert await asyncio.to_thread(machine.get, 8080)
            await came("second -> shelf/")
            # The replaced process logs the requests that it finishes, and then ends.
            assert runs(old)
            slow.sendall(b"\r\n")
            await came('"GET /slow HTTP/1.1"')

        async def ended() -> bool:
            return not runs(old)

        await eventually(ended)
        web[1].stop()
        await came("Server shelf:web/10.0.0.12:80 is DOWN")


async def test_a_timeout_is_explained(machine: Machine, web: list[Web]) -> None:
    short = listener(name="web", protocol="TCP", timeout_client_data=300, timeout_member_data=5000)
    await machine.host.serve(instance(short, pool(protocol="TCP"), member(1), root=ROOT))
    with netns.inside(machine.client):
        idle = socket.create_connection((VIP, 80), timeout=5)
    with idle:
        assert await asyncio.to_thread(idle.recv, 100) == b""

    async def explained() -> bool:
        return any(
            "the client was silent for 300 ms while data was passed: timeout_client_data of the listener" in line
            for line in await shown(machine)
        )

    await eventually(explained)


async def test_the_log_is_forwarded_to_syslog(machine: Machine, web: list[Web]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        path = machine.directory / "syslog"
        syslog.bind(str(path))
        path.chmod(0o666)
        syslog.settimeout(5)
        await machine.restart(syslog=path)
        await machine.host.serve(instance(*TREE, root=ROOT))
        machine.get()
        text = ""
        while "traffic" not in text:
            text = (await asyncio.to_thread(syslog.recv, 4096)).decode()
    # RFC 5424: priority and version, time, host, the amphora as the program name.
    assert text.startswith("<134>1 20")
    assert "status=200" in text


async def test_a_datagram_listener_gets_a_warning(machine: Machine) -> None:
    dns = listener(name="dns", protocol="UDP", protocol_port=53)
    await machine.host.serve(instance(dns, pool(protocol="UDP"), member(1), root=ROOT))
    text = ["dns is UDP: the kernel forwards its packets and keeps no log."]
    assert await shown(machine) == text
    # There is nothing to follow, so it returns at once.
    lines: list[str] = []
    async with asyncio.timeout(5):
        await log_of(machine).show(lines.append, as_line, asyncio.Event(), lines.append)
    assert lines == text
