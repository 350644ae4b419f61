"""Real namespaces: only inside the fence that `./dev test` makes, where no packet can leave the machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hydria.adapters.linux.kernel import ensure_namespace, inside, remove_namespace
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.wiring import Wiring

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("HYDRIA_FENCED") == "1":
        return
    skip = pytest.mark.skip(reason="makes network namespaces: run by ./dev test, inside its fence")
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(skip)


@pytest.fixture
def names() -> Iterator[Names]:
    """Names of a Hydria that is alone; the test's thread is in a namespace that plays the machine's own."""
    names = Names(f"t{uuid4().hex[:8]}")
    # Without a dash it is not the prefix's: `remove_all` leaves it.
    machine = f"{names.prefix}machine"
    ensure_namespace(machine)
    try:
        with inside(machine):
            yield names
            Wiring(names).remove_all()
    finally:
        remove_namespace(machine)
