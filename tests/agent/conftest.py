"""Fixtures: a host and a server for an agent."""

import pytest

from tests.agent.headquarters import Headquarters, SlowHost


@pytest.fixture
async def host() -> SlowHost:
    return SlowHost()


@pytest.fixture
async def server() -> Headquarters:
    return Headquarters()
