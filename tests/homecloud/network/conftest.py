"""The home network that each test here gets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.homecloud.network.neutron import Cloud
from tests.support.postgres import Postgres


@pytest.fixture
async def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cloud]:
    """A network service; on SQLite, unless a parameter names the other."""
    url = None
    if getattr(request, "param", "sqlite") == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.ready()
    made = Cloud(tmp_path, url=url)
    yield made
    await made.close()
