"""Noop mode has no agent, so that no silence of a host is an error."""

from pathlib import Path

from hydria.adapters.memory import ManualClock
from hydria.compose.schema import ensure_schema
from hydria.compose.server import make_app
from hydria.model import LoadBalancer
from hydria.settings import Settings
from hydria.store import Database, Transaction
from tests.support.trees import load_balancer


async def test_load_balancers_stay_active_when_nothing_changes_for_an_hour(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    ensure_schema(settings)
    database, clock = Database(settings.database_url), ManualClock()
    app = make_app(settings, database, clock, noop=True)

    def create(transaction: Transaction) -> None:
        transaction.insert(load_balancer())
        transaction.hint("instances")

    database.transact(create)
    clock.advance(3600)
    app.state.parts.controller.work()
    (found,) = database.read(lambda transaction: transaction.find(LoadBalancer))
    assert (found.observed, found.reason) == (found.generation, None)
    database.close()
