"""One server in noop mode and one stock client for all tests of a module."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.openstack import Openstack
from hydria.compose.credentials import Credentials
from support.served import served


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Credentials]:
    """The first admin's credentials at a running server."""
    with served(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def openstack(credentials: Credentials) -> Iterator[Openstack]:
    """The `openstack` command, logged in as the first admin."""
    # A socket's path may have 107 characters: pytest's own directories are too deep.
    with tempfile.TemporaryDirectory(prefix="hydria-") as directory:
        client = Openstack(credentials, Path(directory), Path(sys.executable).parent)
        yield client
        client.close()
