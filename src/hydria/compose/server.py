"""The server as an ASGI application, and its main loop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hydria.api.dialect import OctaviaDialect
from hydria.compose import memory_tuning
from hydria.compose.clock import SystemClock
from hydria.compose.cloud import cloud_of
from hydria.compose.credentials import agent_secret
from hydria.compose.fresh import notice_fresh_database
from hydria.compose.noop import NoopPlane
from hydria.compose.parts import Parts, put_together
from hydria.compose.schema import ensure_schema
from hydria.controller.acme import Certifier
from hydria.controller.loop import Controller
from hydria.files import make_directory
from hydria.http.connections import ConnectionLimits, Connections, LimitedProtocol
from hydria.http.dispatch import nothing_here
from hydria.http.slashes import TrailingSlashes
from hydria.locking import lock_once
from hydria.protocols import Clock
from hydria.settings import ServerSettings, Settings
from hydria.store import Database
from hydria.tasks import endless

# How long a stopping server waits for requests (seconds). Polls are answered at once.
_GRACE = 2


def make_app(settings: Settings, database: Database, clock: Clock, *, noop: bool = False) -> Starlette:
    """Return the server as an ASGI application; its controller runs during the application's lifespan.

    Makes the home cloud's first rows and the secrets when they are missing. With `noop` every change is settled at once
    and no host is needed. Raises SettingsError.
    """
    cloud = cloud_of(settings, database, clock, noop=noop)
    parts = put_together(settings, database, clock, cloud, agent_secret=agent_secret(settings), noop=noop)
    if noop:
        NoopPlane(database, clock, parts.reconciler).start()
    return app_of(settings, parts, noop=noop)


def app_of(settings: Settings, parts: Parts, *, noop: bool = False) -> Starlette:
    """Return the ASGI application of a server's parts."""
    nothing = nothing_here(OctaviaDialect())

    async def not_found(request: Request, _: Exception) -> Response:
        response: Response = await nothing(request)
        return response

    app = Starlette(
        routes=parts.routes(settings, noop=noop),
        lifespan=partial(_controlled, parts.controller, parts.certifier),
        exception_handlers={404: not_found},
        middleware=[Middleware(TrailingSlashes, mounts=parts.mounts)],
    )
    app.state.exchange = parts.exchange
    return app


@contextlib.asynccontextmanager
async def _controlled(controller: Controller, certifier: Certifier | None, _: Starlette) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [endless(controller.run(stop), "controller", stop)]
    if certifier is not None:
        tasks.append(endless(certifier.run(stop), "certifier", stop))
    try:
        yield
    finally:
        stop.set()
        controller.wake()
        await asyncio.gather(*tasks)


async def run_server(settings: Settings, stop: asyncio.Event, *, noop: bool = False) -> None:
    """Serve until `stop` is set. Raises HostError when another server has the same embedded database."""
    make_directory(settings.state_dir)
    memory_tuning.return_large_blocks()
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_once(settings.state_dir / "server.lock", "server on this database"))
        ensure_schema(settings)
        database = Database(settings.database_url, synchronous=settings.database.synchronous)
        stack.callback(database.close)
        notice_fresh_database(settings, database)
        app = make_app(settings, database, SystemClock(), noop=noop)
        config = uvicorn.Config(
            app,
            host=settings.server.host,
            port=settings.server.port,
            log_config=None,
            access_log=False,
            http=partial(LimitedProtocol, connections=Connections(_connection_limits(settings.server))),  # type: ignore[arg-type]
            ws="none",
            timeout_graceful_shutdown=_GRACE,
            server_header=False,
        )
        # uvicorn logs a warning for each request that is not HTTP, so a client could fill the disk.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        memory_tuning.freeze_long_lived_objects()
        server = _Server(config)
        serving = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        app.state.exchange.close()
        server.should_exit = True
        stopping.cancel()
        await serving


def _connection_limits(settings: ServerSettings) -> ConnectionLimits:
    return ConnectionLimits(
        head_bytes=settings.max_head_bytes,
        body_bytes=settings.max_body_bytes,
        seconds=settings.request_seconds,
        total=settings.max_connections,
        of_source=max(1, settings.max_connections * 3 // 4),
    )


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the command decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield
