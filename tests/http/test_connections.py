"""Limits of connections, at a real server on loopback: sizes, deadlines, and who goes when there are too many."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hydria.http.connections import ConnectionLimits, Connections, LimitedProtocol
from tests.support.waiting import eventually

HEAD = 10_000
# No request of a test that is not slow on purpose takes so long, however loaded the machine is.
LONG, SHORT = 120.0, 0.3

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Site:
    """The server and its address."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.held = asyncio.Event()
        self.connections = Connections(limits)
        routes = [Route("/", self.echo, methods=["GET", "POST"]), Route("/held", self.hold), Route("/big", self.big)]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http=partial(LimitedProtocol, connections=self.connections),  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.socket = socket.create_server(("127.0.0.1", 0))

    async def echo(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def hold(self, _: Request) -> PlainTextResponse:
        await self.held.wait()
        return PlainTextResponse("held")

    async def big(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("x" * 50_000_000)

    async def connect(self, *parts: bytes) -> Stream:
        reader, writer = await asyncio.open_connection(*self.socket.getsockname())
        for part in parts:
            writer.write(part)
        return reader, writer


@contextlib.asynccontextmanager
async def site(*, seconds: float = LONG, total: int = 50, of_source: int = 50) -> AsyncIterator[Site]:
    limits = ConnectionLimits(head_bytes=HEAD, body_bytes=10_000, seconds=seconds, total=total, of_source=of_source)
    one = Site(limits)
    serving = asyncio.create_task(one.server.serve(sockets=[one.socket]))
    try:
        await eventually(lambda: one.server.started)
        yield one
    finally:
        one.held.set()
        one.server.should_exit = True
        await serving


async def answer(stream: Stream) -> tuple[int, str]:
    """Return an answer's status and body; (0, "") where the connection is closed without one."""
    reader, _ = stream
    async with asyncio.timeout(60):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, ""
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head.split(b" ")[1]), (await reader.readexactly(int(length.split(b":")[1]))).decode()


async def closed(stream: Stream) -> bool:
    """Wait until the other side has closed a connection."""
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            while await stream[0].read(65536):
                pass
    return True


GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"


async def test_ordinary_requests_are_answered() -> None:
    async with site() as one:
        stream = await one.connect(GET)
        assert await answer(stream) == (200, "0")
        stream[1].write(POST + b"Content-Length: 5\r\n\r\nab")
        await asyncio.sleep(0)
        stream[1].write(b"cde" + GET + GET[:10])
        assert await answer(stream) == (200, "5")
        assert await answer(stream) == (200, "0")
        stream[1].write(GET[10:])
        assert await answer(stream) == (200, "0")
        # A large body and the next request's beginning in one part are no large head.
        stream[1].write(POST + b"Content-Length: 40000\r\n\r\n" + b"x" * 40_000 + GET[:5])
        assert await answer(stream) == (200, "40000")
        stream[1].write(GET[5:])
        assert await answer(stream) == (200, "0")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * HEAD + b" HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET /" + b"a" * HEAD,
        b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * HEAD,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * HEAD + b"\r\n",
    ],
)
async def test_a_large_head_is_refused_whether_or_not_it_ends(head: bytes) -> None:
    async with site() as one:
        stream = await one.connect(*(head[at : at + 1000] for at in range(0, len(head), 1000)))
        status, sentence = await answer(stream)
        assert status == 431
        assert str(HEAD) in sentence
        assert await closed(stream)


async def test_endless_trailers_are_cut_off() -> None:
    async with site() as one:
        stream = await one.connect(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"T: r\r\n" * HEAD)
        assert (await answer(stream))[0] in (431, 0)
        assert await closed(stream)


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: he",
        POST + b"Content-Length: 5\r\n\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    ],
)
async def test_a_slow_request_is_answered_with_408(begun: bytes) -> None:
    async with site(seconds=SHORT) as one:
        stream = await one.connect(begun)
        status, sentence = await answer(stream)
        assert status == 408
        assert sentence.endswith("Send it again.")
        assert await closed(stream)


async def test_a_trickling_request_gets_no_more_time() -> None:
    async with site(seconds=SHORT) as one:
        stream = await one.connect(POST + b"Transfer-Encoding: chunked\r\n\r\n")

        async def trickle() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    stream[1].write(b"1\r\nx\r\n")
                    await stream[1].drain()
                    await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert (await answer(stream))[0] == 408
        assert await closed(stream)
        trickling.cancel()


async def test_a_connection_without_a_request_is_closed() -> None:
    async with site(seconds=SHORT) as one:
        assert await closed(await one.connect())


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with site(seconds=SHORT) as one:
        await one.connect(b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n")
        await eventually(lambda: one.server.server_state.connections)
        await eventually(lambda: not one.server.server_state.connections)


async def test_a_request_that_takes_long_to_answer_is_not_cut_off() -> None:
    async with site(seconds=SHORT) as one:
        stream = await one.connect(b"GET /held HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.sleep(3 * SHORT)
        one.held.set()
        assert await answer(stream) == (200, "held")


@pytest.mark.parametrize("limits", [{"total": 5}, {"of_source": 5}])
async def test_new_clients_are_served_despite_many_half_requests(limits: dict[str, int]) -> None:
    async with site(**limits) as one:
        poll = await one.connect(b"GET /held HTTP/1.1\r\nHost: here\r\n\r\n")
        await eventually(lambda: one.server.server_state.tasks)
        begun = [GET[:20], POST + b"Content-Length: 5\r\n\r\nab", b""]
        half = [await one.connect(begun[number % 3]) for number in range(20)]
        assert await answer(await one.connect(GET)) == (200, "0")
        assert await closed(half[0])
        # What is being answered stays.
        one.held.set()
        assert await answer(poll) == (200, "held")


async def test_a_client_is_refused_when_all_connections_are_busy() -> None:
    async with site(total=3) as one:
        held = [await one.connect(b"GET /held HTTP/1.1\r\nHost: here\r\n\r\n") for _ in range(3)]
        await eventually(lambda: len(one.server.server_state.tasks) == 3)
        status, _ = await answer(await one.connect())
        assert status == 503
        one.held.set()
        assert [await answer(stream) for stream in held] == [(200, "held")] * 3
        assert await answer(await one.connect(GET)) == (200, "0")
