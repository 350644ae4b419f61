"""One server in noop mode and one stock client for all tests here; each test removes its resources."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.served import Served, served


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server."""
    with served(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="session")
def openstack(server: Served) -> Iterator[Client]:
    """The `openstack` command, logged in as the first admin."""
    # A socket's path may have 107 characters; pytest's own directories have longer paths.
    with tempfile.TemporaryDirectory(prefix="hydria-") as directory:
        client = Client(server.credentials, Path(directory))
        yield client
        client.close()
