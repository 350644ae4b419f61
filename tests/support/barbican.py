"""A whole server in one process whose key manager is a Barbican in memory."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import structs

from hydria.adapters.memory import MemoryBarbican
from hydria.api.policy import OctaviaPolicy
from hydria.barbican.answers import BarbicanAnswers
from hydria.barbican.references import BarbicanSecrets
from hydria.barbican.worker import BarbicanWorker
from hydria.compose.parts import Cloud as Services
from hydria.controller.acme import AcmeSecrets
from hydria.model.caller import Caller
from hydria.protocols import Secrets
from hydria.store import Transaction
from tests.support.cloud import Cloud


class BarbicanCloud(Cloud):
    """A server with a Barbican; the tokens of users are their names (`CALLERS`)."""

    def _services(self, callers: Mapping[str, Caller], policy: OctaviaPolicy) -> Services:
        self.barbican = MemoryBarbican()
        self.worker = BarbicanWorker(self.barbican, self.database, self.vault, self.clock)
        return structs.replace(
            super()._services(callers, policy),
            outside=BarbicanAnswers(self.barbican, self.database, self.vault, self.clock),
            barbican=self.worker,
        )

    def _secrets_of(self, transaction: Transaction) -> Secrets:
        stored = BarbicanSecrets(transaction, self.vault)
        return AcmeSecrets(transaction, stored, self.vault, self.clock.now(), offered=False)


@asynccontextmanager
async def running_with_barbican(directory: Path, url: str | None = None) -> AsyncIterator[BarbicanCloud]:
    """Yield a cloud and close it; `url` is its database's, that of a new SQLite file without."""
    cloud = BarbicanCloud(directory, url=url)
    async with cloud.http:
        yield cloud
    cloud.database.close()
