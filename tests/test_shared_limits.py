"""The agent raises limits of the kernel that all amphorae share, and lowers none. The kernel's files are made here."""

from pathlib import Path

import pytest

from hydria.adapters.linux.shared_limits import LIMITS, low_limits, raise_limits

MOST_NEIGHBOURS, BACKLOG = "net.ipv4.neigh.default.gc_thresh3", "net.core.netdev_max_backlog"


def file_of(sysctls: Path, name: str) -> Path:
    return sysctls / name.replace(".", "/")


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    """The files of a fresh kernel."""
    for name in LIMITS:
        file = file_of(tmp_path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1000\n")
    return tmp_path


def test_low_limits_are_found_and_raised(sysctls: Path) -> None:
    low = low_limits(sysctls)
    assert low is not None
    assert {f"{MOST_NEIGHBOURS}=65536", f"{BACKLOG}=32768", "net.ipv6.neigh.default.gc_thresh1=16384"} < set(low)
    raise_limits(sysctls)
    assert {name: int(file_of(sysctls, name).read_text()) for name in LIMITS} == LIMITS
    assert low_limits(sysctls) == []


def test_a_higher_limit_stays(sysctls: Path) -> None:
    file_of(sysctls, MOST_NEIGHBOURS).write_text("500000\n")
    raise_limits(sysctls)
    assert file_of(sysctls, MOST_NEIGHBOURS).read_text() == "500000\n"
    assert int(file_of(sysctls, BACKLOG).read_text()) == LIMITS[BACKLOG]


def test_a_container_sees_no_limits(tmp_path: Path) -> None:
    raise_limits(tmp_path)
    assert low_limits(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_cannot_be_raised_does_not_stop_the_agent(sysctls: Path) -> None:
    # Root may write everything, so a directory stands for a file that the kernel does not let write.
    refused = file_of(sysctls, MOST_NEIGHBOURS)
    refused.unlink()
    refused.mkdir()
    raise_limits(sysctls)
    assert int(file_of(sysctls, BACKLOG).read_text()) == LIMITS[BACKLOG]
