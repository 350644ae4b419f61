"""Hydria in noop mode in this process, for tests: like a server, but without a socket."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from compare.sides import Side, hydria_side
from hydria.compose.clock import SystemClock
from hydria.compose.credentials import Credentials
from hydria.compose.schema import upgrade_database
from hydria.compose.server import make_app
from hydria.settings import Settings
from hydria.store import Database


class _InProcess(httpx.BaseTransport):
    """Carries requests to an ASGI application, one at a time, in an event loop of its own."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self._runner = asyncio.Runner()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        return self._runner.run(self._answer(request))

    def close(self) -> None:
        """End the loop."""
        self._runner.close()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


class InsideHydria:
    """A server with its state in a directory; cases use its `side`."""

    def __init__(self, directory: Path) -> None:
        settings = Settings(state_dir=directory / "state", run_dir=directory / "run")
        upgrade_database(settings)
        self.database = Database(settings.database_url, synchronous="off")
        app = make_app(settings, self.database, SystemClock(), noop=True)
        self.http = httpx.Client(transport=_InProcess(app), base_url="http://hydria.test")
        self.side: Side = hydria_side(self.http, Credentials.read(settings.credentials_file).password)

    def close(self) -> None:
        """Close the database."""
        self.http.close()
        self.database.close()
