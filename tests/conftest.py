"""Fixtures for most tests: a database, a server, its API."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.api import Api
from tests.support.cloud import Cloud, running
from tests.support.postgres import Missing, Postgres, serving
from tests.support.worker import Worker

ROOT = Path(__file__).parent

# No deadline for examples: their duration depends on the machine's load.
settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
# For ./dev quick: a property is broken in most cases by one of the first examples.
settings.register_profile("quick", settings.get_profile("any machine"), max_examples=20)

# The databases of `database_url` and `cloud`; tests for both are parametrized with these.
DATABASES = ("sqlite", "postgresql")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with the marker `both_databases` on both."""
    if metafunc.definition.get_closest_marker("both_databases") and "cloud" in metafunc.fixturenames:
        metafunc.parametrize("cloud", DATABASES, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need root or PostgreSQL, so that `-m` can deselect them."""
    for item in items:
        if item.path.is_relative_to(ROOT / "linux"):
            item.add_marker("linux")
        if item.path.is_relative_to(ROOT / "openstack"):
            item.add_marker("openstack")
            item.add_marker("linux")
            item.add_marker("slow")
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if "postgresql" in parameters.values() or "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
            # Measuring doubles a test's time, and only the store has lines for PostgreSQL alone.
            if not item.path.is_relative_to(ROOT / "store"):
                item.add_marker("no_cover")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL."""
    try:
        with serving() as server:
            yield server
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: SQLite, unless a parameter names PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'hydria.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield (url := server.empty())
    server.drop(url)


@pytest.fixture
async def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cloud]:
    """A server without hosts: on SQLite, unless a parameter names PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        async with running(tmp_path) as made:
            yield made
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with running(tmp_path, url=server.ready()) as made:
        yield made


@pytest.fixture
def api(cloud: Cloud) -> Api:
    """The API with the token of alice in project p-red."""
    return cloud.api("alice")


@pytest.fixture
def worker(cloud: Cloud) -> Worker:
    """A host that the server knows."""
    return Worker(cloud)
