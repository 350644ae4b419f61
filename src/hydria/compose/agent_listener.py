"""The second listener of a server: for agents of other hosts, over TLS. It opens when the first host is invited."""

import asyncio
import socket
import ssl
import tempfile
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette

from hydria.compose.parts import Parts
from hydria.compose.quiet_server import QuietServer
from hydria.controller.agent_authority import RENEW_BEFORE, sign_leaf
from hydria.controller.joining import is_expected, runs
from hydria.controller.wakeup import Wakeup
from hydria.errors import Refusal
from hydria.settings import ServerSettings
from hydria.store import Transaction

log = structlog.get_logger(__name__)

# How often this server says that it runs, and looks whether its certificate is due (seconds).
_PERIOD = 10.0
_REST = 3600.0
# An address of a documentation range, to which no packet is sent.
_ELSEWHERE = ("192.0.2.1", 9)


def agents_url(settings: ServerSettings) -> str | None:
    """Return the URL by which agents of other hosts reach this server, None if this machine does not know it."""
    if settings.agents_url is not None:
        return settings.agents_url
    address = settings.agents_host
    if address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                # A datagram socket that is connected gets the address of the route.
                probe.connect(_ELSEWHERE)
                address = probe.getsockname()[0]
            except OSError:
                return None
    return (
        f"https://[{address}]:{settings.agents_port}" if ":" in address else f"https://{address}:{settings.agents_port}"
    )


class AgentListener:
    """Serves an application to agents of other hosts, and keeps the server's certificate valid."""

    def __init__(self, settings: ServerSettings, parts: Parts, http: Callable[..., asyncio.Protocol]) -> None:
        """`http` makes the protocols of connections."""
        self._settings = settings
        self._database = database = parts.database
        self._clock = parts.clock
        self._vault = parts.vault
        self._app = Starlette(routes=parts.routes_for_joined())
        self._http = http
        self._key = str(uuid.uuid4())
        self._wakeup = Wakeup()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._not_after: datetime | None = None
        # When this server said last that it runs, by the monotonic clock.
        self._said_at: float | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        database.subscribe(lambda topics: self._wakeup.set() if "hosts" in topics else None)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        try:
            while not stop.is_set():
                self._wakeup.clear()
                try:
                    await self._step()
                except (OSError, Refusal) as error:
                    log.warning("agents_not_served", reason=str(error), port=self._settings.agents_port)
                await self._wakeup.wait(_PERIOD)
        finally:
            await self._close()

    def wake(self) -> None:
        """Let `run` look at `stop`."""
        self._wakeup.set()

    async def _step(self) -> None:
        now, url = self._clock.now(), agents_url(self._settings)
        if url is not None and self._due():
            await self._database.run(partial(runs, key=self._key, url=url, now=now), writing=True)
            self._said_at = self._clock.monotonic()
        if not await self._database.run(partial(is_expected, now=now), writing=False):
            return
        if self._not_after is None or self._not_after - now < RENEW_BEFORE:
            await self._renew(now)
        if self._serving is None or self._serving.done():
            self._open()
            log.info("agents_served", url=url)

    def _due(self) -> bool:
        """Return whether to store that this server runs. An embedded database has no other, so its disk may rest."""
        period = _REST if self._database.embedded else _PERIOD
        return self._said_at is None or self._clock.monotonic() - self._said_at >= period

    async def _renew(self, now: datetime) -> None:
        def work(transaction: Transaction) -> Any:
            return sign_leaf(transaction, self._vault, now)

        leaf = await self._database.run(work, writing=True)
        with tempfile.TemporaryDirectory(prefix="hydria-") as directory:
            file = Path(directory) / "leaf.pem"
            file.touch(0o600)
            file.write_text(leaf.pem)
            # New connections get the new certificate.
            self._context.load_cert_chain(file)
        self._not_after = leaf.not_after

    def _open(self) -> None:
        family = socket.AF_INET6 if ":" in self._settings.agents_host else socket.AF_INET
        listening = socket.create_server(
            (self._settings.agents_host, self._settings.agents_port), family=family, backlog=256
        )
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            http=self._http,  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        config.load()
        config.ssl = self._context
        self._server = QuietServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))

    async def _close(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)
