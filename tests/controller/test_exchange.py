"""The agents' two calls over HTTP: authentication, the end of a poll, the effect of a report."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from hydria.contract import Holding, Orders, Report, Reports
from hydria.controller.loop import Controller
from hydria.store.resources import Amphora, KnownHost
from tests.support.api import Api
from tests.support.cloud import SECRET, Cloud
from tests.support.waiting import eventually

SOON = 5.0


async def call(cloud: Cloud, verb: str, message: Any, *, secret: str = SECRET) -> tuple[int, bytes]:
    answer = await cloud.http.post(
        f"/agent/v1/{verb}", content=msgspec.json.encode(message), headers={"Authorization": f"Bearer {secret}"}
    )
    return answer.status_code, answer.content


async def poll(cloud: Cloud, **holding: Any) -> Orders:
    code, body = await call(cloud, "poll", Holding(host="host-1", **holding))
    assert code == 200
    return msgspec.json.decode(body, type=Orders)


async def waiting_poll(cloud: Cloud) -> asyncio.Task[Orders]:
    """Start a poll; return when the server has it."""
    heard = asyncio.Event()
    cloud.database.subscribe(lambda topics: heard.set() if "hosts" in topics else None)
    task = asyncio.create_task(poll(cloud))
    await asyncio.wait_for(heard.wait(), SOON)
    return task


async def report(cloud: Cloud, **reports: Any) -> None:
    assert await call(cloud, "report", Reports(host="host-1", **reports)) == (204, b"")


@pytest.fixture
async def controller(cloud: Cloud) -> AsyncIterator[Controller]:
    """A running controller."""
    stop = asyncio.Event()
    task = asyncio.create_task(cloud.controller.run(stop))
    yield cloud.controller
    stop.set()
    cloud.controller.wake()
    await asyncio.wait_for(task, SOON)


async def test_agents_need_the_secret(cloud: Cloud) -> None:
    for verb, message in (("poll", Holding(host="host-1")), ("report", Reports(host="host-1"))):
        for secret in ("", "wrong", SECRET + "x", "ü"):
            header = f"Bearer {secret}".encode()
            answer = await cloud.http.post(
                f"/agent/v1/{verb}", content=msgspec.json.encode(message), headers={b"Authorization": header}
            )
            assert answer.status_code == 401
            assert "agent.secret" in answer.text
        answer = await cloud.http.post(f"/agent/v1/{verb}", content=msgspec.json.encode(message))
        assert answer.status_code == 401
    assert cloud.database.read(lambda tx: tx.find(KnownHost)) == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"host": 5}', b'{"amphorae": {}}'])
async def test_malformed_messages_are_refused(cloud: Cloud, raw: bytes) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    for verb in ("poll", "report"):
        answer = await cloud.http.post(f"/agent/v1/{verb}", content=raw, headers=headers)
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "bad",
    [
        b'"generation": 1180591620717411303424',
        b'"generation": -7',
        b'"generation": 1, "attempted": -1',
        b'"generation": 1, "operating": {"x": "FUNNY"}',
        b'"generation": 1, "counters": {"x": {"bytes_in": -5}}',
        b'"generation": 1, "counters": {"x": {"bytes_out": 9223372036854775808}}',
        b'"generation": "1"',
    ],
)
async def test_a_bad_report_is_refused_and_the_others_are_taken(cloud: Cloud, api: Api, bad: bytes) -> None:
    cloud.exchange.poll_seconds = 0.05
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    await poll(cloud)
    cloud.controller.work()
    (instance,) = (await poll(cloud)).serve
    key = instance.amphora_id.encode()
    good = b'{"amphora_id": "%s", "generation": 1}' % key
    body = b'{"host": "host-1", "reports": [{"amphora_id": "%s", %s}, %s]}' % (key, bad, good)
    headers = {"Authorization": f"Bearer {SECRET}"}
    answer = await cloud.http.post("/agent/v1/report", content=body, headers=headers)
    assert (answer.status_code, answer.text[:8]) == (400, "Report 0")
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "h" * 256])
async def test_a_bad_name_of_a_host_is_refused(cloud: Cloud, name: str) -> None:
    for verb, message in (("poll", Holding(host=name)), ("report", Reports(host=name))):
        assert (await call(cloud, verb, message))[0] == 400
    assert cloud.database.read(lambda tx: tx.find(KnownHost)) == []


async def test_a_poll_without_work_ends(cloud: Cloud) -> None:
    cloud.exchange.poll_seconds = 0.05
    assert await poll(cloud) == Orders()
    (host,) = cloud.database.read(lambda tx: tx.find(KnownHost))
    assert host == KnownHost(id="host-1", name="host-1", seen_at=int(cloud.clock.now().timestamp()), home=True)


async def test_the_life_of_a_load_balancer_over_http(cloud: Cloud, api: Api, controller: Controller) -> None:
    cloud.exchange.poll_seconds = SOON
    waiting = asyncio.create_task(poll(cloud))
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    (instance,) = (await asyncio.wait_for(waiting, SOON)).serve
    assert instance.tree.load_balancer.id == lb["id"]
    key = instance.amphora_id
    await report(cloud, reports=(Report(amphora_id=key, generation=1, operating={lb["id"]: "ONLINE"}),))
    shown = await api.show("loadbalancer", lb["id"])
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "ONLINE")

    waiting = asyncio.create_task(poll(cloud, amphorae={key: 1}))
    await api.change("loadbalancer", lb["id"], name="x")
    (instance,) = (await asyncio.wait_for(waiting, SOON)).serve
    assert instance.generation == 2
    await report(cloud, reports=(Report(amphora_id=key, generation=1, attempted=2, reason="no"),))
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ERROR"
    await report(cloud, reports=(Report(amphora_id=key, generation=2),))
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"

    waiting = asyncio.create_task(poll(cloud, amphorae={key: 2}))
    await api.delete(f"loadbalancers/{lb['id']}")
    assert (await asyncio.wait_for(waiting, SOON)).withdraw == (key,)
    await report(cloud, withdrawn=(key,))
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)
    assert cloud.networking.ports == {}


async def test_a_change_between_two_polls_is_not_missed(cloud: Cloud, api: Api, controller: Controller) -> None:
    cloud.exchange.poll_seconds = SOON
    first = asyncio.create_task(poll(cloud))
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    (instance,) = (await first).serve
    await api.change("loadbalancer", lb["id"], name="x")
    orders = await asyncio.wait_for(poll(cloud, amphorae={instance.amphora_id: instance.generation}), SOON)
    assert orders.serve[0].generation == 2


async def test_a_topology_wakes_a_poll(cloud: Cloud) -> None:
    cloud.exchange.poll_seconds = SOON
    waiting = await waiting_poll(cloud)
    cloud.topologies.change()
    cloud.database.transact(lambda tx: tx.hint("topology"))
    orders = await asyncio.wait_for(waiting, SOON)
    assert orders.topology is not None
    # The host has another topology: it gets the right one.
    assert (await poll(cloud, topology=7)).topology == orders.topology


async def test_a_hint_from_another_thread_wakes_a_poll(cloud: Cloud) -> None:
    cloud.exchange.poll_seconds = SOON
    waiting = await waiting_poll(cloud)

    def change() -> None:
        cloud.topologies.change()
        cloud.database.transact(lambda tx: tx.hint("topology"))

    await asyncio.to_thread(change)
    async with asyncio.timeout(SOON / 2):
        assert (await waiting).topology is not None


async def test_polls_are_answered_when_the_server_stops(cloud: Cloud) -> None:
    cloud.exchange.poll_seconds = 60
    waiting = await waiting_poll(cloud)
    cloud.exchange.close()
    assert await asyncio.wait_for(waiting, SOON) == Orders()


async def test_the_hosts_that_have_polled(cloud: Cloud) -> None:
    cloud.exchange.poll_seconds = 0.01
    headers = {"Authorization": f"Bearer {SECRET}"}
    assert (await cloud.http.get("/agent/v1/hosts", headers=headers)).json() == {"hosts": []}
    await poll(cloud)
    assert (await cloud.http.get("/agent/v1/hosts", headers=headers)).json() == {"hosts": ["host-1"]}
    assert (await cloud.http.get("/agent/v1/hosts")).status_code == 401


async def test_a_change_wakes_only_the_polls_of_its_hosts(cloud: Cloud, api: Api) -> None:
    cloud.exchange.poll_seconds = 60
    names = [f"host-{number}" for number in range(1, 8)]
    polls = {name: asyncio.create_task(call(cloud, "poll", Holding(host=name))) for name in names}
    await eventually(lambda: len(cloud.database.read(lambda tx: tx.find(KnownHost))) == len(names))
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    cloud.controller.work()
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    status, body = await asyncio.wait_for(polls.pop(amphora.host), SOON)
    assert (status, len(msgspec.json.decode(body, type=Orders).serve)) == (200, 1)
    # The reads of a change do not grow with the hosts that it does not concern.
    before = cloud.database.counts.reads
    cloud.database.transact(lambda tx: tx.hint("instances"))
    await eventually(lambda: cloud.database.counts.reads > before)
    for _ in range(20):
        await asyncio.sleep(0)
    assert cloud.database.counts.reads == before + 1
    assert not any(poll.done() for poll in polls.values())
    cloud.exchange.close()
    await asyncio.gather(*polls.values())
