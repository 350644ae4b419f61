"""The agent's two calls to the server. This is the only module of the agent that knows how it authenticates."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import msgspec
from msgspec import structs

from hydria.agent.membership import Membership
from hydria.contract import POLL_SECONDS, Holding, Orders, Reports
from hydria.errors import HydriaError

_orders = msgspec.json.Decoder(Orders)
_encoder = msgspec.json.Encoder()

# Longer than any server holds a poll open (seconds).
_POLL_PATIENCE = 400.0
_PATIENCE = 10.0
# By a server that says how long it holds polls, an answer may be late by this much (seconds).
_LATE = 10.0

# A server whose machine is lost is noticed within some seconds, also during a poll.
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000),
)


class LinkError(HydriaError):
    """The server was not reached, or its answer was an error."""


class Servers:
    """The servers of a host, of which it uses one until that fails."""

    def __init__(self, urls: Sequence[str] = ("",)) -> None:
        """One empty URL stands for the base URL of the HTTP client."""
        self.urls = tuple(urls)
        self._current = 0

    @property
    def url(self) -> str:
        """The server to use."""
        return self.urls[self._current]

    def go_on(self, failed: str) -> None:
        """Use the next server, unless another call has gone on already."""
        if failed == self.url:
            self._current = (self._current + 1) % len(self.urls)

    def replace(self, urls: Sequence[str]) -> None:
        """Take another list, and stay at the same server."""
        current = self.url
        # A server that answers stays, although the others may know it by another address.
        self.urls = tuple(urls) if current in urls else (current, *urls)
        self._current = self.urls.index(current)


class Link:
    """The connection to the server, over an HTTP client whose base URL is the server's."""

    def __init__(self, client: httpx.AsyncClient, secret_file: Path) -> None:
        """`secret_file` holds the secret that the server made. It is read for each call, because it may change."""
        self._client = client
        self._servers = Servers()
        self._secret: Callable[[], str] = lambda: _read(secret_file)
        self._keep: Callable[[tuple[str, ...]], None] | None = None
        self._poll_patience = _POLL_PATIENCE
        # The servers' own list.
        self._told: tuple[str, ...] = ()

    @classmethod
    def of_member(cls, client: httpx.AsyncClient, membership: Membership, state_dir: Path) -> "Link":
        """Return the link of a host that has joined; `client` trusts the servers' authority."""
        link = cls(client, state_dir)
        link._servers = Servers(membership.servers)
        link._secret = lambda: membership.secret

        def keep(urls: tuple[str, ...]) -> None:
            structs.replace(membership, servers=urls).write(state_dir)

        link._keep = keep
        return link

    async def poll(self, holding: Holding) -> Orders:
        """Send the holding and wait for orders. Raises LinkError."""
        if self._keep is not None:
            holding = structs.replace(holding, servers=self._told)
        response = await self._post("/agent/v1/poll", _encoder.encode(holding), self._poll_patience)
        held = response.headers.get(POLL_SECONDS, "")
        self._poll_patience = int(held) + _LATE if held.isdecimal() else _POLL_PATIENCE
        try:
            orders = _orders.decode(response.content)
        except msgspec.DecodeError as error:
            raise LinkError(f"the server's orders cannot be read: {error}") from None
        if orders.servers and self._keep is not None:
            self._told = orders.servers
            self._servers.replace(orders.servers)
            self._keep(self._servers.urls)
        return orders

    async def report(self, reports: Reports) -> None:
        """Send what changed. Raises LinkError."""
        await self._post("/agent/v1/report", _encoder.encode(reports), _PATIENCE)

    async def _post(self, path: str, content: bytes, patience: float) -> httpx.Response:
        url = self._servers.url
        try:
            headers = {"authorization": f"Bearer {self._secret()}"}
            timeout = httpx.Timeout(_PATIENCE, read=patience)
            response = await self._client.post(url + path, content=content, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            self._servers.go_on(url)
            self._poll_patience = _POLL_PATIENCE
            raise LinkError(f"the server is not reached: {error or type(error).__name__}") from None
        if not response.is_success:
            if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                self._servers.go_on(url)
            raise LinkError(f"the server answers {response.status_code}: {response.text[:200]}")
        return response


def _read(file: Path) -> str:
    try:
        secret = file.read_text().strip()
    except OSError as error:
        raise LinkError(f"the server's secret cannot be read: {error}") from None
    if not secret:
        raise LinkError(f"the server's secret {file} is empty: copy it from the server")
    return secret
