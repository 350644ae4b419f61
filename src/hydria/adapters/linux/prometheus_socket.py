"""Answers the scrapes that an amphora's HAProxy hands on from PROMETHEUS listeners."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from hydria.adapters.linux.events import inode, open_to
from hydria.errors import HostError

log = structlog.get_logger(__name__)

# HAProxy sends whole requests at once (seconds).
_PATIENCE = 5.0
# PrometheusSocket of one amphora that are answered at once: nobody else can use up the agent's descriptors.
_AT_ONCE = 8

_HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\n"


class PrometheusSocket:
    """The socket of one amphora: whose numbers are asked for is known by where the question comes in."""

    def __init__(self, path: Path, numbers: Callable[[], Awaitable[bytes]]) -> None:
        """`numbers` returns the text, and raises HostError."""
        self._path = path
        self._numbers = numbers
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open = 0

    @property
    def lost(self) -> bool:
        """Whether it listens where nobody finds it."""
        return self._server is not None and inode(self._path) != self._inode

    async def open(self, gid: int) -> None:
        """Answer a group; a socket that a dead agent left is replaced."""
        if self._server is not None and inode(self._path) == self._inode:
            return
        self.close()
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, self._path)
        open_to(self._path, gid)
        self._inode = inode(self._path)

    def close(self) -> None:
        """Answer no more."""
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
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            method, _, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
            status, kind, body = await self._page()
            writer.write(_HEAD.format(status=status, kind=kind, length=len(body)).encode())
            writer.write(b"Connection: close\r\n\r\n" + (b"" if method == "HEAD" else body))
            async with asyncio.timeout(_PATIENCE):
                await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.info("scrape_failed", reason=str(error) or type(error).__name__)
        finally:
            self._open -= 1
            writer.close()

    async def _page(self) -> tuple[str, str, bytes]:
        try:
            return "200 OK", CONTENT_TYPE_PLAIN_0_0_4, await self._numbers()
        except HostError as error:
            return "503 Service Unavailable", "text/plain", f"{error}\n".encode()
