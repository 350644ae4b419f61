"""The server, put together of the API, the home cloud and the controller."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from secrets import token_urlsafe

import uvicorn
from msgspec import Struct, structs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hydria import api
from hydria.api.dialect import OctaviaDialect
from hydria.compose import authorization, memory_tuning, metrics
from hydria.compose.authority import authority_of
from hydria.compose.clock import SystemClock
from hydria.compose.credentials import SECRETS_KEY, TOKEN_KEY, Credentials, agent_secret, kept_secret
from hydria.compose.fresh import external_ids, keep_external_ids, notice_fresh_database
from hydria.compose.noop import NoopNetworking, NoopPlane, NoopSecrets
from hydria.compose.schema import ensure_schema
from hydria.controller.acme import AcmeSecrets, Certifier
from hydria.controller.desired_state import DesiredState
from hydria.controller.exchange import Exchange
from hydria.controller.loop import Controller
from hydria.controller.orphans import Orphans, Outside
from hydria.controller.reconcile import Reconciler
from hydria.controller.reports import Reporter
from hydria.files import make_directory
from hydria.homecloud import identity, network, secrets
from hydria.http.connections import ConnectionLimits, Connections, LimitedProtocol
from hydria.http.dispatch import Dispatcher, nothing_here
from hydria.http.metrics import HttpMetrics
from hydria.http.operation import Authenticator, Mount
from hydria.http.slashes import TrailingSlashes
from hydria.locking import lock_once
from hydria.model.base import stamp
from hydria.protocols import CertificateAuthority, Clock, Networking, Secrets
from hydria.settings import ServerSettings, Settings
from hydria.store import Database, Transaction
from hydria.store.certificates import AcmeOrder
from hydria.tasks import endless

# How long a stopping server lets requests finish (seconds); polls are cut off then.
_GRACE = 2


class _Cloud(Struct, frozen=True, kw_only=True):
    """The cloud that the server stands in: each service bound to a transaction, and what mounts of it there are."""

    networking_of: Callable[[Transaction], Networking]
    secrets_of: Callable[[Transaction], Secrets]
    vault: secrets.Vault
    authority: CertificateAuthority | None
    authenticator: Authenticator
    mounts: tuple[Mount, ...]


def _cloud(settings: Settings, database: Database, clock: Clock, *, noop: bool) -> _Cloud:
    authenticator, users = _users(settings, database, clock)
    vault = secrets.Vault(kept_secret(settings, SECRETS_KEY, secrets.new_key))
    authority = None if noop else authority_of(settings)

    def networking_of(transaction: Transaction) -> Networking:
        home = network.HomeNetworking(transaction, clock.now())
        return NoopNetworking(home) if noop else home

    def secrets_of(transaction: Transaction) -> Secrets:
        if noop:
            return NoopSecrets()
        home = secrets.HomeSecrets(transaction, vault, stamp(clock.now()))
        return AcmeSecrets(transaction, home, vault, clock.now(), offered=authority is not None)

    return _Cloud(
        networking_of=networking_of,
        secrets_of=secrets_of,
        vault=vault,
        authority=authority,
        authenticator=authenticator,
        mounts=(*users, *network.mounts(), *secrets.KeyManager(vault, orders=AcmeOrder).mounts()),
    )


def _exchange(settings: Settings, database: Database, clock: Clock, cloud: _Cloud, reconciler: Reconciler) -> Exchange:
    orphans = Orphans(
        Outside(
            networking_of=cloud.networking_of,
            topologies_of=network.HomeTopologies,
            restore_project=identity.restore_project if settings.keystone.auth_url is None else _nothing,
        )
    )
    desired_state = DesiredState(cloud.networking_of, network.HomeTopologies, cloud.secrets_of)
    exchange = Exchange(database, clock, desired_state, Reporter(reconciler), orphans, secret=agent_secret(settings))
    exchange.poll_seconds = settings.server.poll_seconds
    return exchange


def make_app(settings: Settings, database: Database, clock: Clock, *, noop: bool = False) -> Starlette:
    """Return the server as an ASGI application; its controller works while the application's lifespan lasts.

    Makes the home cloud's first things and the secrets, if they are not there. `noop` puts a data plane that does
    nothing in the place of hosts. Raises SettingsError.
    """
    authorisation = authorization.policy_of(settings)
    cloud = _cloud(settings, database, clock, noop=noop)
    dispatcher = Dispatcher(
        database,
        authenticator=cloud.authenticator,
        authorisation=authorisation,
        clock=clock,
        max_body=settings.server.max_body_bytes,
        public_url=settings.server.public_url,
    )
    octavia = api.mounts(
        cloud.networking_of,
        cloud.secrets_of,
        strict_immutable=settings.api.strict_immutable,
        default_quotas=structs.asdict(settings.quotas),
        # Octavia's own API tests compare texts.
        keep_spelling=noop,
    )
    mounts = (*octavia, *cloud.mounts)
    reconciler = Reconciler(cloud.networking_of, clock.now(), attached=not noop)
    exchange = _exchange(settings, database, clock, cloud, reconciler)
    if noop:
        NoopPlane(database, clock, reconciler).start()
    measures = HttpMetrics()
    # Where nothing is served no agent may think that it must serve.
    routes = [
        *metrics.routes(settings.server, database, measures),
        *(() if noop else exchange.routes()),
        *(route for mount in mounts for route in dispatcher.routes(mount, measures)),
    ]
    certifier = None if cloud.authority is None else Certifier(database, clock, cloud.authority, cloud.vault)
    lifespan = partial(_controlled, Controller(database, clock, reconciler), certifier)
    nothing = nothing_here(OctaviaDialect())

    async def not_found(request: Request, _: Exception) -> Response:
        response: Response = await nothing(request)
        return response

    middleware = [Middleware(TrailingSlashes, mounts=mounts)]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: not_found}, middleware=middleware)
    app.state.exchange = exchange
    return app


def _nothing(_: Transaction, project_id: str) -> None:
    """Leave projects to the Keystone that has them."""


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
        # It warns of each request that is no HTTP: anybody could fill the disk.
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
    """uvicorn without signal handlers: whoever composes decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _users(settings: Settings, database: Database, clock: Clock) -> tuple[Authenticator, tuple[Mount, ...]]:
    """Return who says whose a token is, and where users are looked after; makes the first things.

    Where users are a Keystone's, the home cloud's identity is away: two places to log in would be one too many.
    """
    elsewhere = authorization.keystone_identity(settings, clock)
    if elsewhere is not None:
        # Nobody's, as Neutron has it for what only admins change.
        _external_network(settings, database, clock, lambda _: "")
        return elsewhere, ()
    cloud = identity.Identity(
        region=settings.homecloud.region,
        key=kept_secret(settings, TOKEN_KEY, identity.new_key),
        token_hours=settings.homecloud.token_hours,
        passwords=identity.Passwords(settings.homecloud.wrong_passwords_per_minute, clock.monotonic),
        subscribe=database.subscribe,
        now=clock.now,
    )
    file = settings.credentials_file
    password = Credentials.read(file).password if file.exists() else token_urlsafe(18)
    # Before the database knows it: a password that nobody can read would be lost.
    Credentials.of(settings, password).write(file)
    _external_network(
        settings, database, clock, lambda transaction: cloud.bootstrap(transaction, clock.now(), password)
    )
    cloud.expect(database, password)
    return cloud, (cloud.mount(),)


def _external_network(
    settings: Settings, database: Database, clock: Clock, owner: Callable[[Transaction], str]
) -> None:
    """Make the external network, if there is none; `owner` returns its project's id and may make it."""

    ids = external_ids(settings)

    def work(transaction: Transaction) -> tuple[str, str] | None:
        return network.bootstrap(transaction, clock.now(), owner(transaction), settings.homecloud.external_cidr, ids)

    keep_external_ids(settings, database.transact(work))
