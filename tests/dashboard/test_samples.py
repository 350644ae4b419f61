"""Samples for a day: written by one server, bounded, and shown to those who may see the load balancer."""

import os
import uuid
from pathlib import Path

import pytest

from hydria.dashboard.sampler import TIERS, Sampler, Seen, samples
from hydria.model.numbers import Count, Numbers
from hydria.store import Database, columns
from hydria.store.numbers import Measured, Sample, short_id
from tests.support.api import Api, make_tree
from tests.support.cloud import Cloud
from tests.support.databases import open_database
from tests.support.worker import Worker

BUSY = (30.0, 1.0, 400.0, 9000.0, 3.0)


def samples_of(database: Database) -> list[Sample]:
    c = columns(Sample)
    return database.read(lambda transaction: transaction.find(Sample, order_by=(c.seconds, c.at)))


@pytest.mark.both_databases
async def test_one_of_several_servers_writes_a_sample(cloud: Cloud) -> None:
    first, second = Sampler(cloud.database), Sampler(cloud.database)
    for now in (1000.0, 1010.0, 1030.0):
        for sampler in (first, second):
            await sampler.take({"lb": {"listener": BUSY}}, now)
    (sample,) = samples_of(cloud.database)
    assert (sample.seconds, sample.at) == (60, 1020)
    assert sample.rates == {short_id("listener"): BUSY}


async def test_old_samples_are_removed(cloud: Cloud) -> None:
    day = 25 * 3600
    rates: Seen = {"lb": {"listener": BUSY}}
    before = [
        sample for seconds, _ in TIERS for at in range(0, day + 1, seconds) for sample in samples([rates], seconds, at)
    ]
    cloud.database.transact(lambda transaction: transaction.insert(*before))
    sampler = Sampler(cloud.database)
    for minute in range(60):
        await sampler.take(rates, day + minute * 60.0)
    found = samples_of(cloud.database)
    numbers = {seconds: sum(sample.seconds == seconds for sample in found) for seconds, _ in TIERS}
    assert numbers == {60: 60, 300: 72, 900: 96}


async def test_a_day_of_a_load_balancer_takes_200_kilobytes(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'numbers.db'}")
    before, load_balancers = size_of(tmp_path), [str(uuid.uuid4()) for _ in range(4)]
    ids = [str(uuid.uuid4()) for _ in range(20)]
    busy = (123.0, 1.25, 51600.0, 1230000.0, 12.0, 14.0, 180.0, 118.0, 2.45, 3.15, 1.25)
    written = [
        sample
        for seconds, kept in TIERS
        for at in range(0, kept, seconds)
        for sample in samples([{key: dict.fromkeys(ids, busy) for key in load_balancers}], seconds, 1_800_000_000 + at)
    ]
    database.transact(lambda transaction: transaction.insert(*written))
    database.close()
    assert (size_of(tmp_path) - before) / len(load_balancers) < 200_000


async def test_samples_are_shown_by_resource(cloud: Cloud, api: Api) -> None:
    tree = await make_tree(api, cloud.subnet.id)
    now = int(cloud.clock.now().timestamp()) // 60 * 60
    sample = Sample(
        load_balancer_id=tree["loadbalancer"],
        seconds=60,
        at=now,
        rates={short_id(tree["member"]): BUSY, short_id("deleted since"): BUSY},
    )
    earlier = Sample(load_balancer_id=tree["loadbalancer"], seconds=60, at=now - 180, rates={})
    cloud.database.transact(lambda transaction: transaction.insert(sample, earlier))
    path = f"/dashboard/v1/loadbalancers/{tree['loadbalancer']}/samples"
    found = (await api.get(path, seconds=3600))["samples"]
    assert found["times"] == [now - 180, now - 120, now - 60, now]
    assert list(found["series"]) == [tree["member"]]
    assert found["series"][tree["member"]]["requests"] == [0, None, None, 30]
    assert found["series"][tree["member"]]["responses_5xx"] == [0, None, None, 0]
    await cloud.api("bob").fault("GET", path, 403)
    await api.fault("GET", path, 400, params={"seconds": "a day"})


async def test_reports_bring_the_numbers_and_deleting_removes_them(cloud: Cloud, api: Api, worker: Worker) -> None:
    tree = await make_tree(api, cloud.subnet.id)
    worker.numbers = Numbers(listeners={tree["listener"]: Count(requests=5)})
    worker.step()
    (measured,) = cloud.database.read(lambda transaction: transaction.find(Measured))
    assert measured.numbers == worker.numbers
    assert measured.load_balancer_id == tree["loadbalancer"]
    await api.delete(f"loadbalancers/{tree['loadbalancer']}", cascade="true")
    worker.step()
    assert cloud.database.read(lambda transaction: transaction.find(Measured)) == []


async def test_the_log_shows_failures_with_their_reasons(cloud: Cloud, api: Api, worker: Worker) -> None:
    tree = await make_tree(api, cloud.subnet.id)
    failed = (
        f"<134>2026-01-01T00:00:02.000000+00:00 traffic listener={tree['listener']} client=10.0.0.9 client_port=1"
        f" backend=p:l member={tree['member']} status=503 in=1 out=2 wait=0 connect=0 response=0 total=5 end=SC--"
        ' request="GET /shop HTTP/1.1"'
    )
    down = "<134>2026-01-01T00:00:01.000000+00:00 Server p:l/m is DOWN."
    worker.numbers = Numbers(log=(*["not a line"] * 30, down, failed, "x" * 5000))
    worker.step()
    path = f"/dashboard/v1/loadbalancers/{tree['loadbalancer']}/log"
    newest, older = (await api.get(path))["log"]
    assert (newest["kind"], older["kind"]) == ("failed", "health")
    assert (newest["status"], newest["request"], newest["member"]) == ("503", "GET /shop HTTP/1.1", tree["member"])
    assert newest["why"].startswith("the member hung up or refused")
    assert older["text"] == "Server p:l/m is DOWN."
    (measured,) = cloud.database.read(lambda transaction: transaction.find(Measured))
    assert len(measured.numbers.log) == 30
    assert max(map(len, measured.numbers.log)) == 400
    await cloud.api("bob").fault("GET", path, 403)


async def test_certificates_are_described_without_their_keys(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    path = f"/dashboard/v1/loadbalancers/{lb['id']}/certificates"
    assert await api.get(path) == {"certificates": []}
    await cloud.api("bob").fault("GET", path, 403)


def size_of(directory: Path) -> int:
    return sum(os.path.getsize(path) for path in directory.iterdir())
