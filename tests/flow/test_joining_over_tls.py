"""A host joins a server over TLS by an invitation, and its agent polls with its own secret."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from hydria.adapters.memory import ManualClock, MemoryHost
from hydria.agent import Agent, Identity, Link, LinkError
from hydria.agent.joining import join
from hydria.agent.membership import Membership, membership
from hydria.compose.agent_listener import AgentListener, agents_url
from hydria.compose.clock import SystemClock
from hydria.compose.parts import Parts
from hydria.compose.schema import upgrade_database
from hydria.compose.server import connections_of, make_app
from hydria.contract import Facts, Holding
from hydria.errors import HostError
from hydria.settings import ServerSettings, Settings
from hydria.store import Database
from hydria.store.resources import KnownHost
from tests.support.waiting import eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def url_of(settings: Settings) -> str:
    found = agents_url(settings.server)
    assert found is not None
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    server = ServerSettings(agents_host="127.0.0.1", agents_port=free_port(), poll_seconds=1)
    return Settings(state_dir=tmp_path / "state", run_dir=tmp_path / "run", server=server)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Parts]:
    """A server whose listener for agents runs, and opens when it has to."""
    upgrade_database(settings)
    database = Database(settings.database_url)
    app = make_app(settings, database, SystemClock())
    parts: Parts = app.state.parts
    stop = asyncio.Event()
    listener = AgentListener(settings.server, parts, connections_of(settings.server))
    task = asyncio.create_task(listener.run(stop))
    yield parts
    stop.set()
    parts.exchange.close()
    listener.wake()
    await task
    database.close()


async def invited(settings: Settings, server: Parts, zone: str = "") -> str:
    """Return an invitation, as soon as the server listens for who comes by it."""
    url = url_of(settings)
    made = server.database.transact(lambda tx: server.hosts.invite(tx, server.clock.now(), url=url, zone=zone))

    async def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", settings.server.agents_port)) == 0

    await eventually(listening)
    return str(made["url"])


async def joined(settings: Settings, server: Parts, directory: Path) -> Membership:
    invitation = await invited(settings, server, "z")
    return await asyncio.to_thread(join, invitation, "h-2", "two", directory)


def client_of(member: Membership) -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=member.context(), trust_env=False)


async def test_no_port_is_open_before_the_first_invitation(settings: Settings, server: Parts) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", settings.server.agents_port)) != 0
    await invited(settings, server)


async def test_a_host_joins_and_its_agent_works(settings: Settings, server: Parts, tmp_path: Path) -> None:
    directory = tmp_path / "two"
    member = await joined(settings, server, directory)
    assert (member.zone, member.servers) == ("z", (url_of(settings),))
    assert ((directory / "membership.json").stat().st_mode & 0o777, membership(directory)) == (0o600, member)
    async with client_of(member) as client:
        facts = Facts(version="1", zone=member.zone)
        agent = Agent(
            Identity(id="h-2", name="two"), MemoryHost(), Link.of_member(client, member, directory), lambda: facts
        )
        stop = asyncio.Event()
        running = asyncio.create_task(agent.run(stop))

        async def heard() -> bool:
            host = server.database.read(lambda tx: tx.get(KnownHost, "h-2"))
            return host is not None and host.facts == facts

        await eventually(heard)
        stop.set()
        await running


async def test_an_agent_trusts_only_the_servers_of_its_authority(
    settings: Settings, server: Parts, tmp_path: Path
) -> None:
    invitation = await invited(settings, server)
    url, _, secret = invitation.partition("#")
    token, _, fingerprint = secret.partition(".")
    other = "0" * len(fingerprint)
    with pytest.raises(HostError, match="another fingerprint"):
        await asyncio.to_thread(join, f"{url}#{token}.{other}", "h-2", "two", tmp_path)
    with pytest.raises(HostError, match="not an invitation"):
        join(url, "h-2", "two", tmp_path)
    assert membership(tmp_path) is None
    # The token was not sent, so it still works.
    await asyncio.to_thread(join, invitation, "h-2", "two", tmp_path)
    async with httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as stranger:
        with pytest.raises(httpx.ConnectError):
            await stranger.get(f"{url}/agent/v1/authority")


async def test_an_agent_goes_on_to_the_next_server(settings: Settings, server: Parts, tmp_path: Path) -> None:
    member = await joined(settings, server, tmp_path)
    away = f"https://127.0.0.1:{free_port()}"
    member = Membership(secret=member.secret, authority=member.authority, servers=(away, *member.servers))
    async with client_of(member) as client:
        link = Link.of_member(client, member, tmp_path)
        with pytest.raises(LinkError):
            await link.poll(Holding(host="h-2", name="two"))
        orders = await link.poll(Holding(host="h-2", name="two"))
    assert orders.topology is not None
    assert orders.servers == (url_of(settings),)
    kept = membership(tmp_path)
    assert kept is not None
    assert kept.servers == orders.servers


async def test_certificates_are_renewed_without_a_restart(settings: Settings) -> None:
    upgrade_database(settings)
    database, clock, stop = Database(settings.database_url), ManualClock(datetime.now(UTC)), asyncio.Event()
    parts: Parts = make_app(settings, database, clock).state.parts
    listener = AgentListener(settings.server, parts, connections_of(settings.server))
    task = asyncio.create_task(listener.run(stop))
    database.transact(lambda tx: tx.insert(KnownHost(id="h-2", seen_at=0, secret_hash="a hash")))
    await invited(settings, parts)

    def certificate() -> str:
        return ssl.get_server_certificate(("127.0.0.1", settings.server.agents_port), timeout=30)

    before = await asyncio.to_thread(certificate)
    assert await asyncio.to_thread(certificate) == before
    clock.advance(days=61)
    listener.wake()

    async def renewed() -> bool:
        return await asyncio.to_thread(certificate) != before

    await eventually(renewed)
    stop.set()
    listener.wake()
    await task
    database.close()


async def test_a_damaged_membership_is_told(tmp_path: Path) -> None:
    (tmp_path / "membership.json").write_text("{")
    with pytest.raises(HostError, match="join anew"):
        membership(tmp_path)
