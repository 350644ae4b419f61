"""Amphorae for admins: lists, statuses, statistics, actions."""

import pytest

from hydria.contract import Counters
from hydria.store.resources import Amphora
from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

AMPHORAE = "/load-balancer/v2.0/octavia/amphorae"
NOWHERE = "99999999-0000-4000-8000-000000000009"


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    return cloud.api("admin")


async def make(cloud: Cloud, api: Api) -> Body:
    return await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)


async def only(admin: Api) -> Body:
    (found,) = (await admin.get(AMPHORAE))["amphorae"]
    assert isinstance(found, dict)
    return found


async def test_show_one_amphora(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    assert await admin.get(AMPHORAE) == {"amphorae": [], "amphorae_links": []}
    lb = await make(cloud, api)
    worker.step()
    amphora = await only(admin)
    assert amphora == {
        "id": amphora["id"],
        "loadbalancer_id": lb["id"],
        "compute_id": amphora["id"],
        "lb_network_ip": None,
        "vrrp_ip": lb["vip_address"],
        "ha_ip": lb["vip_address"],
        "vrrp_port_id": lb["vip_port_id"],
        "ha_port_id": lb["vip_port_id"],
        "cert_expiration": None,
        "cert_busy": False,
        "role": "STANDALONE",
        "status": "ALLOCATED",
        "vrrp_interface": None,
        "vrrp_id": 1,
        "vrrp_priority": None,
        "cached_zone": "host-1",
        "created_at": amphora["created_at"],
        "updated_at": amphora["updated_at"],
        "image_id": None,
        "compute_flavor": None,
    }
    one = f"{AMPHORAE}/{amphora['id']}"
    assert await admin.get(one) == {"amphora": amphora}
    assert await admin.get(one.replace("v2.0", "v2"), fields="status") == {"amphora": {"status": "ALLOCATED"}}
    assert await admin.fault("GET", f"{AMPHORAE}/{NOWHERE}", 404) == f"Amphora {NOWHERE} not found."


async def test_statuses(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    cloud.controller.work()
    assert (await only(admin))["status"] == "BOOTING"
    worker.trouble = "the disk is full"
    worker.serve(worker.fetch())
    assert (await only(admin))["status"] == "ERROR"
    worker.trouble = None
    await api.change("loadbalancer", lb["id"], name="x")
    worker.step()
    assert (await only(admin))["status"] == "ALLOCATED"
    await api.delete(f"loadbalancers/{lb['id']}")
    cloud.controller.work()
    assert (await only(admin))["status"] == "PENDING_DELETE"
    worker.step()
    assert (await admin.get(AMPHORAE))["amphorae"] == []


async def test_lists(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lbs = [await make(cloud, api) for _ in range(3)]
    await admin.create("loadbalancer", project_id="p-blue", vip_subnet_id=cloud.subnet.id)
    worker.step()

    async def count(**query: str) -> int:
        return len((await admin.get(AMPHORAE, **query))["amphorae"])

    assert await count(loadbalancer_id=lbs[0]["id"]) == 1
    assert await count(load_balancer_id=lbs[0]["id"]) == 1
    assert await count(vrrp_ip=lbs[1]["vip_address"]) == 1
    assert await count(project_id="p-red") == 3
    assert (await count(status="ALLOCATED"), await count(status="ERROR")) == (4, 0)
    assert (await count(role="STANDALONE"), await count(role="MASTER")) == (4, 0)
    assert (await count(cert_busy="false"), await count(cert_busy="true")) == (4, 0)
    assert (await count(image_id="x"), await count(vrrp_id="1"), await count(vrrp_priority="1")) == (0, 4, 0)
    assert await admin.fault("GET", f"{AMPHORAE}?colour=red", 400) == (
        "One or more arguments are either duplicate or invalid"
    )
    found, path = [], f"{AMPHORAE}?limit=3&sort=ha_ip:desc,status"
    while path:
        page = (await admin.send("GET", path)).json()
        found += [each["ha_ip"] for each in page["amphorae"]]
        links = {each["rel"]: each["href"].removeprefix("http://cloud.test") for each in page["amphorae_links"]}
        path = links.get("next", "")
    assert found == sorted(found, reverse=True)
    assert len(found) == 4


async def test_statistics(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    orders = worker.fetch()
    amphora = await only(admin)
    one = f"{AMPHORAE}/{amphora['id']}/stats"
    assert await admin.fault("GET", one, 404) == f"Amphora stats for {amphora['id']} not found."
    worker.serve(orders)
    worker.counters = {listener["id"]: Counters(bytes_in=5, bytes_out=7, total_connections=2)}
    worker.report(amphora["id"])
    assert await admin.get(one) == {
        "amphora_stats": [
            {
                "id": amphora["id"],
                "listener_id": listener["id"],
                "loadbalancer_id": lb["id"],
                "bytes_in": 5,
                "bytes_out": 7,
                "active_connections": 0,
                "total_connections": 2,
                "request_errors": 0,
            }
        ]
    }


async def test_actions_on_one_amphora(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    first = await only(admin)
    one = f"{AMPHORAE}/{first['id']}"
    answer = await admin.send("PUT", one + "/config")
    assert (answer.status_code, answer.content) == (202, b"")
    assert await admin.fault("DELETE", one, 409) == f"amphora {first['id']} is immutable and cannot be updated."
    answer = await admin.send("PUT", one + "/failover")
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "PENDING_UPDATE"
    assert (await only(admin))["status"] == "PENDING_DELETE"
    worker.step()
    second = await only(admin)
    assert (second["id"] != first["id"], second["status"]) == (True, "ALLOCATED")
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    for method, path in (("DELETE", one), ("PUT", one + "/config"), ("PUT", one + "/failover")):
        assert await admin.fault(method, path, 404) == f"Amphora {first['id']} not found."


async def test_a_broken_amphora_can_be_deleted(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.trouble = "the disk is full"
    worker.serve(worker.fetch())
    broken = await only(admin)
    await admin.delete(f"{AMPHORAE}/{broken['id']}")
    await admin.fault("DELETE", f"{AMPHORAE}/{broken['id']}", 409)
    worker.trouble = None
    worker.step()
    assert (await only(admin))["id"] != broken["id"]
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"


async def test_only_admins_may_see_and_change_amphorae(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    one = f"{AMPHORAE}/{amphora.id}"
    for method, path in (
        ("GET", AMPHORAE), ("GET", one), ("GET", one + "/stats"), ("DELETE", one), ("PUT", one + "/config"),
        ("PUT", one + "/failover"),
    ):  # fmt: skip
        assert await api.fault(method, path, 403) == "Policy does not allow this request to be performed."
