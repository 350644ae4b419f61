"""DELETE: cascades, refusals, statuses meanwhile, and what is left."""

from typing import Any

import pytest
from msgspec import structs

from hydria.model.network import Device
from tests.support.api import Api, paths_of
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


async def shown(api: Api, path: str) -> Any:
    answer = await api.send("GET", path)
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_a_load_balancer_with_children_stays(api: Api, tree: dict[str, str]) -> None:
    say = f"Validation failure: Cannot delete Load Balancer {tree['loadbalancer']} - it has children"
    assert await api.fault("DELETE", f"loadbalancers/{tree['loadbalancer']}", 400) == say
    assert await api.fault("DELETE", f"loadbalancers/{tree['loadbalancer']}?cascade=False", 400) == say


@pytest.mark.parametrize("cascade", ["True", "true", "1", "yes"])
async def test_cascade(cloud: Cloud, api: Api, worker: Worker, tree: dict[str, str], cascade: str) -> None:
    worker.step()
    assert len(worker.serving) == 1
    await api.delete(f"loadbalancers/{tree['loadbalancer']}", cascade=cascade)
    gone = (await api.show("loadbalancer", tree["loadbalancer"]))["provisioning_status"]
    assert gone == "PENDING_DELETE"
    assert (await api.show("listener", tree["listener"]))["provisioning_status"] == "PENDING_DELETE"
    # A second DELETE is accepted, a change is not.
    await api.delete(f"loadbalancers/{tree['loadbalancer']}")
    for path, body in (
        (f"loadbalancers/{tree['loadbalancer']}", {"loadbalancer": {"name": "x"}}),
        (f"listeners/{tree['listener']}", {"listener": {"name": "x"}}),
    ):
        await api.fault("PUT", path, 409, body)
    worker.step()
    assert worker.serving == {}
    assert cloud.networking.ports == {}
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert next(iter((await api.get(path)).values())) == []
    assert await shown(api, f"loadbalancers/{tree['loadbalancer']}") == 404


async def test_deleting_bottom_up(cloud: Cloud, api: Api, worker: Worker, tree: dict[str, str]) -> None:
    for path in reversed(paths_of(tree).values()):
        worker.step()
        await api.delete(path)
        found = await shown(api, path)
        assert next(iter(found.values()))["provisioning_status"] == "PENDING_DELETE"
        worker.step()
        assert await shown(api, path) == 404
    assert cloud.networking.ports == {}


async def test_deleting_top_down(api: Api, worker: Worker, tree: dict[str, str]) -> None:
    worker.step()
    await api.delete(f"listeners/{tree['listener']}")
    assert (await api.show("pool", tree["pool"]))["listeners"] == []
    await api.delete(f"pools/{tree['pool']}")
    # Its children are being deleted, too, and nothing can be created below it any more.
    assert (await api.show("healthmonitor", tree["healthmonitor"]))["provisioning_status"] == "PENDING_DELETE"
    body = {"member": {"address": "10.0.0.12", "protocol_port": 80}}
    assert await api.fault("POST", f"pools/{tree['pool']}/members", 409, body) == (
        f"Pool {tree['pool']} is immutable and cannot be updated."
    )
    worker.step()
    for path in (f"listeners/{tree['listener']}", f"pools/{tree['pool']}", f"healthmonitors/{tree['healthmonitor']}"):
        assert await shown(api, path) == 404
    await api.delete(f"loadbalancers/{tree['loadbalancer']}")
    worker.step()
    assert await shown(api, f"loadbalancers/{tree['loadbalancer']}") == 404


async def test_deleting_a_pool_leaves_its_listener_without_one(api: Api, worker: Worker, tree: dict[str, str]) -> None:
    worker.step()
    await api.delete(f"pools/{tree['pool']}")
    listener = await api.show("listener", tree["listener"])
    assert (listener["default_pool_id"], listener["provisioning_status"]) == (None, "PENDING_UPDATE")
    assert (await api.show("loadbalancer", tree["loadbalancer"]))["pools"] == []
    pool = await api.create("pool", listener_id=tree["listener"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    worker.step()
    assert (await api.show("listener", tree["listener"]))["default_pool_id"] == pool["id"]


async def test_ports_and_addresses_are_free_at_once_after_a_delete(api: Api, tree: dict[str, str]) -> None:
    await api.delete(f"listeners/{tree['listener']}")
    await api.create("listener", loadbalancer_id=tree["loadbalancer"], protocol="TCP", protocol_port=80)
    await api.delete(f"pools/{tree['pool']}/members/{tree['member']}")
    await api.add_member(tree["pool"], "10.0.0.11")
    await api.delete(f"healthmonitors/{tree['healthmonitor']}")
    await api.create("healthmonitor", pool_id=tree["pool"], type="TCP", delay=1, timeout=1, max_retries=1)


async def test_deleting_a_load_balancer_that_no_host_served(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    await api.delete(f"loadbalancers/{tree['loadbalancer']}", cascade="true")
    cloud.controller.work()
    assert await shown(api, f"loadbalancers/{tree['loadbalancer']}") == 404
    assert cloud.networking.ports == {}


async def test_a_users_own_port_is_released(cloud: Cloud, api: Api) -> None:
    port = cloud.networking.create_port("mine", "p-red", cloud.subnet, "10.0.0.50", Device(id="", owner=""))
    lb = await api.create("loadbalancer", vip_port_id=port.id)
    assert (lb["vip_port_id"], lb["vip_address"]) == (port.id, "10.0.0.50")
    assert cloud.networking.ports[port.id].device_id == f"lb-{lb['id']}"
    body = {"loadbalancer": {"vip_port_id": port.id}}
    assert await api.fault("POST", "loadbalancers", 400, body) == (
        f"Validation failure: Port {port.id} is already used by device lb-{lb['id']}"
    )
    await api.delete(f"loadbalancers/{lb['id']}")
    cloud.controller.work()
    assert cloud.networking.ports[port.id].device_id == ""


async def test_a_port_that_is_plugged_or_has_the_gateways_address_is_refused(cloud: Cloud, api: Api) -> None:
    nobody = Device(id="", owner="")
    port = cloud.networking.create_port("plugged", "p-red", cloud.subnet, "10.0.0.50", nobody)
    cloud.networking.ports[port.id] = structs.replace(port, plugged="host-1")
    body = {"loadbalancer": {"vip_port_id": port.id}}
    text = f"Validation failure: Port {port.id} is already used by device host-1"
    assert await api.fault("POST", "loadbalancers", 400, body) == text
    gateway = ((cloud.subnet.id, "10.0.0.1"),)
    cloud.networking.ports[port.id] = structs.replace(port, fixed_ips=gateway)
    assert "that of the gateway" in await api.fault("POST", "loadbalancers", 400, body)
