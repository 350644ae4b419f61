"""A member's health comes into the API by HAProxy's events: the agent looks by itself once an hour only."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.linux.programs import Product, product
from tests.support.waiting import wait_until

# All tests share one product.
pytestmark = pytest.mark.xdist_group("health_in_the_api")


@contextlib.contextmanager
def running(mode: int) -> Iterator[Product]:
    """Yield a load balancer with two members that are checked each second, after the first status of both.

    `mode` is that of the directory above `run_dir`.
    """
    with product(look_seconds=3600) as made:
        made.directory.chmod(mode)
        made.start("server", "agent")
        made.surroundings(11, 12)
        form = made.form("lb", "10.0.0.100")
        monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
        form["listeners"][0]["default_pool"]["healthmonitor"] = monitor
        made.make("loadbalancers", "loadbalancer", **form)
        for address in ("10.0.0.11", "10.0.0.12"):
            become(made, address, "ONLINE")
        yield made
        made.delete()


@pytest.fixture(scope="module")
def monitored() -> Iterator[Product]:
    with running(0o711) as made:
        yield made


def members(made: Product) -> dict[str, str]:
    """Return the operating statuses of the members by their addresses."""
    (pool,) = made.all("pools")
    return {each["address"]: each["operating_status"] for each in made.all(f"pools/{pool['id']}/members")}


def become(made: Product, address: str, status: str) -> None:
    """Wait until the API has a member's status."""
    wait_until(lambda: members(made).get(address) == status, say=lambda: members(made))


def fail_and_recover(made: Product) -> None:
    """Stop and start a member twice, and wait until the API has each status."""
    for _ in range(2):
        made.webs[1].stop()
        become(made, "10.0.0.12", "ERROR")
        made.webs[1].start()
        become(made, "10.0.0.12", "ONLINE")


def test_first_statuses_and_changes_reach_the_api_by_events(monitored: Product) -> None:
    fail_and_recover(monitored)


def test_events_arrive_where_haproxy_cannot_enter_the_directory_above_run_dir() -> None:
    with running(0o700) as closed:
        (proxy,) = closed.proxies()
        # Its account is not the directory's owner.
        assert os.stat(f"/proc/{proxy}").st_uid != closed.directory.stat().st_uid
        fail_and_recover(closed)


def test_hydria_logs_shows_health_by_name(monitored: Product) -> None:
    command = [sys.executable, "-m", "hydria.cli", "logs", "lb"]
    done = subprocess.run(command, env=monitored.environment, capture_output=True, text=True, timeout=30, check=True)
    assert "Health check for server pool:http/10.0.0.11:80 succeeded" in done.stdout


def test_hydria_amphora_shows_where_it_runs(monitored: Product) -> None:
    def described(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hydria.cli", "amphora", name]
        return subprocess.run(
            command, env=monitored.environment, capture_output=True, text=True, timeout=60, check=False
        )

    shown = described("lb").stdout
    namespace = monitored.names.amphora(monitored.amphora)
    (proxy,) = monitored.proxies()
    assert f"namespace      {namespace}: " in shown
    assert f"haproxy        process {proxy}, " in shown
    assert "interface      eth0 " in shown
    assert "VIPs           10.0.0.100 (single, active)" in shown
    assert "listener       HTTP 80 " in shown
    assert "missing" not in shown
    assert "differs" not in shown
    absent = described("nothing")
    assert (absent.returncode, "serves no load balancer nothing" in absent.stderr) == (1, True)
