"""The ports and security groups of load balancers in Neutron: made, changed, deleted, also after crashes."""

import asyncio
import uuid
from functools import partial

import pytest
from msgspec import Struct

from hydria.contract import Orders
from hydria.errors import Unavailable
from hydria.model.network import PORT_OWNER
from hydria.model.neutron import AMPHORA_OWNER, GroupRule, NeutronPort
from hydria.neutron.rows import Applied, KnownSubnet, PortCreation, WantedPort
from hydria.neutron.worker import NeutronWorker
from hydria.store import Transaction
from hydria.store.resources import Amphora
from tests.support.api import Api, Body
from tests.support.neutron import NeutronCloud
from tests.support.worker import Worker

LOST = Unavailable("Neutron does not answer. Please try again.")


async def make(cloud: NeutronCloud, api: Api, **attributes: object) -> Body:
    return await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id, **attributes)


async def status(api: Api, lb: Body) -> str:
    return str((await api.show("loadbalancer", lb["id"]))["provisioning_status"])


def base_ports(cloud: NeutronCloud) -> list[NeutronPort]:
    return [each for each in cloud.neutron.all_ports.values() if each.device_owner == AMPHORA_OWNER]


def rows(cloud: NeutronCloud) -> list[object]:
    kinds: tuple[type[Struct], ...] = (WantedPort, Applied, PortCreation, Amphora)
    return [row for kind in kinds for row in cloud.database.read(partial(Transaction.find, kind=kind))]


async def test_an_amphora_gets_a_port_that_is_bound_to_its_host(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    assert await status(api, lb) == "PENDING_CREATE"
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"
    vip = cloud.neutron.all_ports[lb["vip_port_id"]]
    assert (vip.device_id, vip.device_owner, vip.project_id) == (f"lb-{lb['id']}", "Octavia", "p-red")
    (base,) = base_ports(cloud)
    assert (base.host, base.project_id) == ("h1", "p-service")
    assert base.allowed_address_pairs == ({"ip_address": lb["vip_address"]},)
    assert base.security_groups == (f"group lb-{lb['id']}",)
    (instance,) = host.serving.values()
    interface = instance.interfaces[0]
    assert (interface.port_id, interface.mtu, interface.mac) == (base.id, 1442, base.mac_address)
    assert interface.plug is not None
    assert (interface.plug.bridge, interface.plug.datapath) == ("br-int", "netdev")
    assert [(each.destination, each.via) for each in interface.routes] == [("0.0.0.0/0", "10.0.0.1")]
    assert interface.guard is None


async def test_a_host_gets_no_orders_before_the_ports_are_open(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    await cloud.settle(host)
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    assert host.fetch() == Orders()
    await cloud.worker.step()
    await cloud.worker.settle()
    (instance,) = host.fetch().serve
    assert instance.generation == 2
    assert list(cloud.neutron.groups[f"lb-{lb['id']}"].values()) == [
        GroupRule(ethertype="IPv4", protocol="tcp", port=80)
    ]


async def test_rules_follow_the_listeners(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    udp = await api.create("listener", loadbalancer_id=lb["id"], protocol="UDP", protocol_port=53)
    await api.create(
        "listener", loadbalancer_id=lb["id"], protocol="TCP", protocol_port=22, allowed_cidrs=["192.0.2.0/24"]
    )
    await cloud.settle(host)
    ssh = GroupRule(ethertype="IPv4", protocol="tcp", port=22, cidr="192.0.2.0/24")
    dns = GroupRule(ethertype="IPv4", protocol="udp", port=53)
    assert set(cloud.neutron.groups[f"lb-{lb['id']}"].values()) == {ssh, dns}
    await api.delete(f"listeners/{udp['id']}")
    await cloud.settle(host)
    assert set(cloud.neutron.groups[f"lb-{lb['id']}"].values()) == {ssh}
    assert await status(api, lb) == "ACTIVE"


async def test_groups_and_qos_of_the_vip_hold_for_the_amphorae(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    group, policy = "5a0ed9f2-64c5-4b2c-8a3d-9be4d6e0b0a1", "c0f7d6f0-54f3-4f0e-9b1e-6a3a6e1f1c11"
    cloud.neutron.user_groups.add(group)
    cloud.neutron.qos_policies.add(policy)
    lb = await make(cloud, api, vip_sg_ids=[group])
    await cloud.settle(host)
    await api.change("loadbalancer", lb["id"], vip_qos_policy_id=policy)
    await cloud.settle(host)
    (base,) = base_ports(cloud)
    assert (base.security_groups, base.qos_policy_id) == ((f"group lb-{lb['id']}", group), policy)
    assert cloud.neutron.all_ports[lb["vip_port_id"]].security_groups == (group,)


async def test_deletion_leaves_nothing(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    await cloud.settle(host)
    await api.delete(f"loadbalancers/{lb['id']}")
    cloud.neutron.faults.set("delete_port", LOST)
    await cloud.settle(host)
    assert await status(api, lb) == "PENDING_DELETE"
    cloud.neutron.faults.clear()
    await cloud.settle(host)
    await cloud.settle(host)
    assert (cloud.neutron.all_ports, cloud.neutron.groups, rows(cloud)) == ({}, {}, [])
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)


async def test_a_port_of_a_user_is_given_back(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    mine = await cloud.neutron.create_port(
        network_id=cloud.web.id, fixed_ips=[{"subnet_id": cloud.web_subnet.id}], project_id="p-red"
    )
    lb = await api.create("loadbalancer", vip_port_id=mine.id)
    assert lb["vip_address"] == mine.addresses[0][1]
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"
    assert cloud.neutron.all_ports[mine.id].device_id == f"lb-{lb['id']}"
    await api.delete(f"loadbalancers/{lb['id']}")
    await cloud.settle(host)
    assert list(cloud.neutron.all_ports) == [mine.id]
    assert cloud.neutron.all_ports[mine.id].device_id == ""


async def test_a_port_that_octavia_made_for_a_load_balancer_goes_with_it(cloud: NeutronCloud) -> None:
    host, admin, key = cloud.host("h1"), cloud.api("admin"), str(uuid.UUID(int=7))
    made = await cloud.neutron.create_port(
        network_id=cloud.web.id,
        fixed_ips=[{"subnet_id": cloud.web_subnet.id}],
        project_id="p-red",
        device_id=f"lb-{key}",
        device_owner=PORT_OWNER,
    )
    form = {"id": key, "vip_port_id": made.id, "project_id": "p-red"}
    # A creation that fails leaves it to Octavia as it was.
    wrong = [{"protocol": "HTTP", "lb_algorithm": "SOURCE_IP_PORT"}]
    await admin.fault("POST", "loadbalancers", 501, {"loadbalancer": {**form, "pools": wrong}})
    assert cloud.neutron.all_ports[made.id] == made

    await admin.create("loadbalancer", **form)
    await cloud.settle(host)
    assert (await admin.show("loadbalancer", key))["provisioning_status"] == "ACTIVE"
    await admin.delete(f"loadbalancers/{key}")
    await cloud.settle(host)
    await cloud.settle(host)
    assert (cloud.neutron.all_ports, rows(cloud)) == ({}, [])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("verb", ["create_port", "create_group", "add_rules", "network"])
async def test_work_that_is_interrupted_makes_nothing_twice(
    cloud: NeutronCloud, api: Api, verb: str, *, after: bool
) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    cloud.neutron.faults.set(verb, LOST, after=after, times=1)
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"
    assert len(cloud.neutron.all_ports) == 2
    assert len(cloud.neutron.groups[f"lb-{lb['id']}"]) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("verb", ["delete_port", "delete_group"])
async def test_a_deletion_that_is_interrupted_goes_on(cloud: NeutronCloud, api: Api, verb: str, *, after: bool) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    await cloud.settle(host)
    cloud.neutron.faults.set(verb, LOST, after=after, times=1)
    await api.delete(f"loadbalancers/{lb['id']}")
    await cloud.settle(host)
    assert (cloud.neutron.all_ports, cloud.neutron.groups, rows(cloud)) == ({}, {}, [])


async def test_a_replaced_amphora_leaves_no_port(cloud: NeutronCloud, api: Api) -> None:
    hosts = [cloud.host("h1"), cloud.host("h2")]
    lb = await make(cloud, api)
    await cloud.settle(*hosts)
    before = {each.id for each in base_ports(cloud)}
    answer = await cloud.api("admin").send("PUT", f"loadbalancers/{lb['id']}/failover")
    assert answer.status_code == 202
    for _ in range(4):
        await cloud.settle(*hosts)
    assert await status(api, lb) == "ACTIVE"
    assert len(base_ports(cloud)) == 1
    assert before.isdisjoint(each.id for each in base_ports(cloud))


# --- what Neutron refuses ---


async def test_refusals_are_neutrons_own(cloud: NeutronCloud, api: Api) -> None:
    lb = await make(cloud, api)
    taken = {"loadbalancer": {"vip_subnet_id": cloud.web_subnet.id, "vip_address": lb["vip_address"]}}
    text = await api.fault("POST", "loadbalancers", 409, taken)
    assert text == f"IP address {lb['vip_address']} already allocated in subnet {cloud.web_subnet.id}"
    assert len(cloud.neutron.all_ports) == 1
    assert cloud.database.read(lambda tx: tx.find(PortCreation)) == []


async def test_subnets_of_others_are_not_found(cloud: NeutronCloud) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.web_subnet.id}}
    assert "not found" in await cloud.api("bob").fault("POST", "loadbalancers", 400, body)
    shared = cloud.neutron.add_subnet(cloud.neutron.add_network("p-red", shared=True), "10.9.0.0/24")
    await cloud.api("bob").create("loadbalancer", vip_subnet_id=shared.id)


async def test_a_port_that_cannot_be_completed_is_deleted(cloud: NeutronCloud, api: Api) -> None:
    other = cloud.neutron.add_subnet(cloud.web, "10.1.0.0/24")
    additional = [{"subnet_id": other.id, "ip_address": "10.2.0.1"}]
    body = {"loadbalancer": {"vip_subnet_id": cloud.web_subnet.id, "additional_vips": additional}}
    text = await api.fault("POST", "loadbalancers", 400, body)
    assert text == "IP address 10.2.0.1 is not a valid IP for the specified subnet."
    assert cloud.neutron.all_ports == {}


async def test_additional_vips_are_on_the_same_port(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    other = cloud.neutron.add_subnet(cloud.web, "fd00:9::/64")
    lb = await make(cloud, api, additional_vips=[{"subnet_id": other.id}])
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"
    (base,) = base_ports(cloud)
    assert [key for key, _ in base.addresses] == [cloud.web_subnet.id, other.id]
    assert len(base.allowed_address_pairs) == 2


async def test_an_answer_that_is_lost_leaves_no_port(cloud: NeutronCloud, api: Api) -> None:
    cloud.neutron.faults.set("create_port", LOST, after=True, times=1)
    text = await api.fault("POST", "loadbalancers", 503, {"loadbalancer": {"vip_subnet_id": cloud.web_subnet.id}})
    assert text == LOST.message
    assert len(cloud.neutron.all_ports) == 1
    cloud.clock.advance(200)
    await cloud.worker.step()
    assert (cloud.neutron.all_ports, rows(cloud)) == ({}, [])


async def test_a_host_that_neutron_cannot_bind_to(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h3")
    lb = await make(cloud, api)
    await cloud.settle(host)
    assert await status(api, lb) == "ERROR"
    found = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert "Neutron cannot bind a port to the host h3" in found["provisioning_status_reason"]
    assert base_ports(cloud) == []
    cloud.neutron.hosts.add("h3")
    cloud.clock.advance(60)
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"


async def test_hosts_without_open_vswitch_get_no_amphorae(cloud: NeutronCloud, api: Api) -> None:
    Worker(cloud, "h1", speaks=1)
    lb = await make(cloud, api)
    cloud.clock.advance(31)
    await cloud.settle()
    found = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert "Neutron does not know it: set agent.ovsdb there" in found["provisioning_status_reason"]


# --- what changes behind our back ---


async def test_changes_of_networks_and_ports_are_followed(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    await cloud.settle(host)
    (base,) = base_ports(cloud)
    cloud.neutron.add_network("p-red")
    cloud.neutron.all_networks[cloud.web.id] = type(cloud.web)(id=cloud.web.id, project_id="p-red", mtu=1300)
    cloud.clock.advance(31)
    await cloud.settle(host)
    (instance,) = host.serving.values()
    assert instance.interfaces[0].mtu == 1300
    await cloud.neutron.delete_port(base.id)
    cloud.clock.advance(31)
    await cloud.settle(host)
    await cloud.settle(host)
    (again,) = base_ports(cloud)
    (instance,) = host.serving.values()
    assert (again.id != base.id, instance.interfaces[0].port_id) == (True, again.id)
    assert await status(api, lb) == "ACTIVE"


async def test_subnets_are_known_after_a_restart(cloud: NeutronCloud, api: Api) -> None:
    await make(cloud, api)
    assert [each.id for each in cloud.database.read(lambda tx: tx.find(KnownSubnet))] == [cloud.web_subnet.id]


async def test_reads_ask_neutron_nothing(cloud: NeutronCloud, api: Api) -> None:
    lb = await make(cloud, api)
    await cloud.settle(cloud.host("h1"))
    cloud.neutron.calls.clear()
    await asyncio.gather(*(api.show("loadbalancer", lb["id"]) for _ in range(5)))
    assert cloud.neutron.calls == []


async def test_a_load_balancer_takes_few_calls(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    await make(cloud, api)
    await cloud.settle(host)
    cloud.neutron.calls.clear()
    await make(cloud, api)
    await cloud.settle(host)
    # The others look for changes from time to time.
    calls = [each for each in cloud.neutron.calls if each.startswith("create")]
    assert sorted(calls) == ["create_group", "create_port", "create_port"]
    assert set(cloud.neutron.calls) - {"networks", "network", "subnets", "ports"} == {*calls, "subnet"}


# --- several servers ---


async def test_two_servers_make_no_port_twice(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    cloud.controller.work()
    other = NeutronWorker(cloud.neutron, cloud.database, cloud.clock)
    for worker in (cloud.worker, other):
        worker.claims.needed = True
    await asyncio.gather(cloud.worker.step(), other.step())
    await asyncio.gather(cloud.worker.settle(), other.settle())
    assert len(base_ports(cloud)) == 1
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"


async def test_what_a_crashed_server_has_claimed_is_taken_over(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await make(cloud, api)
    cloud.controller.work()
    crashed = NeutronWorker(cloud.neutron, cloud.database, cloud.clock)
    crashed.claims.needed = cloud.worker.claims.needed = True
    assert await crashed.claims.take(lb["id"])
    await cloud.worker.step()
    await cloud.worker.settle()
    assert base_ports(cloud) == []
    cloud.clock.advance(61)
    await cloud.settle(host)
    assert await status(api, lb) == "ACTIVE"


async def test_a_dry_run_leaves_no_port(cloud: NeutronCloud, api: Api) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.web_subnet.id}}
    answer = await api.send("POST", "loadbalancers", json=body, headers={"Dry-Run": "true"})
    assert answer.status_code == 200, answer.text
    assert (cloud.neutron.all_ports, rows(cloud)) == ({}, [])
