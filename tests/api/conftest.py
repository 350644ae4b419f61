"""Which tests of the API run on both databases."""

import pytest

# Where SQL differs: what reads, what writes, and what both do at once.
BOTH = {
    "test_changes",
    "test_concurrency",
    "test_deletes",
    "test_etags",
    "test_healthcheck",
    "test_lists",
    "test_statements",
    "test_trees",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give these modules each database in turn."""
    if metafunc.module.__name__.rpartition(".")[2] in BOTH and "cloud" in metafunc.fixturenames:
        metafunc.parametrize("cloud", ["sqlite", "postgresql"], indirect=True)
