"""`hydria up` restarts what ends; a machine that cannot serve reports why, and recovers."""

import contextlib
import http.client
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from hydria.settings import Settings
from tests.linux.haproxies import get
from tests.linux.programs import Product, Program, Visitor, product
from tests.support.waiting import wait_until

VIP = "10.0.0.100"

FORGETFUL = """#!/bin/sh
for word; do case "$word" in */candidate.pid) number=$word; rm -rf "$number";; esac; done
/usr/sbin/haproxy "$@" || exit
[ -z "$number" ] || { rm "$number"; mkdir "$number"; }
"""


@pytest.fixture
def up() -> Iterator[Product]:
    """A running `hydria up` with a load balancer."""
    with product() as made:
        made.start("up")
        made.surroundings(11, 12)
        made.create()
        made.becomes("ACTIVE")
        yield made


def commands(made: Product) -> dict[str, int]:
    """Return the process ids of the supervisor's children by their command."""
    found: dict[str, int] = {}
    for pid in made.running["up"].children():
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        found |= {role: pid for role in ("server", "agent") if role in words}
    return found


def test_the_supervisor_restarts_its_children(up: Product) -> None:
    with Visitor(up) as visitor:
        visitor.more(5)
        # A child that ended is started again.
        before = commands(up)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(before.values()) & set(commands(up).values()) and len(commands(up)) == 2)
        # The children of a killed supervisor end by themselves.
        up.kill("up")
        up.start("up")
        lock = up.settings.run_dir / "up.lock"
        wait_until(lambda: lock.read_text().strip() == str(up.running["up"].pid))
        output = up.fails("up")
        assert f"Another `hydria up` runs already (process {up.running['up'].pid}" in output
        # Links of other tests may cause warnings, but the error is printed once.
        assert [line for line in output.strip().splitlines() if not line.startswith("warning: ")] == [
            output.splitlines()[-1]
        ]
        (pool,) = up.all("pools")
        (member, *_) = up.all(f"pools/{pool['id']}/members")
        assert up.ask("DELETE", f"pools/{pool['id']}/members/{member['id']}").status_code == 204
        up.becomes("ACTIVE")
        visitor.more(5)
    assert visitor.failures == []
    # All at once: supervisor, children, HAProxy, namespaces, files in /run.
    victims = [up.running["up"].pid, *commands(up).values()]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    up.kill("up")
    wait_until(lambda: not any(_runs(pid) for pid in victims))
    up.reboot()
    up.start("up")
    up.rewire(11, 12)

    wait_until(lambda: _serves(up))
    up.delete()
    assert up.leftovers() == []


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    return False


def test_a_missing_haproxy_is_reported_until_it_is_installed() -> None:
    with product(haproxy="/nowhere/haproxy") as made:
        program = made.directory / "haproxy"
        made.settings = _with_haproxy(made, str(program))
        made.start("server", "agent")
        made.surroundings(11)
        made.create(members=(11,))
        made.becomes("ERROR")
        assert f"{program} is missing on the host" in (made.reason() or "")
        program.symlink_to("/usr/sbin/haproxy")
        made.becomes("ACTIVE")
        assert get(made.client, VIP)[0] == 200
        # A HAProxy whose process id cannot be written, because the disk is full, does not stay.
        program.unlink()
        program.write_text(FORGETFUL)
        program.chmod(0o755)
        (listener,) = made.all("listeners")
        made.ask("PUT", f"listeners/{listener['id']}", {"listener": {"timeout_client_data": 60000}})
        made.becomes("ERROR")
        assert "Is a directory" in (made.reason() or "")
        with Visitor(made) as visitor:
            visitor.more(100)
            # Repeated attempts leave nothing behind.
            wait_until(lambda: len(made.proxies()) == 1)
            program.unlink()
            program.symlink_to("/usr/sbin/haproxy")
            # An attempt that began before may make the directory once more.
            directory = made.settings.run_dir / "amphorae" / made.amphora / "candidate.pid"
            wait_until(lambda: _removed(directory) and made.status() == "ACTIVE", say=made.reason)
            visitor.more(5)
        assert visitor.failures == []
        made.delete()
        assert made.leftovers() == []


def _removed(directory: Path) -> bool:
    with contextlib.suppress(OSError):
        directory.rmdir()
    return not directory.exists()


def _with_haproxy(made: Product, path: str) -> Settings:
    return structs.replace(made.settings, agent=structs.replace(made.settings.agent, haproxy=path))


@pytest.mark.parametrize("where", ["run", "state/agent"])
def test_a_full_disk(where: str) -> None:
    with product() as made, small_disk(made.directory / where) as disk:
        made.start("server", "agent")
        made.surroundings(11, 12)
        made.create(members=(11,))
        made.becomes("ACTIVE")
        fill(disk)
        # Changes that must write a configuration: a member's and a listener's.
        (pool,) = made.all("pools")
        made.make(f"pools/{pool['id']}/members", "member", address="10.0.0.12", protocol_port=80)
        made.becomes("ERROR")
        assert "No space left on device" in (made.reason() or "")
        assert get(made.client, VIP)[0] == 200
        (listener,) = made.all("listeners")
        made.ask("PUT", f"listeners/{listener['id']}", {"listener": {"timeout_client_data": 60000}})
        made.becomes("ERROR")
        with Visitor(made) as visitor:
            visitor.more(5)
            # Repeated attempts leave nothing behind.
            for _ in range(3):
                wait_for_write(disk)
            assert len(made.proxies()) <= 2
            (disk / "ballast").unlink()
            made.becomes("ACTIVE")
            visitor.more(5)
        assert visitor.failures == []
        wait_until(lambda: len(made.proxies()) == 1)
        fill(disk)
        # Deletions work on a full disk.
        made.delete()
        (disk / "ballast").unlink()
        assert made.leftovers() == []


def wait_for_write(disk: Path) -> None:
    """Wait until something makes or removes a file."""

    def newest() -> int:
        return max(path.stat().st_mtime_ns for path in (disk, *disk.rglob("*/")))

    before = newest()
    wait_until(lambda: newest() != before)


@contextlib.contextmanager
def small_disk(directory: Path, size: str = "256k") -> Iterator[Path]:
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "none", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


def test_programs_recover_from_a_full_state_directory() -> None:
    """The state directory and the log are on a full disk while server, agent and HAProxy end."""
    with product() as made, small_disk(made.settings.state_dir, "8m") as disk:
        log = disk / "hydria.log"
        made.running["up"] = Program(made, "up", "--log-file", str(log))
        made.surroundings(11, 12)
        made.create(members=(11,))
        made.becomes("ACTIVE")
        (listener,) = made.all("listeners")
        fill(disk)
        before = commands(made)
        for pid in (*before.values(), *made.proxies()):
            os.kill(pid, signal.SIGKILL)
        # The supervisor goes on and tries again.
        wait_until(lambda: not set(before.values()) & set(commands(made).values()))
        (disk / "ballast").unlink()
        wait_until(lambda: len(commands(made)) == 2 and len(made.proxies()) == 1)
        wait_until(lambda: _serves(made))
        made.ask("PUT", f"listeners/{listener['id']}", {"listener": {"timeout_client_data": 60000}})
        made.becomes("ACTIVE")
        # Its loops still run: an ended HAProxy is started again.
        (proxy,) = made.proxies()
        os.kill(proxy, signal.SIGKILL)
        wait_until(lambda: made.proxies() not in ([], [proxy]))
        wait_until(lambda: _serves(made))
        made.delete()
        assert made.leftovers() == []


def _serves(made: Product) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return get(made.client, VIP, timeout=1)[0] == 200
    return False


def test_the_log_of_a_supervisor_is_rotated() -> None:
    with product() as made:
        made.extra["HYDRIA_LOG_MAX_BYTES"] = "65536"
        log = made.settings.state_dir / "hydria.log"
        made.settings.state_dir.mkdir()
        made.running["up"] = Program(made, "up", "--log-file", str(log))
        wait_until(lambda: len(commands(made)) == 2)
        with log.open("a") as more:
            more.write("x" * 70000 + "\n")
        wait_until(lambda: log.with_name("hydria.log.1").exists())
        agent = commands(made)["agent"]
        os.kill(agent, signal.SIGKILL)
        # New lines are in the new file.
        wait_until(lambda: log.exists() and '"ended"' in log.read_text())
