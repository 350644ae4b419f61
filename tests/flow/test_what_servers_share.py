"""What the servers of one PostgreSQL share: their keys, their clock, the authority of agents."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hydria.compose.clock import DatabaseClock, SystemClock, clock_of
from hydria.compose.credentials import SECRETS_KEY, TOKEN_KEY, kept_secret
from hydria.compose.schema import upgrade_database
from hydria.compose.shared_keys import forget_keys, record_keys, refuse_other_keys
from hydria.controller.agent_authority import certificate
from hydria.errors import SettingsError
from hydria.homecloud.secrets import Vault, new_key
from hydria.settings import Settings
from hydria.settings.values import DatabaseSettings
from hydria.store import Database
from tests.support.postgres import Postgres


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    found = postgres.empty()
    yield found
    postgres.drop(found)


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[Database]:
    upgrade_database(settings(tmp_path, url))
    found = Database(url)
    yield found
    found.close()


def settings(directory: Path, url: str) -> Settings:
    return Settings(state_dir=directory, run_dir=directory / "run", database=DatabaseSettings(url=url))


def start(settings: Settings, database: Database) -> None:
    """Do what a server does with the keys when it starts."""
    refuse_other_keys(settings, database)
    for kind in (SECRETS_KEY, TOKEN_KEY):
        kept_secret(settings, kind, new_key)
    record_keys(settings, database)


def test_a_server_with_other_keys_does_not_start(url: str, database: Database, tmp_path: Path) -> None:
    one, two = settings(tmp_path / "one", url), settings(tmp_path / "two", url)
    start(one, database)
    start(one, database)
    with pytest.raises(SettingsError, match=r"copy secrets\.key, token\.key and clouds\.yaml"):
        start(two, database)
    assert not two.state_dir.exists()
    shutil.copytree(one.state_dir, two.state_dir)
    start(two, database)
    (two.state_dir / TOKEN_KEY.name).write_bytes(new_key())
    with pytest.raises(SettingsError, match=r"another token\.key than") as refused:
        start(two, database)
    assert "hydria db forget-keys" in str(refused.value)
    assert forget_keys(database) == 2
    start(two, database)


def test_one_of_two_servers_that_make_keys_at_once_does_not_start(url: str, database: Database, tmp_path: Path) -> None:
    one, two = settings(tmp_path / "one", url), settings(tmp_path / "two", url)
    for each in (one, two):
        refuse_other_keys(each, database)
        for kind in (SECRETS_KEY, TOKEN_KEY):
            kept_secret(each, kind, new_key)
    record_keys(one, database)
    with pytest.raises(SettingsError, match="belongs to servers with another"):
        record_keys(two, database)


def test_the_keys_of_an_embedded_database_are_its_own(tmp_path: Path) -> None:
    alone = Settings(state_dir=tmp_path, run_dir=tmp_path / "run")
    upgrade_database(alone)
    database = Database(alone.database_url)
    start(alone, database)
    (tmp_path / TOKEN_KEY.name).write_bytes(new_key())
    start(alone, database)
    assert isinstance(clock_of(database), SystemClock)
    database.close()


def test_servers_go_by_the_clock_of_their_database(database: Database) -> None:
    def of_database() -> float:
        return float(
            database.read(lambda tx: tx.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
        )

    clock = clock_of(database)
    assert isinstance(clock, DatabaseClock)
    for _ in range(3):
        before, found, after = of_database(), clock.now().timestamp(), of_database()
        # Half of the time of a look at the database is the clock's error.
        assert before - 5 < found < after + 5


def test_servers_have_one_authority(database: Database) -> None:
    vault, now = Vault(new_key()), SystemClock().now()
    made = {database.transact(lambda tx: certificate(tx, vault, now)) for _ in range(2)}
    assert len(made) == 1
