"""Requests to Barbican: payloads in their content types, and what a user sees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hydria.adapters.memory import ManualClock
from hydria.adapters.openstack.barbican import Barbican
from hydria.adapters.openstack.session import Service
from hydria.errors import Forbidden, NotFound, Unavailable
from hydria.settings import KeystoneSettings

SENTENCE = "Secret payload retrieval attempt not allowed - please review your user/project privileges"
_LOGIN = b'{"token": {"expires_at": "2099-01-01T00:00:00Z", "project": {"id": "p-service"}, "catalog": []}}'


class Server:
    """Keystone and Barbican on one port of loopback. `answers` are status, content type and content by path."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        # Path, token and accepted content type of requests to Barbican.
        self.requests: list[tuple[str, str, str]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines if line)
                await reader.readexactly(int(headers.get("content-length", 0)))
                status, content, extra = self._reply(first.split(" ")[1], headers)
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(content)}\r\n{extra}\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _reply(self, path: str, headers: dict[str, str]) -> tuple[int, bytes, str]:
        if path.endswith("/auth/tokens"):
            return 201, _LOGIN, "X-Subject-Token: own\r\n"
        token, accept = headers.get("x-auth-token", ""), headers["accept"]
        self.requests.append((path, token, accept))
        if token not in ("own", "user"):
            return 401, b"Authentication required", ""
        status, kind, content = self.answers[path]
        return (status, content, "") if kind == accept else (406, b"", "")


@asynccontextmanager
async def barbican(server: Server) -> AsyncIterator[Barbican]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{server.port}"
    settings = KeystoneSettings(auth_url=address, password="p")
    made = Barbican(
        Service(settings, ManualClock(), kind="key-manager", name="Barbican", url=f"{address}/key", timeout=5)
    )
    try:
        yield made
    finally:
        await made.service.close()
        listener.close()


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
async def test_a_payload_is_read_in_its_content_type(kind: str) -> None:
    server = Server()
    about = f'{{"content_types": {{"default": "{kind}"}}}}'.encode()
    server.answers = {
        "/key/v1/secrets/a": (200, "application/json", about),
        "/key/v1/secrets/a/payload": (200, kind, b"\x00\xff"),
    }
    async with barbican(server) as made:
        assert await made.payload("a") == b"\x00\xff"
    assert [path for path, *_ in server.requests] == list(server.answers)


async def test_a_container_names_its_secrets() -> None:
    server = Server()
    body = b'{"secret_refs": [{"name": "certificate", "secret_ref": "http://b/v1/secrets/a"}]}'
    server.answers = {"/key/v1/containers/c": (200, "application/json", body)}
    async with barbican(server) as made:
        assert await made.parts("c") == {"certificate": "http://b/v1/secrets/a"}


async def test_a_user_is_asked_about_with_its_own_token() -> None:
    server = Server()
    server.answers = {"/key/v1/secrets/a": (200, "application/json", b"{}")}
    async with barbican(server) as made:
        await made.check_visible("secrets", "a", "user")
        for token in ("stolen", ""):
            with pytest.raises(Forbidden, match="Barbican does not accept the token of the request"):
                await made.check_visible("secrets", "a", token)
    assert [token for _, token, _ in server.requests] == ["user", "stolen", ""]


async def test_refusals_have_barbicans_sentences() -> None:
    server = Server()
    fault = '{{"title": "x", "description": "{0}", "code": 4}}'.format
    server.answers = {
        "/key/v1/secrets/a": (403, "application/json", fault(SENTENCE).encode()),
        "/key/v1/secrets/b": (404, "application/json", fault("Secret not found.").encode()),
        "/key/v1/secrets/c": (500, "application/json", b""),
    }
    async with barbican(server) as made:
        with pytest.raises(Forbidden, match=SENTENCE):
            await made.payload("a")
        with pytest.raises(NotFound, match=r"Secret not found\."):
            await made.payload("b")
        with pytest.raises(Unavailable, match=r"Barbican fails \(500\)"):
            await made.payload("c")
