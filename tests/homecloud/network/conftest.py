"""The home network that each test here gets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.homecloud.network.neutron import Cloud


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    made = Cloud(tmp_path)
    yield made
    await made.close()
