"""Fixtures: a server whose key manager is a Barbican in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.barbican import BarbicanCloud, running_with_barbican
from tests.support.postgres import Postgres


@pytest.fixture
async def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BarbicanCloud]:
    """A server without hosts: on SQLite, unless a parameter names PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        async with running_with_barbican(tmp_path) as made:
            yield made
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with running_with_barbican(tmp_path, server.ready()) as made:
        yield made
