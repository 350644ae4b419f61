"""Orphans: what a host serves and the database does not know."""

from typing import Any

import pytest
from msgspec import structs

from hydria.contract import Description, Instance, Orders, Reports
from hydria.controller.orphans import listed
from hydria.errors import Conflict, NotFound
from hydria.store import columns
from hydria.store.resources import Amphora, Orphan
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker


@pytest.fixture
async def instance(cloud: Cloud, api: Api, worker: Worker) -> Instance:
    """An instance that the host serves and that this database has no row of."""
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[])
    worker.holding = structs.replace(worker.holding, name="one")
    worker.step()
    (found,) = worker.serving.values()
    await api.delete(f"loadbalancers/{lb['id']}")
    held = worker.holding
    worker.step()
    assert cloud.networking.ports == {}
    worker.holding = structs.replace(held, topology=worker.holding.topology)
    worker.serving = {found.amphora_id: found}
    return found


def describe(cloud: Cloud, worker: Worker, *instances: Instance) -> None:
    described = tuple(Description(amphora_id=each.amphora_id, instance=each) for each in instances)
    held = tuple(worker.holding.amphorae)
    reports = Reports(host=worker.holding.host, described=described, held=held)
    cloud.database.transact(lambda tx: cloud.orphans.take(tx, reports, cloud.clock.now()))


def orphans(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.database.read(listed)


async def test_an_unknown_amphora_is_described_once_and_serves_on(
    cloud: Cloud, worker: Worker, instance: Instance
) -> None:
    key = instance.amphora_id
    assert worker.fetch() == Orders(describe=(key,))
    describe(cloud, worker, instance)
    assert worker.fetch() == Orders()
    (orphan,) = orphans(cloud)
    assert (orphan["id"], orphan["host"], orphan["load_balancer"]) == (key, "one", instance.tree.load_balancer.id)


async def test_an_orphan_is_adopted_with_its_port(cloud: Cloud, api: Api, worker: Worker, instance: Instance) -> None:
    describe(cloud, worker, instance)
    root = instance.tree.load_balancer
    cloud.database.transact(lambda tx: cloud.orphans.adopt(tx, instance.amphora_id, cloud.clock.now()))
    assert orphans(cloud) == []
    assert cloud.restored_projects == [root.project_id]
    assert cloud.networking.ports[root.vip_port_id].fixed_ips == ((root.vip_subnet_id, root.vip_address),)
    worker.step()
    shown = await api.show("loadbalancer", root.id)
    assert (shown["provisioning_status"], shown["vip_address"]) == ("ACTIVE", root.vip_address)
    assert worker.serving[instance.amphora_id].interfaces == instance.interfaces


async def test_an_orphan_is_removed_and_forgotten_when_the_host_has_done_it(
    cloud: Cloud, worker: Worker, instance: Instance
) -> None:
    describe(cloud, worker, instance)
    cloud.database.transact(lambda tx: cloud.orphans.remove(tx, instance.amphora_id))
    orders = worker.fetch()
    assert orders.withdraw == (instance.amphora_id,)
    with pytest.raises(Conflict):
        cloud.database.transact(lambda tx: cloud.orphans.adopt(tx, instance.amphora_id, cloud.clock.now()))
    assert len(orphans(cloud)) == 1
    worker.serve(orders)
    assert orphans(cloud) == []


async def test_an_orphan_that_its_host_lost_is_forgotten(cloud: Cloud, worker: Worker, instance: Instance) -> None:
    describe(cloud, worker, instance)
    worker.holding = structs.replace(worker.holding, amphorae={})
    worker.announce()
    assert orphans(cloud) == []


async def test_an_amphora_that_the_host_does_not_remember_can_only_be_removed(cloud: Cloud, worker: Worker) -> None:
    worker.holding = structs.replace(worker.holding, name="one", amphorae={"stray": 0})
    reports = Reports(host="host-1", described=(Description(amphora_id="stray", instance=None),))
    cloud.database.transact(lambda tx: cloud.orphans.take(tx, reports, cloud.clock.now()))
    with pytest.raises(Conflict, match="hydria orphan remove"):
        cloud.database.transact(lambda tx: cloud.orphans.adopt(tx, "stray", cloud.clock.now()))
    with pytest.raises(NotFound, match="hydria orphan list"):
        cloud.database.transact(lambda tx: cloud.orphans.remove(tx, "another"))


async def test_the_amphora_of_a_failover_after_the_backup_is_recognised(cloud: Cloud, api: Api, worker: Worker) -> None:
    """The database knows the amphora before the failover, the host has the one after it."""
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.holding = structs.replace(worker.holding, name="one")
    worker.step()
    (old,) = worker.serving.values()
    young = structs.replace(old, amphora_id="young")
    worker.holding = structs.replace(worker.holding, amphorae={"young": 4})
    # No new amphora is made before the host has described this one.
    assert worker.fetch() == Orders(describe=("young",))
    describe(cloud, worker, young)
    assert orphans(cloud) == []
    assert [each.id for each in cloud.database.read(lambda tx: tx.find(Amphora))] == ["young"]
    assert [each.amphora_id for each in worker.fetch().serve] == ["young"]


async def test_a_recognised_amphora_keeps_its_base_port(cloud: Cloud, api: Api) -> None:
    worker = Worker(cloud, "host-1", speaks=1)
    worker.holding = structs.replace(worker.holding, name="one")
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.step()
    (old,) = worker.serving.values()
    (address,) = old.interfaces[0].addresses
    base = structs.replace(
        old.interfaces[0],
        port_id="young-port",
        mac="fa:16:3e:00:00:77",
        addresses=(structs.replace(address, ip="10.0.0.77"),),
    )
    young = structs.replace(old, amphora_id="young", interfaces=(base,))
    worker.holding = structs.replace(worker.holding, amphorae={"young": 4})
    worker.fetch()
    describe(cloud, worker, young)
    (instance,) = worker.fetch().serve
    assert (instance.amphora_id, instance.vips) == ("young", old.vips)
    assert (instance.interfaces[0].port_id, instance.interfaces[0].mac) == (base.port_id, base.mac)
    assert instance.interfaces[0].addresses == base.addresses
    assert old.interfaces[0].port_id not in cloud.networking.ports


async def test_an_amphora_of_another_id_of_the_host_is_adopted(cloud: Cloud, api: Api, worker: Worker) -> None:
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.holding = structs.replace(worker.holding, name="one")
    worker.step()
    (instance,) = worker.serving.values()
    worker.holding = structs.replace(worker.holding, host="fresh")
    worker.announce()
    assert worker.fetch() == Orders(describe=(instance.amphora_id,))
    describe(cloud, worker, instance)
    cloud.database.transact(lambda tx: cloud.orphans.adopt(tx, instance.amphora_id, cloud.clock.now()))
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    assert amphora.host == "fresh"
    assert cloud.database.read(lambda tx: tx.find(Orphan, columns(Orphan).host == "fresh")) == []
