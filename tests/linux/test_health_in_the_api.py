"""A member's health is in the API soon after HAProxy has detected it; HAProxy's log has the time."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import pytest

from hydria.adapters.linux import ring
from hydria.render.haproxy.logs import RING, parse
from tests.linux.programs import Product, product
from tests.support.waiting import wait_until

# The agent looks at each amphora every 15 s. A status that is in the API sooner came by an event.
WITHIN = 10.0

# All tests share one product.
pytestmark = pytest.mark.xdist_group("health_in_the_api")


class Monitored(NamedTuple):
    """`first_delays` are the seconds between a member's first check and its first status in the API, by address."""

    product: Product
    first_delays: dict[str, float]


@contextlib.contextmanager
def running(mode: int) -> Iterator[Monitored]:
    """Yield a load balancer with two members that are checked each second, after the first status of both.

    `mode` is that of the directory above `run_dir`.
    """
    with product() as made:
        made.directory.chmod(mode)
        made.start("server", "agent")
        made.surroundings(11, 12)
        form = made.form("lb", "10.0.0.100")
        monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
        form["listeners"][0]["default_pool"]["healthmonitor"] = monitor
        made.make("loadbalancers", "loadbalancer", **form)
        first = {address: seen(made, address, "ONLINE") for address in ("10.0.0.11", "10.0.0.12")}
        yield Monitored(made, {address: when - known(made, address, "succeeded") for address, when in first.items()})
        made.delete()


@pytest.fixture(scope="module")
def started() -> Iterator[Monitored]:
    with running(0o711) as monitored:
        yield monitored


@pytest.fixture
def monitored(started: Monitored) -> Product:
    return started.product


def members(made: Product) -> dict[str, str]:
    """Return the operating statuses of the members by their addresses."""
    (pool,) = made.all("pools")
    return {each["address"]: each["operating_status"] for each in made.all(f"pools/{pool['id']}/members")}


def seen(made: Product, address: str, status: str) -> float:
    """Wait until the API has a status; return the time (seconds since the epoch)."""
    wait_until(lambda: members(made).get(address) == status, 60, lambda: members(made))
    return time.time()


def known(made: Product, address: str, words: str) -> float:
    """Return when HAProxy last logged a text about a member (seconds since the epoch)."""
    (pool,) = made.all("pools")
    (member,) = [each for each in made.all(f"pools/{pool['id']}/members") if each["address"] == address]
    path = made.settings.run_dir / "amphorae" / made.amphora / "haproxy.sock"
    entries = [parse(line) for line in asyncio.run(ring.read(path, RING))]
    times: list[datetime] = [each.at for each in entries if each and member["id"] in each.text and words in each.text]
    return times[-1].timestamp()


def test_the_first_status_comes_with_the_first_check(started: Monitored) -> None:
    assert max(started.first_delays.values()) < WITHIN


def test_changes_reach_the_api_before_the_next_regular_look(monitored: Product) -> None:
    assert max(fail_and_recover(monitored)) < WITHIN


def test_changes_reach_the_api_where_haproxy_cannot_enter_the_directory_above_run_dir() -> None:
    with running(0o700) as closed:
        made, (proxy,) = closed.product, closed.product.proxies()
        # Its account is not the directory's owner.
        assert os.stat(f"/proc/{proxy}").st_uid != made.directory.stat().st_uid
        assert max(closed.first_delays.values()) < WITHIN
        assert max(fail_and_recover(made)) < WITHIN


def fail_and_recover(made: Product) -> list[float]:
    """Stop and start a member twice; return how much later than in HAProxy each status was in the API (seconds)."""
    address, web = "10.0.0.12", made.webs[1]
    delays = []
    for _ in range(2):
        web.stop()
        down = seen(made, address, "ERROR")
        delays.append(down - known(made, address, "is DOWN"))
        web.start()
        up = seen(made, address, "ONLINE")
        delays.append(up - known(made, address, "is UP"))
    return delays


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
    assert " 10.0.0.100/24" in shown
    assert "listener       HTTP 80 " in shown
    assert "missing" not in shown
    assert "differs" not in shown
    absent = described("nothing")
    assert (absent.returncode, "serves no load balancer nothing" in absent.stderr) == (1, True)
