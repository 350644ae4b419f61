"""Failover: the amphora is replaced, and nothing else changes, whatever happens to its host."""

from pathlib import Path

import pytest

from hydria.contract import Counters, Report
from hydria.store.resources import Amphora
from tests.support.api import Api, Body
from tests.support.cloud import Cloud, running
from tests.support.worker import Worker


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    return cloud.api("admin")


async def make(cloud: Cloud, api: Api) -> Body:
    return await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)


async def fail_over(admin: Api, lb: Body) -> None:
    answer = await admin.send("PUT", f"loadbalancers/{lb['id']}/failover")
    assert (answer.status_code, answer.content) == (202, b"")


async def status(api: Api, lb: Body) -> str:
    return str((await api.show("loadbalancer", lb["id"]))["provisioning_status"])


def amphorae(cloud: Cloud) -> list[Amphora]:
    return cloud.database.read(lambda tx: tx.find(Amphora))


async def test_counters_continue_after_a_failover(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)

    async def stats() -> tuple[int, int]:
        said = (await api.get(f"loadbalancers/{lb['id']}/stats"))["stats"]
        assert (await api.get(f"listeners/{listener['id']}/stats"))["stats"] == said
        return said["total_connections"], said["active_connections"]

    async def serve(connections: int) -> None:
        worker.counters = {listener["id"]: Counters(total_connections=connections, active_connections=2)}
        worker.step()
        (amphora,) = amphorae(cloud)
        worker.report(amphora.id)

    await serve(5)
    assert await stats() == (5, 2)
    for total in (6, 7):
        worker.counters = {}
        await fail_over(admin, lb)
        worker.step()
        worker.step()
        # Connections of a removed amphora have ended.
        assert await stats() == (total - 1, 0)
        await serve(1)
        assert await stats() == (total, 2)


async def test_the_amphora_is_replaced(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    body = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    pool = await api.create("pool", **body)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    worker.step()
    (before,) = amphorae(cloud)
    await fail_over(admin, lb)
    assert await status(api, lb) == "PENDING_UPDATE"
    orders = worker.fetch()
    # The VIP's port is one interface: no two namespaces have it at once.
    assert (orders.withdraw, orders.serve) == ((before.id,), ())
    worker.serve(orders)
    worker.step()
    (after,) = amphorae(cloud)
    assert after.id != before.id
    assert await status(api, lb) == "ACTIVE"
    vip, nic = worker.serving[after.id].interfaces
    assert vip.port_id == lb["vip_port_id"]
    assert cloud.networking.ports[nic.port_id].device_id == after.id
    assert {port.device_id for port in cloud.networking.ports.values()} == {f"lb-{lb['id']}", after.id}
    assert list(worker.serving) == [after.id]


async def test_changes_during_a_failover_are_served_by_the_new_amphora(
    cloud: Cloud, api: Api, admin: Api, worker: Worker
) -> None:
    lb = await make(cloud, api)
    worker.step()
    await fail_over(admin, lb)
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    await fail_over(admin, lb)
    worker.step()
    (after,) = amphorae(cloud)
    assert len(worker.serving[after.id].tree.listeners) == 1
    assert await status(api, lb) == "ACTIVE"


async def test_a_failover_repairs_a_load_balancer_in_error(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.trouble = "the process does not start"
    worker.serve(worker.fetch())
    assert await status(api, lb) == "ERROR"
    await fail_over(admin, lb)
    assert await status(api, lb) == "PENDING_CREATE"
    worker.trouble = None
    worker.step()
    assert await status(api, lb) == "ACTIVE"


async def test_a_failover_without_an_amphora(cloud: Cloud, api: Api, admin: Api) -> None:
    lb = await make(cloud, api)
    await fail_over(admin, lb)
    Worker(cloud).step()
    assert await status(api, lb) == "ACTIVE"


async def test_a_failover_does_not_wait_for_a_silent_host(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    cloud.clock.advance(91)
    second = Worker(cloud, "host-2")
    await fail_over(admin, lb)
    second.step()
    assert await status(api, lb) == "ACTIVE"
    assert {(each.host, each.leaving) for each in amphorae(cloud)} == {("host-1", True), ("host-2", False)}
    # A host that comes back must remove its amphora.
    worker.step()
    assert [each.host for each in amphorae(cloud)] == ["host-2"]
    assert worker.serving == {}
    assert await status(api, lb) == "ACTIVE"


async def test_a_failover_without_another_host(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    cloud.clock.advance(91)
    await fail_over(admin, lb)
    cloud.controller.work()
    assert await status(api, lb) == "ERROR"
    found = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert found["provisioning_status_reason"].startswith("No host asks for work.")
    worker.step()
    assert await status(api, lb) == "ACTIVE"


async def test_an_old_amphora_that_cannot_be_removed(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    (before,) = amphorae(cloud)
    await fail_over(admin, lb)
    orders = worker.fetch()
    stuck = Report(amphora_id=before.id, generation=1, attempted=1, reason="it does not end")
    cloud.database.transact(lambda tx: cloud.reporter.take(tx, "host-1", stuck, cloud.clock.now()))
    assert await status(api, lb) == "ERROR"
    worker.serve(orders)
    worker.step()
    assert await status(api, lb) == "ACTIVE"


async def test_deleting_during_a_failover(cloud: Cloud, api: Api, admin: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    await fail_over(admin, lb)
    await api.delete(f"loadbalancers/{lb['id']}")
    answer = await admin.fault("PUT", f"loadbalancers/{lb['id']}/failover", 409)
    assert answer == f"Invalid state PENDING_DELETE of loadbalancer resource {lb['id']}"
    worker.step()
    assert amphorae(cloud) == []
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)
    assert cloud.networking.ports == {}


async def test_only_admins_may_fail_over(cloud: Cloud, api: Api, admin: Api) -> None:
    lb = await make(cloud, api)
    await api.fault("PUT", f"loadbalancers/{lb['id']}/failover", 403)
    await cloud.api("bob").fault("PUT", f"loadbalancers/{lb['id']}/failover", 403)
    nowhere = "99999999-0000-4000-8000-000000000009"
    assert await admin.fault("PUT", f"loadbalancers/{nowhere}/failover", 404) == f"Load Balancer {nowhere} not found."


async def test_strict_immutable_refuses_a_failover_of_a_pending_load_balancer(tmp_path: Path) -> None:
    async with running(tmp_path, strict_immutable=True) as cloud:
        lb = await make(cloud, cloud.api())
        admin = cloud.api("admin")
        assert await admin.fault("PUT", f"loadbalancers/{lb['id']}/failover", 409) == (
            f"Invalid state PENDING_CREATE of loadbalancer resource {lb['id']}"
        )
        Worker(cloud).step()
        await fail_over(admin, lb)
        assert await admin.fault("PUT", f"loadbalancers/{lb['id']}/failover", 409) == (
            f"Invalid state PENDING_UPDATE of loadbalancer resource {lb['id']}"
        )
