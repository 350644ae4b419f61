"""The cloud that most tests use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.api import Api
from support.cloud import Cloud, running
from support.worker import Worker


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A server without hosts."""
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
def api(cloud: Cloud) -> Api:
    """The API as alice of project p-red sees it."""
    return cloud.api("alice")


@pytest.fixture
def worker(cloud: Cloud) -> Worker:
    """A host that the server knows."""
    return Worker(cloud)
