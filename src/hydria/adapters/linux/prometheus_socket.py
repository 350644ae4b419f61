"""The socket that answers the scrapes which an amphora's HAProxy forwards from PROMETHEUS listeners."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import h11
import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from hydria.adapters.linux.events import inode, open_to
from hydria.errors import HostError

log = structlog.get_logger(__name__)

# How long a request may take to come, and a response to go (seconds). HAProxy sends whole requests at once.
_PATIENCE = 5.0
# The most scrapes of one amphora that are answered at once, so that it cannot use up the agent's descriptors.
_AT_ONCE = 8
# The most bytes that one read takes.
_CHUNK = 65536


class PrometheusSocket:
    """The socket of one amphora: a request needs no name of the amphora, as it comes in by that one's socket."""

    def __init__(self, path: Path, metrics: Callable[[], Awaitable[bytes]]) -> None:
        """`metrics` returns the text, and raises HostError."""
        self._path = path
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open = 0

    @property
    def lost(self) -> bool:
        """Whether another file, or none, is at the path now."""
        return self._server is not None and inode(self._path) != self._inode

    async def open(self, gid: int) -> None:
        """Listen, open to a group; a socket that an earlier agent left is replaced."""
        if self._server is not None and inode(self._path) == self._inode:
            return
        self.close()
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, self._path)
        open_to(self._path, gid)
        self._inode = inode(self._path)

    def close(self) -> None:
        """Stop listening, and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _AT_ONCE:
            writer.close()
            return
        self._open += 1
        try:
            connection = h11.Connection(h11.SERVER)
            async with asyncio.timeout(_PATIENCE):
                request = await _request(connection, reader)
            status, kind, body = await self._page()
            writer.write(_response(connection, status, kind, b"" if request.method == b"HEAD" else body, len(body)))
            async with asyncio.timeout(_PATIENCE):
                await writer.drain()
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            log.info("scrape_failed", reason=str(error) or type(error).__name__)
        finally:
            self._open -= 1
            writer.close()

    async def _page(self) -> tuple[int, str, bytes]:
        try:
            return 200, CONTENT_TYPE_PLAIN_0_0_4, await self._metrics()
        except HostError as error:
            return 503, "text/plain", f"{error}\n".encode()


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request:
    """Read the head of a request. Raises h11.ProtocolError."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            raise h11.RemoteProtocolError("the connection ended before the request")
        connection.receive_data(await reader.read(_CHUNK))


def _response(connection: h11.Connection, status: int, kind: str, body: bytes, length: int) -> bytes:
    """Return a whole response; `length` is that of the body which a GET would get."""
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(length)),
        ("Cache-Control", "no-cache"),
        ("Connection", "close"),
    ]
    reason = HTTPStatus(status).phrase.encode()
    events = (h11.Response(status_code=status, headers=headers, reason=reason), h11.Data(data=body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)
