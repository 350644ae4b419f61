"""PUT on the members of a pool: replace all of them."""

from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

UNKNOWN = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
async def pool(cloud: Cloud, api: Api) -> Body:
    lb = await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)
    return await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")


def member(number: int, **attributes: Any) -> Body:
    return {"address": f"10.0.0.{number}", "protocol_port": 80, **attributes}


async def batch(api: Api, pool: Body, *members: Body, **query: str) -> None:
    answer = await api.send("PUT", f"pools/{pool['id']}/members", json={"members": members}, params=query)
    assert (answer.status_code, answer.content) == (202, b""), answer.text


async def members(api: Api, pool: Body) -> dict[str, Body]:
    found = (await api.get(f"pools/{pool['id']}/members"))["members"]
    return {each["address"]: each for each in found if each["provisioning_status"] != "PENDING_DELETE"}


async def generation(cloud: Cloud, api: Api) -> str:
    lb = (await api.get("loadbalancers"))["loadbalancers"][0]
    return (await api.send("GET", f"loadbalancers/{lb['id']}")).headers["ETag"]


async def test_members_are_created_changed_and_deleted(cloud: Cloud, api: Api, pool: Body, worker: Worker) -> None:
    kept = await api.add_member(
        pool["id"],
        "10.0.0.11",
        name="kept",
        weight=5,
        backup=True,
        monitor_port=81,
        tags=["t"],
        subnet_id=cloud.subnet.id,
    )
    gone = await api.add_member(pool["id"], "10.0.0.12")
    worker.step()
    before = await generation(cloud, api)
    await batch(api, pool, member(11, weight=7), member(13, name="new", tenant_id="p-red", request_sriov=False))
    assert int((await generation(cloud, api)).strip('"')) == int(before.strip('"')) + 1
    found = await members(api, pool)
    assert set(found) == {"10.0.0.11", "10.0.0.13"}
    changed = found["10.0.0.11"]
    assert (changed["id"], changed["provisioning_status"]) == (kept["id"], "PENDING_UPDATE")
    # Attributes with defaults are reset; names, tags and subnets stay.
    shown = [changed[name] for name in ("name", "weight", "backup", "monitor_port", "tags", "subnet_id")]
    assert shown == ["kept", 7, False, None, ["t"], cloud.subnet.id]
    assert (found["10.0.0.13"]["name"], found["10.0.0.13"]["operating_status"]) == ("new", "NO_MONITOR")
    asked = (await api.get(f"pools/{pool['id']}/members/{gone['id']}"))["member"]
    assert asked["provisioning_status"] == "PENDING_DELETE"
    worker.step()
    await api.fault("GET", f"pools/{pool['id']}/members/{gone['id']}", 404)
    assert {each["provisioning_status"] for each in (await members(api, pool)).values()} == {"ACTIVE"}


async def test_additive_only(api: Api, pool: Body) -> None:
    await api.add_member(pool["id"], "10.0.0.11")
    for flag in ("true", "True", "1", "yes"):
        await batch(api, pool, member(12), additive_only=flag)
    assert set(await members(api, pool)) == {"10.0.0.11", "10.0.0.12"}
    await batch(api, pool, additive_only="true")
    assert len(await members(api, pool)) == 2
    await batch(api, pool, additive_only="no")
    assert await members(api, pool) == {}


async def test_an_empty_batch_changes_nothing(cloud: Cloud, api: Api, pool: Body) -> None:
    before = await generation(cloud, api)
    await batch(api, pool)
    assert await generation(cloud, api) == before


async def test_a_member_that_is_being_deleted_is_created_again(api: Api, pool: Body) -> None:
    first = await api.add_member(pool["id"], "10.0.0.11")
    await batch(api, pool)
    await batch(api, pool, member(11))
    assert (await members(api, pool))["10.0.0.11"]["id"] != first["id"]


async def test_a_refused_batch_changes_nothing(cloud: Cloud, api: Api, pool: Body) -> None:
    await api.add_member(pool["id"], "10.0.0.11", weight=5)
    path = f"pools/{pool['id']}/members"
    for wanted, status, sentence in (
        ([member(11), member(11)], 400, "Validation failure: Member must be updated only once in the same request."),
        (
            [member(12), member(12)],
            409,
            "Another member on this pool is already using ip 10.0.0.12 on protocol_port 80",
        ),
        (
            [{"address": "169.254.169.254", "protocol_port": 80}],
            400,
            "169.254.169.254 is not a valid option for member address",
        ),
        ([member(12, subnet_id=UNKNOWN)], 400, f"Subnet {UNKNOWN} not found."),
        ([member(11, subnet_id=UNKNOWN)], 400, f"Subnet {UNKNOWN} not found."),
        ([member(12, request_sriov=True)], 400, "The load balancer flavor does not allow SR-IOV member ports."),
        ([member(12, colour="red")], 400, "Unknown attribute for argument members_.members: colour"),
    ):
        assert await api.fault("PUT", path, status, {"members": wanted}) == sentence
    assert [each["weight"] for each in (await members(api, pool)).values()] == [5]
    sentence = await api.fault("PUT", path, 400, {"members": [member(12, weight=257)]})
    assert sentence.startswith("Invalid input for field/attribute weight.")
    await api.fault("PUT", path, 400, {})
    await api.fault("PUT", f"pools/{UNKNOWN}/members", 404, {"members": []})


async def test_rights_to_a_batch(cloud: Cloud, api: Api, pool: Body) -> None:
    path = f"pools/{pool['id']}/members"
    await cloud.api("reader").fault("PUT", path, 403, {"members": [member(11)]})
    await cloud.api("bob").fault("PUT", path, 403, {"members": [member(11)]})
    await batch(cloud.api("admin"), pool, member(11))
    assert [each["project_id"] for each in (await members(api, pool)).values()] == ["p-red"]


async def test_quota_counts_the_difference(cloud: Cloud, api: Api, pool: Body) -> None:
    await cloud.api("admin").put("quotas/p-red", {"quota": {"member": 2}}, status=202)
    await batch(api, pool, member(11), member(12))
    await batch(api, pool, member(13), member(14))
    path = f"pools/{pool['id']}/members"
    say = "Quota has been met for resources: Member"
    assert await api.fault("PUT", path, 403, {"members": [member(13), member(14), member(15)]}) == say
    assert await api.fault("PUT", path, 403, {"members": [member(15)]}, params={"additive_only": "true"}) == say
    assert set(await members(api, pool)) == {"10.0.0.13", "10.0.0.14"}
    # Fewer members are always allowed, even over the quota.
    await cloud.api("admin").put("quotas/p-red", {"quota": {"member": 1}}, status=202)
    await batch(api, pool, member(16), member(17))
