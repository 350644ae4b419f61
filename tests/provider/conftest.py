"""One Octavia beside one Hydria for all tests of a module; each test makes its own load balancers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provider.stand import ENVIRONMENT, Stand


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests without Octavia's environment, and keep them in one process, for the servers are dear."""
    missing = not (ENVIRONMENT / ".provider").exists()
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group("provider"))
            if missing:
                item.add_marker(pytest.mark.skip(reason="./dev test installs Octavia and the provider driver"))


@pytest.fixture(scope="session")
def stand() -> Iterator[Stand]:
    """The servers."""
    # A socket's path may have 107 characters; pytest's own directories have longer paths.
    with tempfile.TemporaryDirectory(prefix="hydria-") as directory:
        made = Stand(Path(directory), give_up_after=5.0)
        try:
            made.start()
            yield made
        finally:
            made.stop()
