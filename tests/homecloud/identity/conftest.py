"""The identity service that each test has for itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.homecloud.identity.cloud import Keystone, Session


@pytest.fixture
async def keystone(tmp_path: Path) -> AsyncIterator[Keystone]:
    made = Keystone(tmp_path)
    async with made.http:
        yield made
    made.database.close()


@pytest.fixture
async def admin(keystone: Keystone) -> Session:
    return await keystone.admin()
