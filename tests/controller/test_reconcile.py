"""Reconciling: placement, orders, failures that mend, ports, reports, removal; at any time, and twice."""

from functools import partial
from typing import Any

import pytest
from msgspec import structs

from hydria.contract import Counters, Orders, Report
from hydria.errors import Conflict
from hydria.model import LoadBalancer, Member
from hydria.store import Transaction, columns
from hydria.store.generations import bump
from hydria.store.resources import Amphora, Health, KnownHost, Traffic
from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker


async def make(cloud: Cloud, api: Api, **attributes: Any) -> Body:
    return await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, **attributes)


async def with_pool(api: Api, lb: Body) -> Body:
    return await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")


async def status(api: Api, lb: Body) -> str:
    return str((await api.show("loadbalancer", lb["id"]))["provisioning_status"])


async def reason(api: Api, lb: Body) -> str | None:
    found = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    why: str | None = found.get("provisioning_status_reason")
    return why


def amphorae(cloud: Cloud) -> list[Amphora]:
    return cloud.database.read(lambda tx: tx.find(Amphora))


# --- placement ---


async def test_amphorae_spread_over_hosts(cloud: Cloud, api: Api) -> None:
    first, second = Worker(cloud, "host-1"), Worker(cloud, "host-2")
    for _ in range(4):
        await make(cloud, api)
    cloud.controller.work()
    assert sorted(each.host for each in amphorae(cloud)) == ["host-1", "host-1", "host-2", "host-2"]
    assert (len(first.fetch().serve), len(second.fetch().serve)) == (2, 2)


async def test_a_silent_host_gets_nothing_new(cloud: Cloud, api: Api) -> None:
    Worker(cloud, "host-1")
    cloud.clock.advance(91)
    Worker(cloud, "host-2")
    for _ in range(3):
        await make(cloud, api)
    cloud.controller.work()
    assert {each.host for each in amphorae(cloud)} == {"host-2"}


async def test_without_a_host_it_waits_then_fails_then_mends(cloud: Cloud, api: Api) -> None:
    lb = await make(cloud, api)
    cloud.controller.work()
    assert await status(api, lb) == "PENDING_CREATE"
    cloud.clock.advance(31)
    cloud.controller.work()
    assert (await status(api, lb), await reason(api, lb)) == (
        "ERROR",
        "No host asks for work. Start an agent: hydria up, or hydria agent.",
    )
    worker = Worker(cloud)
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ACTIVE", None)


async def test_a_network_that_refuses_vips(cloud: Cloud, api: Api, worker: Worker) -> None:
    network_id = cloud.networking.add_network("p-red", refusal="Port security is off. Turn it on.")
    subnet = cloud.networking.add_subnet(network_id, "192.0.2.0/24")
    lb = await api.create("loadbalancer", vip_subnet_id=subnet.id)
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ERROR", "Port security is off. Turn it on.")
    assert amphorae(cloud) == []
    # A change is tried again, and fails again.
    await api.change("loadbalancer", lb["id"], name="x")
    assert await status(api, lb) == "PENDING_CREATE"
    cloud.controller.work()
    assert await status(api, lb) == "ERROR"
    cloud.networking.mend(network_id)
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ACTIVE", None)


# --- what is ordered ---


async def test_the_instance(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.0.11", subnet_id=cloud.subnet.id)
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    await api.add_member(pool["id"], "198.51.100.7")
    (instance,) = worker.fetch().serve
    assert instance.generation == 5
    vip, nic = instance.interfaces
    assert (vip.port_id, vip.addresses[0].ip, vip.addresses[0].prefix) == (lb["vip_port_id"], lb["vip_address"], 24)
    assert [(route.destination, route.via) for route in vip.routes] == [("0.0.0.0/0", "10.0.0.1")]
    assert (nic.addresses[0].ip, nic.routes) == ("10.0.1.2", ())
    port = cloud.networking.ports[nic.port_id]
    assert (port.device_id, port.device_owner) == (instance.amphora_id, "Octavia")
    # The server's own progress makes no instance differ.
    root = instance.tree.load_balancer
    assert (root.generation, root.observed, root.failed, root.reason) == (5, 0, 0, None)
    # Making it out again finds the same ports.
    again = Worker(cloud)
    assert again.fetch().serve == (instance,)
    assert worker.fetch() == Orders()


async def test_a_host_that_holds_the_newest_gets_no_orders(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    assert worker.fetch() == Orders()
    await api.change("loadbalancer", lb["id"], name="x")
    assert [instance.generation for instance in worker.fetch().serve] == [2]
    assert worker.fetch() == Orders()


async def test_an_unknown_amphora_is_not_withdrawn(worker: Worker) -> None:
    worker.holding = structs.replace(worker.holding, amphorae={"stranger": 3})
    assert worker.fetch().withdraw == ()


async def test_a_renamed_host_keeps_its_amphorae(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    worker.holding = structs.replace(worker.holding, name="renamed")
    assert worker.fetch() == Orders()
    assert [(each.id, each.host) for each in amphorae(cloud)] == [(key, "host-1")]


async def test_an_upgraded_agent_takes_over_what_its_host_had_by_name(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    worker.holding = structs.replace(worker.holding, host="an-id", name="host-1")
    assert worker.fetch() == Orders()
    assert [(each.id, each.host) for each in amphorae(cloud)] == [(key, "an-id")]
    assert [each.id for each in cloud.database.read(lambda tx: tx.find(KnownHost))] == ["an-id"]


async def test_a_host_that_is_upgraded_and_renamed_at_once_is_known_by_what_it_holds(
    cloud: Cloud, api: Api, worker: Worker
) -> None:
    await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    worker.holding = structs.replace(worker.holding, host="an-id", name="another")
    assert worker.fetch() == Orders()
    assert [(each.id, each.host) for each in amphorae(cloud)] == [(key, "an-id")]


async def test_a_host_with_an_identity_is_not_taken_over_by_name(cloud: Cloud, api: Api, worker: Worker) -> None:
    worker.holding = structs.replace(worker.holding, host="an-id", name="host-1")
    worker.announce()
    other = Worker(cloud, "other-id")
    other.holding = structs.replace(other.holding, name="host-1")
    other.announce()
    assert {each.id for each in cloud.database.read(lambda tx: tx.find(KnownHost))} >= {"an-id", "other-id"}


async def test_after_a_restored_backup_the_host_follows_the_server_again(
    cloud: Cloud, api: Api, worker: Worker
) -> None:
    """The host holds generation 3 of a history of which the database knows only generation 1."""
    lb = await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    of_backup = cloud.database.read(lambda tx: tx.find(LoadBalancer))[0]
    for name in ("x", "y"):
        await api.change("loadbalancer", lb["id"], name=name)
    worker.step()
    worker.holding = structs.replace(worker.holding, change_ids={key: worker.serving[key].tree.load_balancer.change_id})
    cloud.database.transact(lambda tx: tx.update(of_backup))
    for name in ("a", "b"):
        await api.change("loadbalancer", lb["id"], name=name)
    # What the host says of the other generation 3 is not taken for this one.
    worker.report(key)
    assert await status(api, lb) == "PENDING_UPDATE"
    (instance,) = worker.fetch().serve
    assert (instance.generation, instance.tree.load_balancer.name) == (3, "b")
    worker.serve(Orders(serve=(instance,)))
    assert await status(api, lb) == "ACTIVE"


async def test_a_host_that_lost_everything_gets_it_back(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    before = dict(worker.serving)
    fresh = Worker(cloud)
    fresh.step()
    assert fresh.serving == before


async def test_other_hosts_get_no_orders(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    assert Worker(cloud, "host-2").fetch() == Orders()


async def test_topologies(cloud: Cloud, worker: Worker) -> None:
    assert worker.fetch() == Orders()
    cloud.topologies.change()
    orders = worker.fetch()
    assert orders.topology is not None
    assert orders.topology.generation == 1
    assert worker.fetch() == Orders()


# --- failures ---


async def test_a_host_that_fails_and_recovers(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.trouble = "Port 80 is taken."
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ERROR", "Port 80 is taken.")
    (amphora,) = amphorae(cloud)
    worker.trouble = None
    worker.holding = structs.replace(worker.holding, amphorae={})
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ACTIVE", None)
    assert amphorae(cloud)[0].id == amphora.id


async def test_served_resources_stay_active_when_a_change_fails(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    worker.step()
    worker.trouble = "Disk full."
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ERROR", "Disk full.")
    assert (await api.show("pool", pool["id"]))["provisioning_status"] == "ACTIVE"
    assert (await api.show("listener", listener["id"]))["provisioning_status"] == "ERROR"
    # A newer wish is pending until it was tried.
    worker.trouble = None
    await api.delete(f"listeners/{listener['id']}")
    assert await status(api, lb) == "PENDING_UPDATE"
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ACTIVE", None)


async def test_a_late_failure_of_an_older_generation(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.trouble = "Not now."
    orders = worker.fetch()
    await api.change("loadbalancer", lb["id"], name="newer")
    worker.serve(orders)
    assert await status(api, lb) == "PENDING_CREATE"


async def test_a_silent_host_with_work_to_do(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    cloud.clock.advance(91)
    cloud.controller.work()
    assert await status(api, lb) == "ACTIVE"
    await api.change("loadbalancer", lb["id"], name="x")
    cloud.controller.work()
    assert (await status(api, lb), await reason(api, lb)) == (
        "ERROR",
        "Host host-1 does not ask for work. Is its agent running?",
    )
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ACTIVE", None)


async def test_a_deletion_that_fails(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    await api.delete(f"loadbalancers/{lb['id']}")
    orders = worker.fetch()
    (key,) = orders.withdraw
    now = cloud.clock.now()
    report = Report(amphora_id=key, generation=1, attempted=1, reason="The namespace is busy.")
    cloud.database.transact(lambda tx: cloud.reporter.take(tx, "host-1", report, now))
    assert (await status(api, lb), await reason(api, lb)) == ("ERROR", "The namespace is busy.")
    worker.serve(orders)
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)


async def test_a_deletion_on_a_silent_host(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    await api.delete(f"loadbalancers/{lb['id']}")
    cloud.clock.advance(91)
    cloud.controller.work()
    assert await status(api, lb) == "ERROR"
    # The address of an amphora that may still run there is not given away.
    again = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "vip_address": lb["vip_address"]}}
    assert "already allocated" in await api.fault("POST", "loadbalancers", 409, again)
    worker.step()
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)
    assert cloud.networking.ports == {}
    await api.create("loadbalancer", **again["loadbalancer"])


async def test_member_subnets_that_give_no_port(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    worker.step()
    small = cloud.networking.add_subnet(cloud.networking.add_network("p-red", key="small"), "192.0.2.0/30")
    await make_full(cloud, api, small.id)
    member = await api.add_member(pool["id"], "192.0.2.9", subnet_id=small.id)
    worker.step()
    assert await status(api, lb) == "ERROR"
    why = await reason(api, lb)
    assert why == (
        f"The load balancer gets no port on the members' subnet {small.id}: "
        "No more IP addresses available on network small."
    )
    await api.delete(f"pools/{pool['id']}/members/{member['id']}")
    worker.step()
    assert (await status(api, lb), await reason(api, lb)) == ("ACTIVE", None)


async def make_full(cloud: Cloud, api: Api, subnet_id: str) -> None:
    await api.create("loadbalancer", vip_subnet_id=subnet_id, name="takes the only address")


async def test_a_network_service_that_is_away(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    cloud.networking.faults.set("create_port", Conflict("Quota exceeded."))
    worker.step()
    assert "Quota exceeded." in str(await reason(api, lb))
    cloud.networking.faults.clear()
    worker.step()
    assert await status(api, lb) == "ACTIVE"


async def test_a_members_subnet_that_is_gone(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    cloud.networking.remove_subnet(other.id)
    worker.step()
    assert await reason(api, lb) == f"The members' subnet {other.id} does not exist any more. Remove its members."


async def test_a_gone_subnet_is_reported_although_no_host_polls(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    worker.step()
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    cloud.networking.remove_subnet(other.id)
    await add_unchecked_member(cloud, lb, pool, other.id)
    cloud.controller.work()
    assert (await status(api, lb), await reason(api, lb)) == (
        "ERROR",
        f"The members' subnet {other.id} does not exist any more. Remove its members.",
    )


async def add_unchecked_member(cloud: Cloud, lb: Body, pool: Body, subnet_id: str) -> None:
    """Add a member as if its subnet had gone right after the API looked at it."""

    def add(tx: Transaction) -> None:
        generation = bump(tx, lb["id"]).generation
        tx.insert(
            Member(
                id="member",
                project_id=lb["project_id"],
                created_at=lb["created_at"],
                load_balancer_id=lb["id"],
                created_in=generation,
                changed_in=generation,
                pool_id=pool["id"],
                address="10.0.1.11",
                protocol_port=80,
                subnet_id=subnet_id,
            )
        )

    cloud.database.transact(add)


async def test_orders_only_read_and_leave_out_what_lacks_a_port(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    worker.step()
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    assert cloud.database.read(lambda tx: cloud.desired_state.orders(tx, worker.holding)) == Orders()
    assert len(cloud.networking.ports) == 1
    (instance,) = worker.fetch().serve
    assert len(instance.interfaces) == len(cloud.networking.ports) == 2


async def test_a_failure_is_not_retried_at_each_hint(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    cloud.networking.faults.set("create_port", Conflict("Quota exceeded."))
    cloud.controller.work()
    assert await status(api, lb) == "ERROR"
    cloud.networking.faults.clear()
    cloud.controller.work(retry=False)
    assert len(cloud.networking.ports) == 1
    # A change is tried at once.
    await api.change("loadbalancer", lb["id"], name="x")
    cloud.controller.work(retry=False)
    assert len(cloud.networking.ports) == 2


async def test_a_port_of_a_failed_transaction_is_used(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    worker.step()
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    cloud.networking.faults.set("create_port", RuntimeError("the server ends"), times=1, after=True)
    cloud.controller.work()
    worker.step()
    assert await status(api, lb) == "ACTIVE"
    assert len(cloud.networking.ports) == 2


async def test_a_port_that_is_gone_is_made_again(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    worker.step()
    (before,) = (key for key in cloud.networking.ports if key != lb["vip_port_id"])
    cloud.networking.delete_port(before)
    await api.change("loadbalancer", lb["id"], name="x")
    worker.step()
    (after,) = (key for key in cloud.networking.ports if key != lb["vip_port_id"])
    assert after != before
    assert [each.interfaces[1].port_id for each in worker.serving.values()] == [after]


async def test_a_vip_port_that_is_gone(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    cloud.networking.delete_port(lb["vip_port_id"])
    worker.step()
    assert str(await reason(api, lb)).startswith(f"The VIP port {lb['vip_port_id']} does not exist any more.")
    await api.delete(f"loadbalancers/{lb['id']}")
    worker.step()
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)


async def test_a_failure_of_one_load_balancer_stops_no_other(cloud: Cloud, api: Api, worker: Worker) -> None:
    first, second = await make(cloud, api), await make(cloud, api)
    for lb in (first, second):
        await api.delete(f"loadbalancers/{lb['id']}")
    # Once for both together, once for one of them alone.
    cloud.networking.faults.set("delete_port", RuntimeError("away"), times=2)
    cloud.controller.work()
    left = [each["id"] for each in (await api.get("loadbalancers"))["loadbalancers"]]
    assert len(left) == 1
    cloud.controller.work()
    assert (await api.get("loadbalancers"))["loadbalancers"] == []


# --- ports of members' subnets ---


async def test_a_port_goes_with_the_last_member_of_its_subnet(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    member = await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    worker.step()
    assert len(cloud.networking.ports) == 2
    await api.delete(f"pools/{pool['id']}/members/{member['id']}")
    orders = worker.fetch()
    assert len(orders.serve[0].interfaces) == 1
    # Not before the host has let go of it.
    assert len(cloud.networking.ports) == 2
    worker.serve(orders)
    assert len(cloud.networking.ports) == 1


async def test_a_port_goes_also_when_changes_overlapped(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    pool = await with_pool(api, lb)
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    member = await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    worker.step()
    await api.delete(f"pools/{pool['id']}/members/{member['id']}")
    orders = worker.fetch()
    await api.change("pool", pool["id"], name="meanwhile")
    worker.serve(orders)
    assert len(cloud.networking.ports) == 2
    worker.step()
    assert len(cloud.networking.ports) == 1


# --- reports ---


async def test_reports_of_another_host_are_ignored(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    (instance,) = worker.fetch().serve
    key, now = instance.amphora_id, cloud.clock.now()
    report = Report(amphora_id=key, generation=1, reason="no", attempted=9)
    cloud.database.transact(lambda tx: cloud.reporter.take(tx, "host-2", report, now))
    assert await status(api, lb) == "PENDING_CREATE"
    await api.delete(f"loadbalancers/{lb['id']}")
    worker.fetch()
    cloud.database.transact(lambda tx: cloud.reporter.withdrawn(tx, "host-2", [key], now))
    assert [each.id for each in amphorae(cloud)] == [key]


async def test_counters_of_unknown_listeners_are_ignored(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    worker.send(Report(amphora_id=key, generation=1, counters={"nobody": Counters(bytes_in=1)}))
    assert cloud.database.read(lambda tx: tx.find(Traffic)) == []


async def test_reports_about_unknown_amphorae_are_ignored(cloud: Cloud, worker: Worker) -> None:
    worker.report("stranger")
    cloud.database.transact(lambda tx: cloud.reporter.withdrawn(tx, "host-1", ["stranger"], cloud.clock.now()))
    assert amphorae(cloud) == []


async def test_a_removal_that_was_not_ordered_is_ignored(cloud: Cloud, api: Api, worker: Worker) -> None:
    await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    cloud.database.transact(lambda tx: cloud.reporter.withdrawn(tx, "host-1", [key], cloud.clock.now()))
    assert [each.id for each in amphorae(cloud)] == [key]


async def test_an_older_report_does_not_undo_a_newer_one(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    worker.step()
    (key,) = worker.serving
    old = worker.serving[key]
    await api.change("loadbalancer", lb["id"], name="x")
    worker.step()
    worker.serving[key] = old
    worker.report(key)
    assert await status(api, lb) == "ACTIVE"


async def test_a_generation_from_the_future_settles_nothing(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    (instance,) = worker.fetch().serve
    report = Report(amphora_id=instance.amphora_id, generation=99)
    cloud.database.transact(lambda tx: cloud.reporter.take(tx, "host-1", report, cloud.clock.now()))
    assert await status(api, lb) == "PENDING_CREATE"
    worker.serve(Orders(serve=(instance,)))
    assert await status(api, lb) == "ACTIVE"
    await api.change("loadbalancer", lb["id"], name="x")
    assert await status(api, lb) == "PENDING_UPDATE"


async def test_health(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    members = [await api.add_member(pool["id"], f"10.0.0.{number}") for number in (11, 12)]
    await api.create("healthmonitor", pool_id=pool["id"], type="HTTP", delay=1, timeout=1, max_retries=1)

    async def seen() -> list[str]:
        tree = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
        behind = tree["listeners"][0]["pools"][0]
        each = {member["address"]: member["operating_status"] for member in behind["members"]}
        return [
            tree["operating_status"],
            tree["listeners"][0]["operating_status"],
            behind["operating_status"],
            behind["health_monitor"]["operating_status"],
            each["10.0.0.11"],
            each["10.0.0.12"],
        ]

    assert await seen() == ["OFFLINE"] * 4 + ["NO_MONITOR"] * 2
    worker.step()
    assert await seen() == ["ONLINE"] * 6
    (key,) = worker.serving
    worker.down.add(members[1]["id"])
    worker.report(key)
    assert await seen() == ["DEGRADED", "ONLINE", "DEGRADED", "ONLINE", "ONLINE", "ERROR"]
    worker.down.add(members[0]["id"])
    worker.report(key)
    assert await seen() == ["ERROR", "ONLINE", "ERROR", "ONLINE", "ERROR", "ERROR"]
    worker.down.clear()
    worker.report(key)
    assert await seen() == ["ONLINE"] * 6
    # Nothing of it is a change.
    assert await status(api, lb) == "ACTIVE"
    await api.delete(f"pools/{pool['id']}/members/{members[0]['id']}")
    worker.step()
    left = cloud.database.read(lambda tx: tx.find(Health))
    assert members[0]["id"] not in {health.id for health in left}


async def test_counters(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await make(cloud, api)
    one, two = [
        await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=port) for port in (80, 81)
    ]
    nothing = dict.fromkeys(Counters.__struct_fields__, 0)
    assert await api.get(f"loadbalancers/{lb['id']}/stats") == {"stats": nothing}
    worker.counters = {one["id"]: Counters(bytes_in=1, bytes_out=10, active_connections=2, total_connections=5)}
    worker.step()
    assert await api.get(f"loadbalancers/{lb['id']}/stats") == {
        "stats": {**nothing, "bytes_in": 1, "bytes_out": 10, "active_connections": 2, "total_connections": 5}
    }
    worker.counters[one["id"]] = Counters(bytes_in=5, request_errors=1)
    worker.counters[two["id"]] = Counters(bytes_in=7)
    (key,) = worker.serving
    worker.report(key)
    assert (await api.get(f"loadbalancers/{lb['id']}/stats"))["stats"]["bytes_in"] == 12
    assert (await api.get(f"listeners/{two['id']}/stats"))["stats"] == {**nothing, "bytes_in": 7}
    await api.delete(f"listeners/{two['id']}")
    worker.counters.pop(two["id"])
    worker.step()
    assert (await api.get(f"loadbalancers/{lb['id']}/stats"))["stats"]["bytes_in"] == 5
    await api.delete(f"loadbalancers/{lb['id']}", cascade="true")
    worker.step()
    assert cloud.database.read(lambda tx: (tx.find(Traffic), tx.find(Health), tx.find(Amphora))) == ([], [], [])


# --- at any time ---


@pytest.mark.parametrize("crash_at", range(12))
async def test_a_crash_after_any_step(cloud: Cloud, api: Api, crash_at: int) -> None:
    """The life of a load balancer, with every step done twice; at one step the host loses all its orders."""
    other = cloud.networking.add_subnet(cloud.network_id, "10.0.1.0/24")
    worker = Worker(cloud)
    step = 0

    def twice() -> None:
        nonlocal step, worker
        for _ in range(2):
            cloud.controller.work()
            for each in amphorae(cloud):
                key, now = each.load_balancer_id, cloud.clock.now()
                cloud.database.transact(partial(cloud.reconciler.reconcile, keys=[key], now=now))
        if step == crash_at:
            # The host fails after it got the order and before it carried it out.
            worker.fetch()
            worker = Worker(cloud)
        step += 1
        orders = worker.fetch()
        for _ in range(2):
            worker.serve(orders)
        if step == crash_at:
            # Done and reported, and gone.
            worker = Worker(cloud)
        step += 1

    lb = await make(cloud, api)
    twice()
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    twice()
    member = await api.add_member(pool["id"], "10.0.1.11", subnet_id=other.id)
    twice()
    await api.change("pool", pool["id"], lb_algorithm="SOURCE_IP")
    twice()
    await api.delete(f"pools/{pool['id']}/members/{member['id']}")
    twice()
    worker.step()
    assert await status(api, lb) == "ACTIVE"
    assert len(cloud.networking.ports) == 1
    await api.delete(f"loadbalancers/{lb['id']}", cascade="true")
    twice()
    worker.step()
    worker.step()
    assert worker.serving == {}
    assert cloud.networking.ports == {}
    assert amphorae(cloud) == []
    assert cloud.database.read(lambda tx: tx.find(KnownHost, columns(KnownHost).id == "host-1"))
