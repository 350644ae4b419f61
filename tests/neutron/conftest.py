"""Fixtures: a server whose network service is a Neutron in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.neutron import NeutronCloud, running_with_neutron


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[NeutronCloud]:
    """A server without hosts."""
    async with running_with_neutron(tmp_path) as made:
        yield made
