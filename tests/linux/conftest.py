"""Fixtures with real namespaces. They run only in the fence of `./dev test`, which no packet can leave."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from demo.shell import Shell
from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, inside, remove_namespace
from hydria.adapters.linux.topology import TopologyWiring
from hydria.compose.credentials import Credentials
from tests.linux.haproxies import Web, webs
from tests.linux.machines import Machine
from tests.linux.programs import Product
from tests.linux.wires import host, interface
from tests.support.browser import Looked, looking
from tests.support.trees import AMPHORA, NETWORK

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
    """Names of a Hydria of its own; the test's thread runs in a namespace in place of the machine's own."""
    names = Names(f"t{uuid4().hex[:8]}")
    # A name without a dash does not have the prefix, so `remove_all` leaves it.
    machine = f"{names.prefix}machine"
    ensure_namespace(machine)
    try:
        with inside(machine):
            yield names
            TopologyWiring(names).remove_all()
            Cgroups(names.prefix).remove_all()
    finally:
        remove_namespace(machine)


@pytest.fixture
def directory(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory with a short name; the parameter names a directory in it."""
    # A socket's path may have 107 characters; pytest's own directories have longer paths.
    with TemporaryDirectory(prefix="hy") as made:
        os.chmod(made, 0o711)  # noqa: S103 - HAProxy runs unprivileged and opens a socket in it
        inner = Path(made) / getattr(request, "param", "")
        inner.mkdir(exist_ok=True)
        yield inner


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


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path, for sockets, which an unprivileged HAProxy can enter."""
    with tempfile.TemporaryDirectory(prefix="hydria-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def shell(names: Names, place: Path) -> Iterator[Shell]:
    """A shell on a machine of its own, whose Hydria has its own directories, port and names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = place / "hydria.toml"
    file.write_text(
        f'state_dir = "{place}/state"\nrun_dir = "{place}/run"\n'
        f'[server]\nport = {port}\n[agent]\nprefix = "{names.prefix}"\n'
    )
    made = Shell(Path(sys.executable).parent, {**os.environ, "HYDRIA_SETTINGS": str(file)})
    try:
        yield made
    finally:
        # Shown when the test fails.
        print(made.type(f"tail -n 30 {place}/state/hydria.log").text)  # noqa: T201
        made.type("hydria down --purge")


@pytest.fixture
def look(served: Product) -> Iterator[Looked]:
    """The dashboard of the module's `served` in a browser, with the admin logged in; no script may fail there."""
    with looking(served.settings.public_url) as look:
        look.log_in("admin", Credentials.read(served.settings.credentials_file).password)
        yield look
        assert look.errors == []
