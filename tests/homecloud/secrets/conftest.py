"""The key manager that each test here gets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.homecloud.secrets.barbican import Barbican


@pytest.fixture
async def barbican(tmp_path: Path) -> AsyncIterator[Barbican]:
    made = Barbican(tmp_path)
    yield made
    await made.close()
