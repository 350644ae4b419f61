"""Real namespaces: only inside the fence that `./dev test` makes, where no packet can leave the machine."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from haproxies import Web, webs
from machines import Machine
from wires import host, interface

from hydria.adapters.linux.kernel import ensure_namespace, inside, remove_namespace
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.wiring import Wiring
from support.trees import AMPHORA, NETWORK

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


@pytest.fixture
def directory() -> Iterator[Path]:
    # A socket's path may have 107 characters: pytest's own directories are too deep.
    with TemporaryDirectory(prefix="hy") as made:
        os.chmod(made, 0o711)  # noqa: S103 - HAProxy, unprivileged, writes to a socket in it
        yield Path(made)


@pytest.fixture
async def machine(names: Names, directory: Path) -> AsyncIterator[Machine]:
    machine = Machine(names, directory)
    await asyncio.to_thread(host, names, "client", interface(NETWORK, "10.0.0.50/24"))
    await machine.host.open()
    yield machine
    await machine.host.withdraw(AMPHORA)
    await machine.host.close()


@pytest.fixture
def web(machine: Machine) -> Iterator[list[Web]]:
    with webs(machine.names, NETWORK, "10.0.0.11", "10.0.0.12", "10.0.0.13") as running:
        yield running
