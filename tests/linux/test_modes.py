"""Files and directories are private whatever the umask, and damaged secrets are refused."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydria.files import make_directory, write_private
from tests.linux.programs import Product, product

# HAProxy's accounts can enter these, inside a directory that is closed to all others.
_WIDER = {"root": 0o711, "events.sock": 0o620, "metrics.sock": 0o620}


@pytest.fixture(name="product")
def _product() -> Iterator[Product]:
    with product() as made:
        yield made


def _modes(top: Path) -> dict[str, int]:
    found = {}
    for path in (*(top / "state").rglob("*"), *(top / "run").rglob("*"), top / "state", top / "run"):
        found[str(path.relative_to(top))] = stat.S_IMODE(path.lstat().st_mode)
    return found


def _run(product: Product, *command: str, umask: int = 0o022) -> None:
    subprocess.run(
        [sys.executable, "-m", "hydria.cli", *command],
        env=product.environment,
        umask=umask,
        check=True,
        timeout=90,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_all_files_are_private_whatever_the_umask(product: Product, umask: int) -> None:
    state = product.directory / "state"
    # As an older version or a manual mkdir left it.
    state.mkdir()
    state.chmod(0o777)
    (state / "hydria.db").touch()
    (state / "hydria.db").chmod(0o666)
    (state / "agent").mkdir(mode=0o755)
    _run(product, "up", "--detach", umask=umask)
    try:
        product.surroundings(11)
        product.create(members=(11,))
        product.becomes("ACTIVE")
        modes = _modes(product.directory)
        assert {"state/hydria.db", "state/hydria.db-wal", "state/hydria.log"} <= modes.keys()
        assert any(name.startswith("state/agent/") for name in modes)
        wider = {
            name: oct(mode) for name, mode in modes.items() if mode & 0o077 and _WIDER.get(Path(name).name) != mode
        }
        assert wider == {}
    finally:
        _run(product, "down")


@pytest.mark.parametrize("name", ["agent.secret", "secrets.key", "token.key"])
def test_hydria_up_refuses_an_empty_secret(product: Product, name: str) -> None:
    product.settings.state_dir.mkdir()
    file = product.settings.state_dir / name
    file.touch()
    output = product.fails("up")
    assert name in output
    assert "Restore it from a backup" in output
    assert "Traceback" not in output
    assert file.read_bytes() == b""


def test_a_left_draft_or_a_link_in_its_place_is_replaced(directory: Path) -> None:
    (directory / "elsewhere").write_text("mine")
    (directory / "a.draft").symlink_to(directory / "elsewhere")
    (directory / "b.draft").touch(mode=0o666)
    for name in "ab":
        write_private(directory / name, b"secret", durable=True)
        assert stat.S_IMODE((directory / name).lstat().st_mode) == 0o600
        assert (directory / name).read_bytes() == b"secret"
    assert (directory / "elsewhere").read_text() == "mine"


def test_a_shared_directory_is_refused_and_not_changed(directory: Path) -> None:
    directory.chmod(0o1777)
    with pytest.raises(Exception, match="shared by all users"):
        make_directory(directory)
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o1777
