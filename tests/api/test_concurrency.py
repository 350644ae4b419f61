"""Parallel requests: none is refused because of another, and none is lost."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases

MANY = 20


@pytest.fixture
async def pool(cloud: Cloud, api: Api) -> dict[str, Any]:
    lb = await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    return await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")


def codes(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def member(number: int) -> dict[str, Any]:
    return {"member": {"address": f"10.0.0.{100 + number}", "protocol_port": 80}}


async def test_parallel_members(api: Api, worker: Worker, pool: dict[str, Any]) -> None:
    path = f"pools/{pool['id']}/members"
    answers = await asyncio.gather(*(api.send("POST", path, json=member(number)) for number in range(MANY)))
    assert codes(answers) == {201: MANY}
    listed = (await api.get(path))["members"]
    assert {each["address"] for each in listed} == {member(number)["member"]["address"] for number in range(MANY)}
    # Each is a change of its own, and all are served.
    assert len({answer.headers["etag"] for answer in answers}) == MANY
    worker.step()
    assert {each["provisioning_status"] for each in (await api.get(path))["members"]} == {"ACTIVE"}


async def test_one_of_many_equal_members_is_created(api: Api, pool: dict[str, Any]) -> None:
    path = f"pools/{pool['id']}/members"
    answers = await asyncio.gather(*(api.send("POST", path, json=member(1)) for _ in range(8)))
    # The conflict is about the address, not about parallel requests.
    assert codes(answers) == {201: 1, 409: 7}
    assert len((await api.get(path))["members"]) == 1


async def test_parallel_changes_of_one_resource_are_all_kept(api: Api, pool: dict[str, Any]) -> None:
    path = f"pools/{pool['id']}/members"
    key = (await api.post(path, member(1)))["member"]["id"]
    changes: list[dict[str, Any]] = [
        {"name": "x"},
        {"weight": 7},
        {"backup": True},
        {"monitor_port": 99},
        {"tags": ["t"]},
    ]
    sent = (api.send("PUT", f"{path}/{key}", json={"member": change}) for change in changes * 3)
    assert codes(await asyncio.gather(*sent)) == {200: 15}
    shown = (await api.get(f"{path}/{key}"))["member"]
    assert [{name: shown[name] for name in change} for change in changes] == changes


async def test_parallel_creates_changes_and_deletes(
    cloud: Cloud, api: Api, worker: Worker, pool: dict[str, Any]
) -> None:
    lb, path = pool["loadbalancers"][0]["id"], f"pools/{pool['id']}/members"
    doomed = [(await api.post(path, member(50 + number)))["member"]["id"] for number in range(5)]
    worker.step()
    sent = []
    for number in range(10):
        listener = {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 8000 + number}
        sent += [
            api.send("POST", path, json=member(number)),
            api.send("POST", "listeners", json={"listener": listener}),
            api.send("PUT", f"loadbalancers/{lb}", json={"loadbalancer": {"name": f"name {number}"}}),
            api.send("PUT", f"pools/{pool['id']}", json={"pool": {"description": f"{number}"}}),
            api.send("GET", f"loadbalancers/{lb}/status"),
        ]
    sent += [api.send("DELETE", f"{path}/{key}") for key in doomed]
    assert codes(await asyncio.gather(*sent)) == {201: 20, 200: 30, 204: 5}
    worker.step()
    assert len((await api.get(path))["members"]) == 10
    assert len((await api.get("listeners"))["listeners"]) == 11
    shown = await api.show("loadbalancer", lb)
    assert (shown["provisioning_status"], shown["name"][:5]) == ("ACTIVE", "name ")


async def test_one_of_many_changes_with_the_same_tag_succeeds(api: Api, pool: dict[str, Any]) -> None:
    path = f"pools/{pool['id']}"
    tag = (await api.send("GET", path)).headers["etag"]
    sent = (
        api.send("PUT", path, json={"pool": {"name": f"{number}"}}, headers={"If-Match": tag}) for number in range(8)
    )
    assert codes(await asyncio.gather(*sent)) == {200: 1, 412: 7}


async def test_parallel_load_balancers(cloud: Cloud, api: Api, worker: Worker) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}
    answers = await asyncio.gather(*(api.send("POST", "loadbalancers", json=body) for _ in range(MANY)))
    assert codes(answers) == {201: MANY}
    # The network service gives each an address of its own; tests/flow has a real one.
    worker.step()
    gone = (api.send("DELETE", f"loadbalancers/{answer.json()['loadbalancer']['id']}") for answer in answers)
    assert codes(await asyncio.gather(*gone)) == {204: MANY}
    worker.step()
    worker.step()
    assert (await api.get("loadbalancers"))["loadbalancers"] == []
