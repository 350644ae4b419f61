"""A whole server in one process: real database, real API and exchange over ASGI; networks and time in memory."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from hydria.adapters.memory import ManualClock, MemoryIdentity, MemoryNetworking, MemorySecrets, MemoryTopologies
from hydria.api import mounts
from hydria.api.dialect import OctaviaDialect
from hydria.api.policy import OctaviaPolicy
from hydria.compose import metrics
from hydria.controller.acme import AcmeSecrets
from hydria.controller.desired_state import DesiredState
from hydria.controller.exchange import Exchange
from hydria.controller.loop import Controller
from hydria.controller.orphans import Orphans, Outside
from hydria.controller.reconcile import Reconciler
from hydria.controller.reports import Reporter
from hydria.homecloud.secrets import Vault, new_key
from hydria.http.dispatch import Dispatcher, nothing_here
from hydria.http.metrics import HttpMetrics
from hydria.protocols import Caller, Secrets
from hydria.settings import ServerSettings
from hydria.store import Transaction
from tests.support.api import Api
from tests.support.databases import open_database

SECRET = "between-server-and-agents"
MAX_BODY = 64 * 1024

CALLERS = {
    "alice": Caller(user_id="u-alice", project_id="p-red", roles=frozenset({"member", "reader"})),
    "bob": Caller(user_id="u-bob", project_id="p-blue", roles=frozenset({"member", "reader"})),
    "reader": Caller(user_id="u-reader", project_id="p-red", roles=frozenset({"reader"})),
    "nobody": Caller(user_id="u-nobody", project_id="p-red", roles=frozenset({"guest"})),
    "service": Caller(user_id="u-service", project_id="p-service", roles=frozenset({"service"})),
    "admin": Caller(user_id="u-admin", project_id="p-admin", roles=frozenset({"admin", "member", "reader"})),
}


@cache
def _default_policy() -> OctaviaPolicy:
    """Return the policy that most tests have; it is the same object, as reading its rules takes a while."""
    return OctaviaPolicy()


class Cloud:
    """The server and what it stands on. There is one network of project `p-red` with one IPv4 subnet."""

    def __init__(
        self,
        directory: Path,
        *,
        strict_immutable: bool = False,
        default_quotas: Mapping[str, int] | None = None,
        url: str | None = None,
        policy: OctaviaPolicy | None = None,
        callers: Mapping[str, Caller] | None = None,
    ) -> None:
        self.url = url or f"sqlite:///{directory / 'hydria.db'}"
        self.database = open_database(self.url)
        self.clock = ManualClock()
        self.networking = MemoryNetworking()
        self.topologies = MemoryTopologies()
        self.secrets = MemorySecrets()
        self.network_id = self.networking.add_network("p-red")
        self.subnet = self.networking.add_subnet(self.network_id, "10.0.0.0/24")
        self.reconciler = Reconciler(lambda _: self.networking)
        self.vault = Vault(new_key())
        self.desired_state = DesiredState(lambda _: self.networking, lambda _: self.topologies, self._secrets_of)
        self.reporter = Reporter(self.reconciler)
        self.restored_projects: list[str] = []
        outside = Outside(
            networking_of=lambda _: self.networking,
            topologies_of=lambda _: self.topologies,
            restore_project=lambda _, project: self.restored_projects.append(project),
        )
        self.orphans = Orphans(outside)
        self.exchange = Exchange(
            self.database, self.clock, self.desired_state, self.reporter, self.orphans, secret=SECRET
        )
        self.controller = Controller(self.database, self.clock, self.reconciler)
        dispatcher = Dispatcher(
            self.database,
            authenticator=MemoryIdentity(callers or CALLERS),
            authorisation=policy or _default_policy(),
            clock=self.clock,
            max_body=MAX_BODY,
        )
        octavia = mounts(
            lambda _: self.networking,
            self._secrets_of,
            strict_immutable=strict_immutable,
            default_quotas=default_quotas,
        )
        measures = HttpMetrics()
        routes = [route for mount in octavia for route in dispatcher.routes(mount, measures)]
        lost = Route("/load-balancer/{rest:path}", nothing_here(OctaviaDialect()))
        routes += metrics.routes(ServerSettings(), self.database, measures)
        self.app = Starlette(routes=[*routes, *self.exchange.routes(), lost])
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://cloud.test")

    def _secrets_of(self, transaction: Transaction) -> Secrets:
        return AcmeSecrets(transaction, self.secrets, self.vault, self.clock.now(), offered=True)

    def api(self, user: str | None = "alice") -> Api:
        """Return the API as a user of `CALLERS` sees it; None comes without a token."""
        return Api(self.http, user)


@asynccontextmanager
async def running(
    directory: Path,
    *,
    strict_immutable: bool = False,
    default_quotas: Mapping[str, int] | None = None,
    url: str | None = None,
    policy: OctaviaPolicy | None = None,
    callers: Mapping[str, Caller] | None = None,
) -> AsyncIterator[Cloud]:
    """Yield a cloud and close it; `url` is its database's, that of a new SQLite file without.

    `policy` is Octavia's with its defaults and `callers` are those of `CALLERS`, unless given.
    """
    cloud = Cloud(
        directory,
        strict_immutable=strict_immutable,
        default_quotas=default_quotas,
        url=url,
        policy=policy,
        callers=callers,
    )
    async with cloud.http:
        yield cloud
    cloud.database.close()
