"""A whole server in one process: real database, real API and exchange over ASGI; networks and time in memory."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import httpx

from hydria.adapters.memory import ManualClock, MemoryIdentity, MemoryNetworking, MemorySecrets, MemoryTopologies
from hydria.api.policy import OctaviaPolicy
from hydria.compose.parts import Cloud as Services
from hydria.compose.parts import put_together
from hydria.compose.server import app_of
from hydria.controller.acme import AcmeSecrets
from hydria.homecloud.secrets import Vault, new_key
from hydria.model import LoadBalancer
from hydria.model.caller import Caller
from hydria.model.differences import Change, differences, state_of
from hydria.protocols import Secrets
from hydria.settings import ApiSettings, QuotaSettings, ServerSettings, Settings
from hydria.store import Transaction, columns
from hydria.store.resources import tree
from hydria.store.revisions import revisions_of, states
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
    """Return the default policy; always the same object, because reading its rules takes long."""
    return OctaviaPolicy()


class Cloud:
    """The server and its services. There is one network of project `p-red`, on `physnet`, with one IPv4 subnet."""

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
        self.network_id = self.networking.add_network("p-red", physical="physnet")
        self.subnet = self.networking.add_subnet(self.network_id, "10.0.0.0/24")
        self.vault = Vault(new_key())
        self.restored_projects: list[str] = []
        settings = Settings(
            state_dir=directory,
            server=ServerSettings(max_body_bytes=MAX_BODY),
            api=ApiSettings(strict_immutable=strict_immutable),
            quotas=QuotaSettings(**(default_quotas or {})),
        )
        parts = put_together(
            settings,
            self.database,
            self.clock,
            self._services(callers or CALLERS, policy or _default_policy()),
            agent_secret=SECRET,
        )
        self.reconciler, self.reporter, self.desired_state = parts.reconciler, parts.reporter, parts.desired_state
        self.orphans, self.exchange, self.controller = parts.orphans, parts.exchange, parts.controller
        self.hosts, self.parts = parts.hosts, parts
        self.app = app_of(settings, parts)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://cloud.test")

    def _services(self, callers: Mapping[str, Caller], policy: OctaviaPolicy) -> Services:
        return Services(
            networking_of=lambda _: self.networking,
            topologies_of=lambda _: self.topologies,
            secrets_of=self._secrets_of,
            restore_project=lambda _, project: self.restored_projects.append(project),
            authenticator=MemoryIdentity(callers),
            authorisation=policy,
            vault=self.vault,
        )

    def _secrets_of(self, transaction: Transaction) -> Secrets:
        return AcmeSecrets(transaction, self.secrets, self.vault, self.clock.now(), offered=True)

    def api(self, user: str | None = "alice") -> Api:
        """Return the API with the token of a user of `CALLERS`, or without a token for None."""
        return Api(self.http, user)


def check_history(cloud: Cloud) -> None:
    """Check that the newest revision of each load balancer is what it is now: each change was recorded."""

    def wrong(transaction: Transaction) -> list[Change]:
        found: list[Change] = []
        for each in transaction.find(LoadBalancer, columns(LoadBalancer).deleted_in.is_(None)):
            known = list(states(revisions_of(transaction, each.id)))
            if known and known[0][0].whole and known[-1][0].generation == each.generation:
                found += differences(known[-1][1], state_of(tree(transaction, each)))
        return found

    # Tests of pairs set the topology in the row, which no call changes.
    assert [each for each in cloud.database.read(wrong) if each.attribute != "topology"] == []


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
        check_history(cloud)
    cloud.database.close()
