"""The parts of a server, put together in one place for the program and for tests."""

from collections.abc import Callable

from msgspec import Struct, structs
from starlette.routing import Route

from hydria import api
from hydria.compose import metrics
from hydria.controller.acme import Certifier
from hydria.controller.desired_state import DesiredState
from hydria.controller.exchange import Exchange
from hydria.controller.loop import Controller
from hydria.controller.orphans import Orphans, Outside
from hydria.controller.reconcile import Reconciler
from hydria.controller.reports import Reporter
from hydria.http.dispatch import Dispatcher
from hydria.http.metrics import HttpMetrics
from hydria.http.operation import Authenticator, Authorisation, Mount
from hydria.protocols import CertificateAuthority, Clock, Networking, Secrets, Topologies, Vault
from hydria.settings import Settings
from hydria.store import Database, Transaction


class Cloud(Struct, frozen=True, kw_only=True):
    """The services that a server uses, those of one transaction as functions of it, and the APIs that they bring."""

    networking_of: Callable[[Transaction], Networking]
    topologies_of: Callable[[Transaction], Topologies]
    secrets_of: Callable[[Transaction], Secrets]
    # Makes a project of this id if there is none.
    restore_project: Callable[[Transaction, str], None]
    authenticator: Authenticator
    authorisation: Authorisation
    vault: Vault
    # None without ACME.
    authority: CertificateAuthority | None = None
    mounts: tuple[Mount, ...] = ()


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of a server. `mounts` are the APIs that `dispatcher` answers."""

    database: Database
    reconciler: Reconciler
    reporter: Reporter
    desired_state: DesiredState
    orphans: Orphans
    exchange: Exchange
    controller: Controller
    certifier: Certifier | None
    dispatcher: Dispatcher
    mounts: tuple[Mount, ...]
    http_metrics: HttpMetrics

    def routes(self, settings: Settings, *, noop: bool = False) -> list[Route]:
        """Return the routes of metrics, of the agents' exchange and of all APIs.

        Noop mode has no exchange: an agent that found one would believe that its host must serve nothing.
        """
        return [
            *metrics.routes(settings.server, self.database, self.http_metrics),
            *(() if noop else self.exchange.routes()),
            *(route for mount in self.mounts for route in self.dispatcher.routes(mount, self.http_metrics)),
        ]


def put_together(
    settings: Settings,
    database: Database,
    clock: Clock,
    cloud: Cloud,
    *,
    agent_secret: str,
    noop: bool = False,
) -> Parts:
    """Return the parts of a server. `agent_secret` is what agents authenticate with."""
    dispatcher = Dispatcher(
        database,
        authenticator=cloud.authenticator,
        authorisation=cloud.authorisation,
        clock=clock,
        max_body=settings.server.max_body_bytes,
        public_url=settings.server.public_url,
    )
    octavia = api.mounts(
        cloud.networking_of,
        cloud.secrets_of,
        strict_immutable=settings.api.strict_immutable,
        default_quotas=structs.asdict(settings.quotas),
        # Octavia's own API tests, which run in noop mode, compare the texts of addresses.
        keep_spelling=noop,
    )
    reconciler = Reconciler(cloud.networking_of, clock.now(), attached=not noop)
    reporter = Reporter(reconciler)
    desired_state = DesiredState(cloud.networking_of, cloud.topologies_of, cloud.secrets_of)
    orphans = Orphans(
        Outside(
            networking_of=cloud.networking_of,
            topologies_of=cloud.topologies_of,
            restore_project=cloud.restore_project,
        )
    )
    exchange = Exchange(database, clock, desired_state, reporter, orphans, secret=agent_secret)
    exchange.poll_seconds = settings.server.poll_seconds
    return Parts(
        database=database,
        reconciler=reconciler,
        reporter=reporter,
        desired_state=desired_state,
        orphans=orphans,
        exchange=exchange,
        controller=Controller(database, clock, reconciler),
        certifier=None if cloud.authority is None else Certifier(database, clock, cloud.authority, cloud.vault),
        dispatcher=dispatcher,
        mounts=(*octavia, *cloud.mounts),
        http_metrics=HttpMetrics(),
    )
