"""A host that does not poll: the statuses of what it serves are unknown until it is back."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hydria.adapters.memory.clock import ManualClock
from hydria.contract import Holding
from hydria.controller.health import lose_health
from hydria.controller.loop import Controller
from hydria.controller.placement import HOST_SILENCE
from hydria.controller.reconcile import Reconciler
from hydria.settings import Settings
from hydria.store.resources import Amphora
from tests.support.api import Api
from tests.support.cloud import SECRET, Cloud, running
from tests.support.worker import Worker


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running(tmp_path) as made:
        made.exchange.poll_seconds = 0.01
        yield made


@pytest.fixture
def api(cloud: Cloud) -> Api:
    return cloud.api()


async def make(cloud: Cloud, api: Api) -> str:
    members = [{"address": "10.0.0.9", "protocol_port": 80}]
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    form = {"vip_subnet_id": cloud.subnet.id, "listeners": [listener]}
    made = await api.post("loadbalancers", {"loadbalancer": form})
    return str(made["loadbalancer"]["id"])


async def shown(api: Api, key: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"loadbalancers/{key}/status"))["statuses"]["loadbalancer"]
    return found


async def poll(cloud: Cloud, holding: Holding) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    body = {"host": holding.host, "amphorae": holding.amphorae, "topology": holding.topology}
    answer: httpx.Response = await cloud.http.post("/agent/v1/poll", json=body, headers=headers)
    orders: dict[str, Any] = answer.json()
    return orders


async def test_a_settled_load_balancer_of_a_silent_host_is_in_error(cloud: Cloud, api: Api) -> None:
    key = await make(cloud, api)
    worker = Worker(cloud)
    worker.step()
    assert (await shown(api, key))["operating_status"] == "ONLINE"

    cloud.clock.advance(HOST_SILENCE - 1)
    cloud.controller.work()
    assert (await shown(api, key))["operating_status"] == "ONLINE"

    cloud.clock.advance(2)
    cloud.controller.work()
    silent = await shown(api, key)
    (listener,) = silent["listeners"]
    (pool,) = listener["pools"]
    assert (silent["operating_status"], listener["operating_status"]) == ("ERROR", "ERROR")
    assert (pool["operating_status"], pool["members"][0]["operating_status"]) == ("OFFLINE", "OFFLINE")
    # What was asked for is served, as far as anybody knows.
    assert silent["provisioning_status"] == "ACTIVE"
    assert silent["operating_status_reason"] == "Host host-1 does not ask for work. Is its agent running?"
    found = await api.get("loadbalancers?operating_status=ERROR")
    assert [each["id"] for each in found["loadbalancers"]] == [key]
    # There is nothing left to do until something happens.
    assert cloud.database.read(lambda tx: cloud.reconciler.due(tx, cloud.clock.now())) == []


async def test_a_host_that_is_back_is_asked_for_all_reports(cloud: Cloud, api: Api) -> None:
    key = await make(cloud, api)
    worker = Worker(cloud)
    worker.step()
    cloud.clock.advance(HOST_SILENCE + 1)
    cloud.controller.work()

    # Its agent was only asleep: it holds what it held, and has no news.
    assert (await poll(cloud, worker.holding))["report"] is True
    # It is not asked again at once.
    assert (await poll(cloud, worker.holding)).get("report", False) is False
    for amphora in worker.serving:
        worker.report(amphora)
    well = await shown(api, key)
    assert (well["provisioning_status"], well["operating_status"]) == ("ACTIVE", "ONLINE")
    assert "operating_status_reason" not in well


async def test_a_host_whose_amphora_is_unreachable_is_asked_for_all_reports(cloud: Cloud, api: Api) -> None:
    """A server that went by a wrong clock called the host silent: the agent has no news, and nothing else is wrong."""
    await make(cloud, api)
    worker = Worker(cloud)
    worker.step()
    assert (await poll(cloud, worker.holding)).get("report", False) is False
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    cloud.database.transact(lambda tx: lose_health(tx, amphora, 1))
    assert (await poll(cloud, worker.holding))["report"] is True
    worker.report(amphora.id)
    assert (await poll(cloud, worker.holding)).get("report", False) is False


async def test_a_failed_change_of_a_silent_host_is_in_error(cloud: Cloud, api: Api) -> None:
    key = await make(cloud, api)
    worker = Worker(cloud)
    worker.step()
    await api.put(f"loadbalancers/{key}", {"loadbalancer": {"name": "other"}})
    worker.trouble = "The disk is full."
    worker.step()
    assert (await shown(api, key))["operating_status"] == "ONLINE"
    cloud.clock.advance(HOST_SILENCE + 1)
    cloud.controller.work()
    silent = await shown(api, key)
    assert silent["operating_status"] == "ERROR"
    assert silent["provisioning_status_reason"].startswith("Host host-1 does not ask")
    assert cloud.database.read(lambda tx: cloud.reconciler.due(tx, cloud.clock.now())) == []


async def test_a_server_that_has_just_started_calls_no_host_silent(cloud: Cloud, api: Api) -> None:
    key = await make(cloud, api)
    Worker(cloud).step()
    cloud.clock.advance(HOST_SILENCE * 10)
    fresh = Reconciler(lambda _: cloud.networking, cloud.clock.now())
    assert cloud.database.read(lambda tx: fresh.due(tx, cloud.clock.now())) == []
    later = cloud.clock.now() + timedelta(seconds=HOST_SILENCE)
    assert cloud.database.read(lambda tx: fresh.due(tx, later)) == [key]


async def test_a_server_that_was_away_calls_no_host_silent(cloud: Cloud, api: Api) -> None:
    key = await make(cloud, api)
    Worker(cloud).step()
    cloud.controller.step()
    # The server was stopped, or its database was away: no host could poll.
    cloud.clock.advance(3600)
    cloud.controller.step()
    assert (await shown(api, key))["operating_status"] == "ONLINE"
    for _ in range(4):
        cloud.clock.advance(HOST_SILENCE // 3)
        cloud.controller.step()
    assert (await shown(api, key))["operating_status"] == "ERROR"


class SetClock(ManualClock):
    """A clock that somebody sets an hour ahead after it was read `reads` times more."""

    reads = 1_000_000

    def now(self) -> datetime:
        self.reads -= 1
        return super().now() + timedelta(hours=0 if self.reads >= 0 else 1)


async def test_a_clock_that_is_set_during_the_work_silences_no_host(cloud: Cloud, api: Api) -> None:
    key = await make(cloud, api)
    Worker(cloud).step()
    for reads in range(4):
        clock = SetClock(cloud.clock.now())
        controller = Controller(cloud.database, clock, cloud.reconciler)
        controller.step()
        clock.reads = reads
        for _ in range(3):
            controller.step()
            assert (await shown(api, key))["operating_status"] == "ONLINE"


async def test_a_poll_ends_long_before_a_host_that_lost_its_power_during_it_is_given_up(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        assert made.exchange.poll_seconds <= Settings().failover.after_seconds / 3
