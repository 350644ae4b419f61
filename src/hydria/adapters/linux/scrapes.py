"""Answers the scrapes that HAProxy hands on from PROMETHEUS listeners, on one stream socket for all amphorae."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from hydria.errors import HostError

log = structlog.get_logger(__name__)

# HAProxy sends whole requests at once (seconds).
_PATIENCE = 5.0

_HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\n"


class Scrapes:
    """The socket. Whose numbers are asked for stands in the path, which only HAProxy's configuration can say."""

    def __init__(self, path: Path, group: str, numbers: Callable[[str], Awaitable[bytes]]) -> None:
        """`numbers` returns the text for an amphora's id. Raises HostError."""
        self.path = path
        self._group = group
        self._numbers = numbers
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer; a socket that a dead agent left is replaced."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, self.path)
        # HAProxy has dropped its privileges when it asks; nobody else is to read other people's numbers.
        try:
            shutil.chown(self.path, group=self._group)
            os.chmod(self.path, 0o660)
        except LookupError:
            log.warning("group_missing", group=self._group)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
            status, kind, body = await self._page(target)
            writer.write(_HEAD.format(status=status, kind=kind, length=len(body)).encode())
            writer.write(b"Connection: close\r\n\r\n" + (b"" if method == "HEAD" else body))
            await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.info("scrape_failed", reason=str(error) or type(error).__name__)
        finally:
            writer.close()

    async def _page(self, target: str) -> tuple[str, str, bytes]:
        try:
            return "200 OK", CONTENT_TYPE_PLAIN_0_0_4, await self._numbers(target.removeprefix("/"))
        except HostError as error:
            return "503 Service Unavailable", "text/plain", f"{error}\n".encode()
