"""Requests to a service of an OpenStack: login, its words, and what happens while it is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hydria.adapters.memory import ManualClock
from hydria.adapters.openstack.neutron import Neutron
from hydria.adapters.openstack.session import Service
from hydria.errors import Conflict, NotFound, Unavailable
from hydria.model.neutron import GroupRule
from hydria.settings import KeystoneSettings

Answer = tuple[int, Any]


class Server:
    """Keystone and Neutron on one port of loopback: `answer` gets method, path and body."""

    def __init__(self) -> None:
        self.logins = 0
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.answer: Callable[[str, str], Answer] = lambda method, path: (200, {})
        self.port = 0
        self.tokens: set[str] = set()

    def reply(self, method: str, path: str, token: str) -> tuple[int, Any, dict[str, str]]:
        if path.endswith("/auth/tokens"):
            self.logins += 1
            self.tokens = {f"token-{self.logins}"}
            return 201, self._login(), {"X-Subject-Token": f"token-{self.logins}"}
        self.requests.append((method, path))
        if token not in self.tokens:
            return 401, {"error": {"message": "The request you have made requires authentication."}}, {}
        return (*self.answer(method, path), {})

    def _login(self) -> Any:
        place = {"interface": "public", "region_id": "RegionOne", "url": f"http://127.0.0.1:{self.port}/network/"}
        catalog = [{"type": "network", "endpoints": [place]}]
        return {"token": {"expires_at": "2099-01-01T00:00:00Z", "project": {"id": "p-service"}, "catalog": catalog}}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                method, path, _ = lines[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.bodies.append(json.loads(body) if body else None)
                status, found, more = self.reply(method, path, headers.get("x-auth-token", ""))
                content = json.dumps(found).encode()
                extra = "".join(f"{key}: {value}\r\n" for key, value in more.items())
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(content)}\r\n{extra}\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def serving(server: Server, port: int = 0) -> AsyncIterator[None]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", port)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        listener.close()


def service(server: Server, clock: ManualClock) -> Service:
    settings = KeystoneSettings(auth_url=f"http://127.0.0.1:{server.port}/identity", password="p")
    return Service(settings, clock, kind="network", name="Neutron", url=None, timeout=5)


async def test_it_logs_in_once_and_finds_the_service_in_the_catalogue() -> None:
    server = Server()
    async with serving(server):
        found = service(server, ManualClock())
        await asyncio.gather(*(found.get("/v2.0/ports", device_id="a") for _ in range(5)))
        assert server.logins == 1
        assert server.requests[0] == ("GET", "/network/v2.0/ports?device_id=a")
        assert await found.project_id() == "p-service"
        await found.close()


async def test_a_token_that_is_not_valid_any_more_is_renewed() -> None:
    server = Server()
    async with serving(server):
        found = service(server, ManualClock())
        await found.get("/v2.0/ports")
        server.tokens.clear()
        await found.get("/v2.0/ports")
        assert server.logins == 2
        await found.close()


async def test_refusals_are_those_of_the_service() -> None:
    server = Server()
    sentence = "IP address 10.0.0.5 already allocated in subnet S"
    async with serving(server):
        neutron = Neutron(service(server, ManualClock()))
        server.answer = lambda method, path: (409, {"NeutronError": {"type": "IpInUse", "message": sentence}})
        with pytest.raises(Conflict) as refusal:
            await neutron.create_port(network_id="n")
        assert refusal.value.message == sentence
        server.answer = lambda method, path: (404, {"NeutronError": {"message": "Subnet S could not be found."}})
        assert await neutron.subnet("S") is None
        await neutron.delete_port("p")
        with pytest.raises(NotFound):
            await neutron.update_port("p", name="x")
        await neutron.service.close()


async def test_rules_are_added_in_one_request() -> None:
    server = Server()
    async with serving(server):
        neutron = Neutron(service(server, ManualClock()))
        rules = [GroupRule(ethertype="IPv4", protocol="tcp", port=80), GroupRule(ethertype="IPv4", protocol="112")]
        await neutron.add_rules("g", rules)
        (body,) = [each for each in server.bodies if each and "security_group_rules" in each]
        assert [GroupRule.of(each) for each in body["security_group_rules"]] == rules
        await neutron.service.close()


async def test_while_it_is_away_requests_are_refused_at_once() -> None:
    server, clock = Server(), ManualClock()
    async with serving(server):
        found = service(server, clock)
        await found.get("/v2.0/ports")
        server.answer = lambda method, path: (503, {})
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"Neutron fails \(503\)\. Please try again\."):
                await found.get("/v2.0/ports")
        sent = found.sent
        with pytest.raises(Unavailable, match=r"Neutron does not answer\. Please try again\."):
            await found.get("/v2.0/ports")
        assert found.sent == sent
        server.answer = lambda method, path: (200, {"ports": []})
        clock.advance(20)
        assert await found.get("/v2.0/ports") == {"ports": []}
        await found.close()


async def test_one_that_cannot_be_reached_is_unavailable() -> None:
    server = Server()
    async with serving(server):
        found = service(server, ManualClock())
    with pytest.raises(Unavailable, match="Neutron cannot be reached"):
        await found.get("/v2.0/ports")
    await found.close()


async def test_a_neutron_without_extensions_has_no_rules_of_rbac_and_counts_no_addresses() -> None:
    server = Server()
    network = {"id": "n", "project_id": "p-other"}

    def answer(method: str, path: str) -> Answer:
        if path == "/network/v2.0/networks/n":
            return 200, {"network": network}
        return 404, {"message": "The resource could not be found."}

    async with serving(server):
        neutron = Neutron(service(server, ManualClock()))
        server.answer = answer
        assert not await neutron.may_use("n", "p-red")
        assert await neutron.free_addresses("n") == {}
        assert not await neutron.offers("qos")
        server.answer = lambda method, path: (200, {"extension": {"alias": "qos"}})
        assert await neutron.offers("qos")
        await neutron.service.close()
