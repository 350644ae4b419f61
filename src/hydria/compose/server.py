"""The server as an ASGI application, and its main loop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hydria.api.dialect import OctaviaDialect
from hydria.compose import memory_tuning
from hydria.compose.agent_listener import AgentListener
from hydria.compose.authorization import keystone_api
from hydria.compose.clock import DatabaseClock, clock_of
from hydria.compose.cloud import cloud_of
from hydria.compose.credentials import agent_secret
from hydria.compose.fresh import notice_fresh_database
from hydria.compose.noop import NoopPlane
from hydria.compose.parts import Parts, put_together
from hydria.compose.quiet_server import QuietServer
from hydria.compose.schema import ensure_schema
from hydria.compose.shared_keys import record_keys, refuse_other_keys
from hydria.dashboard import Dashboard
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

    public_url, store = settings.server.public_url, parts.store_certificate
    dashboard = Dashboard(parts.database, parts.clock, parts.secrets_of, public_url, store)
    app = Starlette(
        routes=parts.routes(settings, dashboard.operations, noop=noop),
        lifespan=partial(_controlled, parts, dashboard),
        exception_handlers={404: not_found},
        middleware=[Middleware(TrailingSlashes, mounts=parts.mounts)],
    )
    app.router.routes.extend(dashboard.routes(app, parts.mounts, keystone_api(settings)))
    app.state.exchange = parts.exchange
    app.state.dashboard = dashboard
    app.state.parts = parts
    return app


@contextlib.asynccontextmanager
async def _controlled(parts: Parts, dashboard: Dashboard, _: Starlette) -> AsyncIterator[None]:
    stop, controller, neutron = asyncio.Event(), parts.controller, parts.neutron
    tasks = [endless(controller.run(stop), "controller", stop), endless(dashboard.run(stop), "dashboard", stop)]
    if parts.certifier is not None:
        tasks.append(endless(parts.certifier.run(stop), "certifier", stop))
    if neutron is not None:
        tasks.append(endless(neutron.run(stop), "neutron", stop))
    if parts.barbican is not None:
        tasks.append(endless(parts.barbican.run(stop), "barbican", stop))
    try:
        yield
    finally:
        stop.set()
        dashboard.close()
        controller.wake()
        if neutron is not None:
            neutron.wake()
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
        refuse_other_keys(settings, database)
        clock = clock_of(database)
        app = make_app(settings, database, clock, noop=noop)
        record_keys(settings, database)
        config = uvicorn.Config(
            app,
            host=settings.server.host,
            port=settings.server.port,
            log_config=None,
            access_log=False,
            http=connections_of(settings.server),  # type: ignore[arg-type]
            ws="none",
            timeout_graceful_shutdown=_GRACE,
            server_header=False,
        )
        # uvicorn logs a warning for each request that is not HTTP, so a client could fill the disk.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        # Agents of other hosts take nothing from the connections of the API's clients.
        listener = AgentListener(settings.server, app.state.parts, connections_of(settings.server))
        memory_tuning.freeze_long_lived_objects()
        server = QuietServer(config)
        serving = asyncio.create_task(server.serve())
        tasks = [] if noop else [endless(listener.run(stop), "agents", stop)]
        if isinstance(clock, DatabaseClock):
            tasks.append(endless(clock.run(stop), "clock", stop))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        app.state.exchange.close()
        app.state.dashboard.close()
        server.should_exit = True
        stopping.cancel()
        await serving
        stop.set()
        listener.wake()
        await asyncio.gather(*tasks)


def connections_of(settings: ServerSettings) -> Callable[..., LimitedProtocol]:
    """Return what makes the protocols of a listener's connections, which share their limits."""
    limits = ConnectionLimits(
        head_bytes=settings.max_head_bytes,
        body_bytes=settings.max_body_bytes,
        seconds=settings.request_seconds,
        total=settings.max_connections,
        of_source=max(1, settings.max_connections * 3 // 4),
    )
    return partial(LimitedProtocol, connections=Connections(limits))
