"""The parts of a server, put together in one place for the program and for tests."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from msgspec import Struct, structs
from prometheus_client.registry import Collector
from starlette.routing import Route

from hydria import api
from hydria.barbican.worker import BarbicanWorker
from hydria.compose import metrics
from hydria.compose.dry_networking import harmless
from hydria.controller.acme import Certifier
from hydria.controller.agent_access import AgentAccess
from hydria.controller.commands import Commands
from hydria.controller.desired_state import DesiredState
from hydria.controller.exchange import Exchange
from hydria.controller.history import HistoryPruner
from hydria.controller.host_admin import HostAdmin
from hydria.controller.join_routes import JoinRoutes
from hydria.controller.loop import Controller
from hydria.controller.orphans import Orphans, Outside
from hydria.controller.placement import Rules
from hydria.controller.plans import Planner
from hydria.controller.reconcile import Reconciler
from hydria.controller.reports import Reporter
from hydria.controller.ticket_keys import ticket_keys
from hydria.http.dispatch import Dispatcher
from hydria.http.metrics import HttpMetrics
from hydria.http.operation import Authenticator, Authorisation, Mount
from hydria.neutron.worker import NeutronWorker
from hydria.protocols import CertificateAuthority, Clock, Networking, Secrets, StoreCertificate, Topologies, Vault
from hydria.settings import Settings
from hydria.store import Database, Transaction


class Cloud(Struct, frozen=True, kw_only=True):
    """The services that a server uses, those of one transaction as functions of it, and the APIs that they bring."""

    networking_of: Callable[[Transaction], Networking]
    # Whether what the network service changes is rolled back with the transaction.
    networking_rolls_back: bool = False
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
    # Answers the questions of API calls to services elsewhere; None where there are none.
    outside: Any = None
    # Works off what load balancers want of a Neutron.
    neutron: NeutronWorker | None = None
    # Keeps what load balancers refer to as a Barbican has it.
    barbican: BarbicanWorker | None = None
    # Stores certificates that are pasted in the dashboard; None where the key manager's API is this server's.
    store_certificate: StoreCertificate | None = None
    # Metrics that the services count themselves.
    metrics: tuple[Collector, ...] = ()


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of a server. `mounts` are the APIs that `dispatcher` answers."""

    database: Database
    clock: Any  # Clock and Vault are protocols, which msgspec cannot check
    vault: Any
    reconciler: Reconciler
    reporter: Reporter
    desired_state: DesiredState
    orphans: Orphans
    exchange: Exchange
    hosts: HostAdmin
    commands: Commands
    joins: JoinRoutes
    controller: Controller
    certifier: Certifier | None
    neutron: NeutronWorker | None
    barbican: BarbicanWorker | None
    store_certificate: StoreCertificate | None
    dispatcher: Dispatcher
    mounts: tuple[Mount, ...]
    secrets_of: Callable[[Transaction], Any]
    http_metrics: HttpMetrics

    def routes(self, settings: Settings, more: Iterable[Mount] = (), *, noop: bool = False) -> list[Route]:
        """Return the routes of metrics, of the agents' exchange and of all APIs, `more` among them.

        Noop mode has no exchange: an agent that found one would believe that its host must serve nothing.
        """
        return [
            *metrics.routes(settings.server, self.database, self.http_metrics),
            *(() if noop else (*self.exchange.routes(), *self.commands.routes())),
            *(route for mount in (*self.mounts, *more) for route in self.dispatcher.routes(mount, self.http_metrics)),
        ]

    def routes_for_joined(self) -> list[Route]:
        """Return the routes for the agents of other hosts, which are served over TLS."""
        return [*self.joins.routes(), *self.exchange.routes_of_agents()]


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
    dispatcher.outside = cloud.outside
    reconciler = Reconciler(cloud.networking_of, clock.now(), attached=not noop, rules=_rules(settings))
    reporter = Reporter(reconciler)
    hosts = HostAdmin(cloud.topologies_of, reporter, cloud.vault, settings.failover.after_seconds)
    desired_state = DesiredState(
        cloud.networking_of,
        cloud.topologies_of,
        cloud.secrets_of,
        interval=settings.controller.advertisement_seconds,
        ticket_keys=partial(ticket_keys, cloud.vault),
    )
    orphans = Orphans(_outside(cloud))
    access = AgentAccess(database, agent_secret)
    exchange = Exchange(database, clock, access, desired_state, reporter, orphans)
    # A host that has lost its power looks like one that waits for its poll's answer.
    exchange.seen_seconds = settings.failover.after_seconds / 3
    exchange.poll_seconds = min(settings.server.poll_seconds, exchange.seen_seconds)
    measures = HttpMetrics()
    for collector in (reporter.dropped_flows.counter, *cloud.metrics):
        measures.registry.register(collector)
    return Parts(
        database=database,
        clock=clock,
        vault=cloud.vault,
        reconciler=reconciler,
        reporter=reporter,
        desired_state=desired_state,
        orphans=orphans,
        exchange=exchange,
        hosts=hosts,
        commands=Commands(database, clock, access, orphans, hosts),
        joins=JoinRoutes(database, clock, hosts),
        controller=Controller(database, clock, reconciler, _pruner(settings, database)),
        certifier=None if cloud.authority is None else Certifier(database, clock, cloud.authority, cloud.vault),
        neutron=cloud.neutron,
        barbican=cloud.barbican,
        store_certificate=cloud.store_certificate,
        dispatcher=dispatcher,
        mounts=(*_octavia(settings, cloud, hosts, noop=noop), *cloud.mounts),
        secrets_of=cloud.secrets_of,
        http_metrics=measures,
    )


def _outside(cloud: Cloud) -> Outside:
    return Outside(
        networking_of=cloud.networking_of, topologies_of=cloud.topologies_of, restore_project=cloud.restore_project
    )


def _octavia(settings: Settings, cloud: Cloud, hosts: HostAdmin, *, noop: bool) -> tuple[Mount, ...]:
    networking_of = cloud.networking_of if cloud.networking_rolls_back else harmless(cloud.networking_of)
    return api.mounts(
        networking_of,
        cloud.secrets_of,
        strict_immutable=settings.api.strict_immutable,
        default_quotas=structs.asdict(settings.quotas),
        topology=settings.controller.topology,
        # Octavia's own API tests, which run in noop mode, compare the texts of addresses.
        keep_spelling=noop,
        hosts=hosts,
        planner=Planner(networking_of, cloud.secrets_of),
    )


def _pruner(settings: Settings, database: Database) -> HistoryPruner:
    kept = settings.history
    return HistoryPruner(database, days=kept.days, most=kept.per_load_balancer)


def _rules(settings: Settings) -> Rules:
    return Rules(
        anti_affinity=settings.controller.anti_affinity,
        silence=settings.failover.after_seconds,
        drain_seconds=settings.failover.drain_seconds,
    )
