"""One OpenStack for all tests of this folder: three hosts with Hydria's agents, a server, two web servers."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydria.errors import HostError
from stack.cloud import check_machine, remove
from tests.support.real_cloud import RealCloud


@pytest.fixture(scope="session")
def real() -> Iterator[RealCloud]:
    """The OpenStack, with networks, and a web server on two of the hosts."""
    try:
        check_machine()
    except HostError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    # Sockets' paths must be short.
    directory = Path(tempfile.mkdtemp(prefix="hydria-os-", dir="/var/tmp"))
    directory.chmod(0o711)
    try:
        yield RealCloud.start(directory / "cloud")
    finally:
        remove(directory / "cloud")
        shutil.rmtree(directory, ignore_errors=True)
