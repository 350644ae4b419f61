"""A rollback makes a load balancer as it was at a revision, as one change, or says why it cannot."""

from typing import Any

import pytest

from tests.support.api import Api, make_tree
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


async def newest(api: Api, lb: str) -> int:
    found: int = (await api.get(f"loadbalancers/{lb}/revisions", limit=1))["revisions"][0]["revision"]
    return found


async def tree_at(api: Api, lb: str, number: int) -> Any:
    tree = (await api.get(f"loadbalancers/{lb}/revisions/{number}"))["revision"]["tree"]
    for part in tree.values():
        for each in part if isinstance(part, list) else [part]:
            del each["updated_at"]
    return tree


async def roll_back(api: Api, lb: str, to: int) -> Any:
    return (await api.put(f"loadbalancers/{lb}/rollback", {"rollback": {"to": to}}, status=202))["rollback"]


@pytest.mark.parametrize("settled", [True, False])
async def test_everything_comes_back_with_its_ids(cloud: Cloud, api: Api, settled: bool) -> None:
    worker = Worker(cloud)
    ids = await make_tree(api, cloud.subnet.id)
    lb = ids["loadbalancer"]
    worker.step()
    good = await newest(api, lb)
    before = await tree_at(api, lb, good)
    await api.change("loadbalancer", lb, name="other", tags=["a"])
    await api.change("pool", ids["pool"], lb_algorithm="SOURCE_IP")
    await api.add_member(ids["pool"], "10.0.0.99")
    await api.delete(f"listeners/{ids['listener']}")
    await api.delete(f"pools/{ids['pool']}/members/{ids['member']}")
    if settled:
        worker.step()
    done = await roll_back(api, lb, good)
    assert done["revision"] == await newest(api, lb) == good + 6
    assert {(each["action"], each["resource"]) for each in done["changes"]} == {
        ("deleted", "member"),
        ("created", "member"),
        ("created", "listener"),
        ("created", "l7policy"),
        ("created", "l7rule"),
        ("changed", "loadbalancer"),
        ("changed", "pool"),
    }
    assert await tree_at(api, lb, done["revision"]) == before
    worker.step()
    shown = await api.show("loadbalancer", lb)
    assert (shown["provisioning_status"], shown["name"]) == ("ACTIVE", "lb")
    assert (await api.show("listener", ids["listener"]))["provisioning_status"] == "ACTIVE"
    (instance,) = worker.serving.values()
    assert [each.address for each in instance.tree.members] == ["10.0.0.11"]
    assert [each.id for each in instance.tree.listeners] == [ids["listener"]]


async def test_nothing_is_written_where_nothing_differs(api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    number = await newest(api, lb)
    assert await roll_back(api, lb, number) == {"to": number, "revision": number, "changes": []}
    assert await newest(api, lb) == number


async def test_what_is_gone_is_named(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.5.0/24")
    await api.add_member(tree["pool"], "10.0.5.4", subnet_id=other.id, name="far")
    good = await newest(api, lb)
    members = (await api.get(f"pools/{tree['pool']}/members"))["members"]
    (far,) = [each["id"] for each in members if each["name"] == "far"]
    await api.delete(f"pools/{tree['pool']}/members/{far}")
    cloud.networking.remove_subnet(other.id)
    before = await newest(api, lb)
    refusal = await api.fault("PUT", f"loadbalancers/{lb}/rollback", 409, {"rollback": {"to": good}})
    assert refusal == (f"The load balancer cannot go back to revision {good}: member far: Subnet {other.id} not found.")
    assert await newest(api, lb) == before


async def test_refusals(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    path = f"loadbalancers/{tree['loadbalancer']}/rollback"
    first = {"rollback": {"to": 1}}
    assert "Revision 99" in await api.fault("PUT", path, 404, {"rollback": {"to": 99}})
    await cloud.api("bob").fault("PUT", path, 403, first)
    await cloud.api("reader").fault("PUT", path, 403, first)
    await api.fault("PUT", path, 412, first, headers={"If-Match": '"1"'})
    await api.fault("PUT", path, 400, {"rollback": {}})
    await api.delete(f"loadbalancers/{tree['loadbalancer']}", cascade=True)
    await api.fault("PUT", path, 409, first)


async def test_quotas_hold(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    lb, pool = tree["loadbalancer"], tree["pool"]
    await api.add_member(pool, "10.0.0.12")
    await api.add_member(pool, "10.0.0.13")
    good = await newest(api, lb)
    for each in (await api.get(f"pools/{pool}/members"))["members"]:
        await api.delete(f"pools/{pool}/members/{each['id']}")
    await cloud.api("admin").put("quotas/p-red", {"quota": {"member": 2}}, status=202)
    refusal = await api.fault("PUT", f"loadbalancers/{lb}/rollback", 403, {"rollback": {"to": good}})
    assert "Quota has been met" in refusal
    await cloud.api("admin").put("quotas/p-red", {"quota": {"member": 3}}, status=202)
    assert len((await roll_back(api, lb, good))["changes"]) == 3
