"""ETag on every resource, and If-Match on every change of one."""

from typing import Any

import pytest

from tests.support.api import Api, paths_of
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


async def tag(api: Api, path: str, **query: Any) -> str:
    answer = await api.send("GET", path, params=query)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["etag"])


@pytest.fixture
def paths(tree: dict[str, str]) -> dict[str, str]:
    """The paths of the tree's resources, by the roots of their bodies."""
    return paths_of(tree)


async def test_create_change_and_show_give_the_same_tag(cloud: Cloud, api: Api, paths: dict[str, str]) -> None:
    for root, path in paths.items():
        shown = await tag(api, path)
        assert shown.startswith('"'), "If-Match takes no weak tags"
        assert await tag(api, path, fields="id") == shown
        put = await api.send("PUT", path, json={root: {"admin_state_up": False}})
        assert put.headers["etag"] != shown
        assert put.headers["etag"] == await tag(api, path)
    made = await api.send("POST", "loadbalancers", json={"loadbalancer": {"vip_subnet_id": cloud.subnet.id}})
    assert made.headers["etag"] == await tag(api, f"loadbalancers/{made.json()['loadbalancer']['id']}")
    assert "etag" not in (await api.send("GET", "loadbalancers")).headers


async def test_statuses_do_not_change_the_tag(api: Api, worker: Worker, paths: dict[str, str]) -> None:
    before = {root: await tag(api, path) for root, path in paths.items()}
    worker.step()
    assert (await api.get(paths["pool"]))["pool"]["provisioning_status"] == "ACTIVE"
    assert {root: await tag(api, path) for root, path in paths.items()} == before


async def test_a_change_below_a_load_balancer_changes_its_tag(api: Api, paths: dict[str, str]) -> None:
    before = {root: await tag(api, path) for root, path in paths.items()}
    await api.put(paths["member"], {"member": {"weight": 5}})
    changed = {root for root, path in paths.items() if await tag(api, path) != before[root]}
    assert changed == {"loadbalancer", "member"}


@pytest.mark.parametrize("root", ["loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy"])
async def test_a_change_with_a_stale_tag_is_refused_and_changes_nothing(
    api: Api, paths: dict[str, str], root: str
) -> None:
    path, stale = paths[root], await tag(api, paths[root])
    await api.put(path, {root: {"name": "theirs"}})
    fresh = await tag(api, path)
    for method, body in (("PUT", {root: {"name": "mine"}}), ("DELETE", None)):
        say = await api.fault(method, path, 412, body, headers={"If-Match": stale})
        assert say == f"The resource has changed: its ETag is {fresh}, If-Match names {stale}."
    assert (await api.get(path))[root]["name"] == "theirs"
    assert await tag(api, path) == fresh
    answer = await api.send("PUT", path, json={root: {"name": "mine"}}, headers={"If-Match": f"{stale}, W/{fresh}"})
    assert answer.status_code == 200
    cascade = {"cascade": "true"} if root == "loadbalancer" else None
    gone = await api.send("DELETE", path, params=cascade, headers={"If-Match": answer.headers["etag"]})
    assert gone.status_code == 204


async def test_an_asterisk_matches_every_existing_resource(api: Api, paths: dict[str, str]) -> None:
    answer = await api.send("PUT", paths["pool"], json={"pool": {"name": "x"}}, headers={"If-Match": "*"})
    assert answer.status_code == 200
    await api.fault("DELETE", "pools/nothing", 404, headers={"If-Match": "*"})


async def test_other_projects_get_403_and_not_412(cloud: Cloud, paths: dict[str, str]) -> None:
    say = await cloud.api("bob").fault("DELETE", paths["pool"], 403, headers={"If-Match": '"none of these"'})
    assert say == "Policy does not allow this request to be performed."


async def test_quotas_have_a_tag_too(cloud: Cloud) -> None:
    admin = cloud.api("admin")
    stale = await tag(admin, "quotas/p-red")
    assert await tag(admin, "quotas/p-red") == stale
    await admin.put("quotas/p-red", {"quota": {"listener": 7}}, status=202)
    assert await tag(admin, "quotas/p-red") != stale
    await admin.fault("PUT", "quotas/p-red", 412, {"quota": {"listener": 8}}, headers={"If-Match": stale})
    await admin.fault("DELETE", "quotas/p-red", 412, headers={"If-Match": stale})
    fresh = await tag(admin, "quotas/p-red")
    done = await admin.send("PUT", "quotas/p-red", json={"quota": {"listener": 8}}, headers={"If-Match": fresh})
    assert done.status_code == 202


async def test_fields_do_not_change_the_tag(cloud: Cloud, api: Api, worker: Worker) -> None:
    admin = cloud.api("admin")
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.step()

    async def made(path: str, root: str, **form: str) -> Any:
        return (await admin.post(path, {root: form}))[root]

    profile = await made("flavorprofiles", "flavorprofile", name="p", provider_name="amphora", flavor_data="{}")
    flavor = await made("flavors", "flavor", name="f", flavor_profile_id=profile["id"])
    zone_profile = await made(
        "availabilityzoneprofiles",
        "availability_zone_profile",
        name="z",
        provider_name="amphora",
        availability_zone_data="{}",
    )
    await made("availabilityzones", "availability_zone", name="zone", availability_zone_profile_id=zone_profile["id"])
    (amphora,) = (await admin.get("/load-balancer/v2.0/octavia/amphorae"))["amphorae"]
    for path in (
        f"flavors/{flavor['id']}",
        f"flavorprofiles/{profile['id']}",
        "availabilityzones/zone",
        f"/load-balancer/v2.0/octavia/amphorae/{amphora['id']}",
    ):
        shown = await admin.send("GET", path, params={"fields": "id"})
        assert len(next(iter(shown.json().values()))) <= 1
        assert shown.headers["ETag"] == await tag(admin, path)
    renamed = await admin.send("PUT", f"flavors/{flavor['id']}", json={"flavor": {"description": "other"}})
    assert renamed.headers["ETag"] == await tag(admin, f"flavors/{flavor['id']}")


async def test_a_failover_is_refused_when_the_resource_has_changed(
    cloud: Cloud, api: Api, worker: Worker, paths: dict[str, str]
) -> None:
    worker.step()
    admin, lb = cloud.api("admin"), paths["loadbalancer"]
    stale = await tag(admin, lb)
    await api.put(lb, {"loadbalancer": {"name": "theirs"}})
    await admin.fault("PUT", f"{lb}/failover", 412, headers={"If-Match": stale})
    (amphora,) = (await admin.get("/load-balancer/v2.0/octavia/amphorae"))["amphorae"]
    one = f"/load-balancer/v2.0/octavia/amphorae/{amphora['id']}"
    for path in (f"{one}/failover", f"{one}/config", one):
        await admin.fault("DELETE" if path == one else "PUT", path, 412, headers={"If-Match": stale})
    assert (await admin.get(one))["amphora"]["status"] == "ALLOCATED"
    for path in (one, lb):
        answer = await admin.send("PUT", f"{path}/failover", headers={"If-Match": await tag(admin, path)})
        assert answer.status_code == 202, answer.text
    assert (await admin.get(one))["amphora"]["status"] == "PENDING_DELETE"
    await admin.fault("PUT", "loadbalancers/nothing/failover", 404, headers={"If-Match": "*"})


async def test_a_batch_is_refused_when_the_members_have_changed(
    api: Api, worker: Worker, paths: dict[str, str]
) -> None:
    members = f"{paths['pool']}/members"
    batch = {"members": [{"address": "10.0.0.12", "protocol_port": 80}]}

    async def put(seen: str, **query: str) -> int:
        return (await api.send("PUT", members, json=batch, params=query, headers={"If-Match": seen})).status_code

    tags = [await tag(api, members)]
    more = await api.add_member(paths["pool"].rpartition("/")[2], "10.0.0.13")
    tags.append(await tag(api, members))
    await api.put(f"{members}/{more['id']}", {"member": {"weight": 7}})
    tags.append(await tag(api, members, fields="id", limit=1))
    await api.delete(f"{members}/{more['id']}")
    tags.append(await tag(api, members))
    # The members are the first ones again.
    assert tags[3] == tags[0]
    assert len(set(tags)) == 3
    for stale in tags[1:3]:
        say = await api.fault("PUT", members, 412, batch, headers={"If-Match": stale}, params={"additive_only": "true"})
        assert say == f"The resource has changed: its ETag is {tags[3]}, If-Match names {stale}."
    worker.step()
    assert await tag(api, members) == tags[3]
    assert await put(tags[3]) == 202
    assert await put(tags[3]) == 412
    assert await put("*", additive_only="true") == 202
    (left,) = [each for each in (await api.get(members))["members"] if each["provisioning_status"] != "PENDING_DELETE"]
    assert left["address"] == "10.0.0.12"


async def test_other_projects_get_403_and_not_412_for_a_batch(cloud: Cloud, paths: dict[str, str]) -> None:
    batch: dict[str, Any] = {"members": []}
    stale = {"If-Match": '"none of these"'}
    await cloud.api("bob").fault("PUT", f"{paths['pool']}/members", 403, batch, headers=stale)
