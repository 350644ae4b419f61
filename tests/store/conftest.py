"""The store's tests run on both databases."""

from collections.abc import Iterator

import pytest

from hydria.store import Database, metadata


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test with a database on SQLite and on PostgreSQL."""
    if "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database with all tables."""
    made = Database(database_url, synchronous="off")
    made.with_connection(metadata.create_all)
    yield made
    made.close()
