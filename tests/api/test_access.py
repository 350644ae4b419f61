"""Who sees and does what: Octavia's policy, and other projects' things, which are not there."""

from pathlib import Path
from typing import Any

import pytest

from hydria.api.policy import OctaviaPolicy
from hydria.errors import SettingsError
from support.api import Api
from support.cloud import CALLERS, Cloud

FORBIDDEN = "Policy does not allow this request to be performed."


@pytest.fixture
async def tree(cloud: Cloud, api: Api) -> dict[str, str]:
    lb = await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    member = await api.add_member(pool["id"], "10.0.0.11")
    monitor = await api.create("healthmonitor", pool_id=pool["id"], type="HTTP", delay=5, timeout=3, max_retries=2)
    made = {"loadbalancer": lb, "listener": listener, "pool": pool, "member": member, "healthmonitor": monitor}
    return {root: each["id"] for root, each in made.items()}


def paths(tree: dict[str, str]) -> list[tuple[str, str]]:
    return [
        ("loadbalancer", f"loadbalancers/{tree['loadbalancer']}"),
        ("listener", f"listeners/{tree['listener']}"),
        ("pool", f"pools/{tree['pool']}"),
        ("member", f"pools/{tree['pool']}/members/{tree['member']}"),
        ("healthmonitor", f"healthmonitors/{tree['healthmonitor']}"),
    ]


def makers(cloud: Cloud, tree: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    lb, pool = tree["loadbalancer"], tree["pool"]
    return [
        ("loadbalancers", {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}),
        ("listeners", {"listener": {"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 81}}),
        ("pools", {"pool": {"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}),
        (f"pools/{pool}/members", {"member": {"address": "10.0.0.12", "protocol_port": 80}}),
        (
            "healthmonitors",
            {"healthmonitor": {"pool_id": pool, "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}},
        ),
    ]


@pytest.mark.parametrize("token", [None, "unknown", "x" * 10000])
async def test_nobody(cloud: Cloud, tree: dict[str, str], token: str | None) -> None:
    for method, path in (("GET", "loadbalancers"), ("DELETE", f"pools/{tree['pool']}"), ("GET", "providers")):
        answer = await cloud.api(token).send(method, path)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == 401
        assert answer.headers["www-authenticate"] == "Keystone"
        assert answer.headers["x-openstack-request-id"].startswith("req-")


async def test_another_project_sees_nothing(cloud: Cloud, tree: dict[str, str]) -> None:
    bob = cloud.api("bob")
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert next(iter((await bob.get(path)).values())) == []
    for root, path in paths(tree):
        for method, body in (("GET", None), ("PUT", {root: {"name": "x"}}), ("DELETE", None)):
            assert (await bob.fault(method, path, 404, body)).endswith(" not found.")
    for path, body in makers(cloud, tree)[1:]:
        assert (await bob.fault("POST", path, 404, body)).endswith(" not found.")
    for end in ("stats", "status"):
        await bob.fault("GET", f"loadbalancers/{tree['loadbalancer']}/{end}", 404)
    await bob.fault("GET", f"listeners/{tree['listener']}/stats", 404)
    await bob.fault("GET", f"pools/{tree['pool']}/members", 404)
    # Nor does it get at the project's networks: not for a VIP and not for members.
    assert await bob.fault("POST", *swap(400, makers(cloud, tree)[0])) == f"Subnet {cloud.subnet.id} not found."
    own = cloud.networking.add_subnet(cloud.networking.add_network("p-blue"), "10.9.0.0/24")
    lb = await bob.create("loadbalancer", vip_subnet_id=own.id)
    pool = await bob.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    member = {"member": {"address": "10.0.0.11", "protocol_port": 80, "subnet_id": cloud.subnet.id}}
    assert await bob.fault("POST", f"pools/{pool['id']}/members", 400, member) == f"Subnet {cloud.subnet.id} not found."


def swap(status: int, pair: tuple[str, dict[str, Any]]) -> tuple[str, int, dict[str, Any]]:
    return pair[0], status, pair[1]


async def test_another_projects_name(cloud: Cloud, api: Api) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "project_id": "p-blue"}}
    assert await api.fault("POST", "loadbalancers", 403, body) == FORBIDDEN
    assert await api.fault("GET", "loadbalancers?project_id=p-blue", 403) == FORBIDDEN


async def test_a_reader_only_reads(cloud: Cloud, tree: dict[str, str]) -> None:
    reader = cloud.api("reader")
    for root, path in paths(tree):
        assert root in await reader.get(path)
        assert await reader.fault("PUT", path, 403, {root: {"name": "x"}}) == FORBIDDEN
        assert await reader.fault("DELETE", path, 403) == FORBIDDEN
    for path, body in makers(cloud, tree):
        assert await reader.fault("POST", path, 403, body) == FORBIDDEN
    assert len((await reader.get("loadbalancers"))["loadbalancers"]) == 1
    assert len((await reader.get(f"pools/{tree['pool']}/members"))["members"]) == 1
    await reader.get(f"loadbalancers/{tree['loadbalancer']}/stats")


async def test_a_user_without_a_role_of_ours(cloud: Cloud, tree: dict[str, str]) -> None:
    nobody = cloud.api("nobody")
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert await nobody.fault("GET", path, 403) == FORBIDDEN
    for _, path in paths(tree):
        assert await nobody.fault("GET", path, 403) == FORBIDDEN


async def test_an_admin_sees_and_does_all(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    admin = cloud.api("admin")
    made = await admin.create("loadbalancer", vip_subnet_id=cloud.subnet.id, name="for bob", project_id="p-blue")
    assert made["project_id"] == "p-blue"
    own = await admin.create("loadbalancer", vip_subnet_id=cloud.subnet.id, name="own")
    assert own["project_id"] == "p-admin"
    everything = (await admin.get("loadbalancers"))["loadbalancers"]
    assert {each["name"] for each in everything} == {"lb", "for bob", "own"}
    for key in ("project_id", "tenant_id"):
        some = (await admin.get("loadbalancers", **{key: "p-blue"}))["loadbalancers"]
        assert [each["name"] for each in some] == ["for bob"]
    assert [each["name"] for each in (await cloud.api("bob").get("loadbalancers"))["loadbalancers"]] == ["for bob"]
    for root, path in paths(tree):
        assert (await admin.put(path, {root: {"name": "x"}}))[root]["name"] == "x"
    # What an admin makes below belongs to the load balancer's project.
    listener = await admin.create("listener", loadbalancer_id=tree["loadbalancer"], protocol="TCP", protocol_port=81)
    assert (await api.show("listener", listener["id"]))["project_id"] == "p-red"


def test_a_policy_file_replaces_rules(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        '"os_load-balancer_api:loadbalancer:post": "role:builder"\n"os_load-balancer_api:quota:put": "role:admin"\n'
    )
    policy = OctaviaPolicy(file)
    alice = CALLERS["alice"]
    assert not policy.allows("os_load-balancer_api:loadbalancer:post", alice, "p-red")
    assert policy.allows("os_load-balancer_api:loadbalancer:put", alice, "p-red")
    assert not policy.allows("os_load-balancer_api:loadbalancer:put", alice, "p-blue")


@pytest.mark.parametrize("content", ["a: [", "- a", "a: 5", None])
def test_a_policy_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "policy.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"^api\.policy_file: .*policy\.yaml"):
        OctaviaPolicy(file)
