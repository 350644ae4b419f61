"""Quotas: rights, defaults, and the check of every create."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hydria.model.quota import LIMITS
from hydria.settings import QuotaSettings
from tests.support.api import Api, Body
from tests.support.cloud import Cloud, running
from tests.support.worker import Worker

EVERYTHING = {
    "loadbalancer", "load_balancer", "listener", "member", "pool", "healthmonitor", "health_monitor", "l7policy",
    "l7rule",
}  # fmt: skip


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    return cloud.api("admin")


async def limit(admin: Api, **limits: Any) -> Body:
    quota: Body = (await admin.put("quotas/p-red", {"quota": limits}, status=202))["quota"]
    return quota


def met(title: str) -> str:
    return f"Quota has been met for resources: {title}"


async def test_projects_are_unlimited_by_default(api: Api) -> None:
    for path in ("quotas/p-red", "quotas/p-red/default"):
        quota = (await api.get(path))["quota"]
        assert quota == dict.fromkeys(EVERYTHING, -1) | {"project_id": "p-red", "tenant_id": "p-red"}
    assert await api.get("quotas") == {"quotas": [], "quotas_links": []}


async def test_setting_and_resetting(api: Api, admin: Api) -> None:
    quota = await limit(admin, loadbalancer=3, member=20, l7rule="7")
    assert (quota["loadbalancer"], quota["load_balancer"], quota["member"], quota["l7rule"]) == (3, 3, 20, 7)
    assert quota["pool"] == -1
    quota = await limit(admin, health_monitor=4, healthmonitor=5, member=None)
    assert (quota["healthmonitor"], quota["health_monitor"], quota["member"]) == (5, 5, -1)
    assert quota["loadbalancer"] == 3
    assert (await api.get("quotas/p-red"))["quota"] == quota
    answer = await admin.send("DELETE", "quotas/p-red")
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await api.get("quotas/p-red"))["quota"]["loadbalancer"] == -1
    await admin.delete("quotas/p-red", status=202)
    assert await admin.fault("DELETE", "quotas/p-blue", 404) == "Quotas p-blue not found."


async def test_lists_show_the_limits_that_are_set(cloud: Cloud, api: Api, admin: Api) -> None:
    await limit(admin, pool=2)
    await admin.put("quotas/p-blue", {"quota": {"loadbalancer": 5}}, status=202)
    found = (await admin.get("quotas"))["quotas"]
    assert [(each["project_id"], each["pool"], each["loadbalancer"]) for each in found] == [
        ("p-blue", None, 5),
        ("p-red", 2, None),
    ]
    assert [each["project_id"] for each in (await api.get("quotas"))["quotas"]] == ["p-red"]
    assert (await admin.get("quotas", project_id="p-blue"))["quotas"][0]["loadbalancer"] == 5
    assert len((await admin.get("quotas", load_balancer=5))["quotas"]) == 1
    first = await admin.get("quotas", limit=1)
    assert [each["rel"] for each in first["quotas_links"]] == ["next"]
    second = await admin.send("GET", first["quotas_links"][0]["href"].removeprefix("http://cloud.test"))
    assert [each["project_id"] for each in second.json()["quotas"]] == ["p-red"]


async def test_rights_to_quotas(cloud: Cloud, api: Api) -> None:
    forbidden = "Policy does not allow this request to be performed."
    assert await api.fault("PUT", "quotas/p-red", 403, {"quota": {"pool": 1}}) == forbidden
    for method, path in (
        ("DELETE", "quotas/p-red"), ("GET", "quotas/p-blue"), ("GET", "quotas/p-blue/default"),
        ("GET", "quotas?project_id=p-blue"),
    ):  # fmt: skip
        assert await api.fault(method, path, 403) == forbidden
    assert (await cloud.api("reader").get("quotas/p-red"))["quota"]["pool"] == -1
    await cloud.api("nobody").fault("GET", "quotas/p-red", 403)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"pool": -2}, "Invalid input for field/attribute pool. Value: '-2'. Value should be greater or equal to -1"),
        (
            {"pool": 2000000001},
            "Invalid input for field/attribute pool. Value: '2000000001'. Value should be lower or equal to 2000000000",
        ),
        ({"colour": 1}, "Unknown attribute for argument quotas.quota: colour"),
    ],
)
async def test_refusals(admin: Api, limits: Body, sentence: str) -> None:
    assert await admin.fault("PUT", "quotas/p-red", 400, {"quota": limits}) == sentence


async def test_every_create_is_checked(cloud: Cloud, api: Api, admin: Api) -> None:
    await limit(admin, loadbalancer=1, listener=1, pool=1, member=1, healthmonitor=1)
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    ports = len(cloud.networking.ports)
    lb2 = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}
    assert await api.fault("POST", "loadbalancers", 403, lb2) == met("Load Balancer")
    assert len(cloud.networking.ports) == ports
    at = {"loadbalancer_id": lb["id"]}
    await api.create("listener", protocol="HTTP", protocol_port=80, **at)
    more: Body = {"protocol": "HTTP", "protocol_port": 81, **at}
    assert await api.fault("POST", "listeners", 403, {"listener": more}) == met("Listener")
    pool = await api.create("pool", protocol="HTTP", lb_algorithm="ROUND_ROBIN", **at)
    more = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", **at}
    assert await api.fault("POST", "pools", 403, {"pool": more}) == met("Pool")
    await api.add_member(pool["id"], "10.0.0.11")
    more = {"address": "10.0.0.12", "protocol_port": 80}
    assert await api.fault("POST", f"pools/{pool['id']}/members", 403, {"member": more}) == met("Member")
    await admin.put("quotas/p-red", {"quota": {"healthmonitor": 0}}, status=202)
    more = {"pool_id": pool["id"], "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    assert await api.fault("POST", "healthmonitors", 403, {"healthmonitor": more}) == met("Health Monitor")
    # A refused change changes nothing.
    assert len((await api.get("listeners"))["listeners"]) == 1


async def test_a_whole_tree_is_checked_at_once(cloud: Cloud, api: Api, admin: Api) -> None:
    members = [{"address": f"10.0.0.{number}", "protocol_port": 80} for number in (11, 12, 13)]
    monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    pool = {
        "name": "p",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": members,
        "healthmonitor": monitor,
    }
    tree = {
        "loadbalancer": {
            "vip_subnet_id": cloud.subnet.id,
            "listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}],
        }
    }
    for limits, title in (
        ({"member": 2}, "Member"), ({"member": 3, "pool": 0}, "Pool"), ({"pool": 1, "listener": 0}, "Listener"),
        ({"listener": 1, "healthmonitor": 0}, "Health Monitor"),
    ):  # fmt: skip
        await limit(admin, **limits)
        assert await api.fault("POST", "loadbalancers", 403, tree) == met(title)
        assert (await api.get("loadbalancers"))["loadbalancers"] == []
        assert cloud.networking.ports == {}
    await limit(admin, healthmonitor=1)
    await api.post("loadbalancers", tree)


async def test_deleted_resources_do_not_count(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    await limit(admin, loadbalancer=1, listener=1)
    at = {"loadbalancer_id": lb["id"], "protocol": "HTTP"}
    listener = await api.create("listener", protocol_port=80, **at)
    await api.delete(f"listeners/{listener['id']}")
    await api.create("listener", protocol_port=81, **at)
    worker.step()
    await api.delete(f"loadbalancers/{lb['id']}", cascade="true")
    # Its host still serves it.
    await api.fault("POST", "loadbalancers", 403, {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}})
    worker.step()
    worker.step()
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)


async def test_other_projects_do_not_count(cloud: Cloud, api: Api, admin: Api) -> None:
    await limit(admin, loadbalancer=0)
    await admin.create("loadbalancer", project_id="p-blue", vip_subnet_id=cloud.subnet.id)
    body = {"loadbalancer": {"project_id": "p-red", "vip_subnet_id": cloud.subnet.id}}
    assert await admin.fault("POST", "loadbalancers", 403, body) == met("Load Balancer")


async def test_deployments_have_default_limits(tmp_path: Path) -> None:
    async with running(tmp_path, default_quotas={"load_balancer": 1}) as cloud:
        api, admin = cloud.api(), cloud.api("admin")
        assert (await api.get("quotas/p-red/default"))["quota"]["loadbalancer"] == 1
        body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}
        await api.post("loadbalancers", body)
        assert await api.fault("POST", "loadbalancers", 403, body) == met("Load Balancer")
        await limit(admin, loadbalancer=-1)
        await api.post("loadbalancers", body)
        await limit(admin, loadbalancer=None)
        assert await api.fault("POST", "loadbalancers", 403, body) == met("Load Balancer")


async def test_parallel_creates_never_exceed_the_quota(cloud: Cloud, api: Api, admin: Api) -> None:
    await limit(admin, loadbalancer=5)
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}
    answers = await asyncio.gather(*(api.send("POST", "loadbalancers", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [403] * 15


def test_default_limits_come_from_the_settings() -> None:
    assert set(QuotaSettings.__struct_fields__) == set(LIMITS)
