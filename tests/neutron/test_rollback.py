"""Rollbacks with a Neutron: the ports of amphorae follow, and what is gone there is said."""

from typing import Any

from hydria.model.neutron import AMPHORA_OWNER, NeutronSubnet
from tests.support.api import Api, Body
from tests.support.neutron import NeutronCloud


async def newest(api: Api, lb: Body) -> int:
    found: int = (await api.get(f"loadbalancers/{lb['id']}/revisions", limit=1))["revisions"][0]["revision"]
    return found


async def roll_back(api: Api, lb: Body, to: int, **headers: str) -> Any:
    body = {"rollback": {"to": to}}
    answer = await api.send("PUT", f"loadbalancers/{lb['id']}/rollback", json=body, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


async def refused(api: Api, lb: Body, to: int) -> str:
    return await api.fault("PUT", f"loadbalancers/{lb['id']}/rollback", 409, {"rollback": {"to": to}})


async def make(cloud: NeutronCloud, api: Api, **attributes: object) -> tuple[Body, Body]:
    """Return a load balancer and its pool, without members."""
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id, **attributes)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    return lb, pool


def far_network(cloud: NeutronCloud) -> NeutronSubnet:
    """Add another network of the project, to which an amphora needs a port of its own."""
    return cloud.neutron.add_subnet(cloud.neutron.add_network("p-red"), "10.7.0.0/24")


def ports_on(cloud: NeutronCloud, subnet: NeutronSubnet) -> list[str]:
    """Return the ids of amphorae's ports on a subnet."""
    return [
        each.id
        for each in cloud.neutron.all_ports.values()
        if each.device_owner == AMPHORA_OWNER and each.network_id == subnet.network_id
    ]


async def test_ports_of_members_are_made_and_removed(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb, pool = await make(cloud, api)
    await cloud.settle(host)
    without, far = await newest(api, lb), far_network(cloud)
    await api.add_member(pool["id"], "10.7.0.9", subnet_id=far.id, name="far")
    await cloud.settle(host)
    with_member = await newest(api, lb)
    assert len(ports_on(cloud, far)) == 1

    await roll_back(api, lb, without)
    for _ in range(2):
        await cloud.settle(host)
    assert ports_on(cloud, far) == []
    (instance,) = host.serving.values()
    assert [each.network_id for each in instance.interfaces] == [cloud.web.id]

    await roll_back(api, lb, with_member)
    await cloud.settle(host)
    (port,) = ports_on(cloud, far)
    (instance,) = host.serving.values()
    assert [each.port_id for each in instance.interfaces][1:] == [port]
    assert [each.name for each in instance.tree.members] == ["far"]
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"


async def test_a_subnet_that_is_gone_is_named(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb, pool = await make(cloud, api)
    far = far_network(cloud)
    member = await api.add_member(pool["id"], "10.7.0.9", subnet_id=far.id, name="far")
    await cloud.settle(host)
    good = await newest(api, lb)
    await api.delete(f"pools/{pool['id']}/members/{member['id']}")
    for _ in range(2):
        await cloud.settle(host)
    del cloud.neutron.all_subnets[far.id]
    before, ports = await newest(api, lb), dict(cloud.neutron.all_ports)
    reason = await refused(api, lb, good)
    assert reason == f"The load balancer cannot go back to revision {good}: member far: Subnet {far.id} not found."
    await cloud.settle(host)
    assert (await newest(api, lb), cloud.neutron.all_ports) == (before, ports)


async def test_groups_and_policies_that_are_gone_are_named(cloud: NeutronCloud, api: Api) -> None:
    group, policy = "5a0ed9f2-64c5-4b2c-8a3d-9be4d6e0b0a1", "c0f7d6f0-54f3-4f0e-9b1e-6a3a6e1f1c11"
    cloud.neutron.user_groups.add(group)
    cloud.neutron.qos_policies.add(policy)
    host = cloud.host("h1")
    lb, _ = await make(cloud, api, vip_sg_ids=[group], vip_qos_policy_id=policy)
    await cloud.settle(host)
    good = await newest(api, lb)
    await api.change("loadbalancer", lb["id"], vip_sg_ids=[], vip_qos_policy_id=None)
    await cloud.settle(host)
    vip = cloud.neutron.all_ports[lb["vip_port_id"]]
    assert (vip.security_groups, vip.qos_policy_id) == ((), None)

    await roll_back(api, lb, good)
    await cloud.settle(host)
    vip = cloud.neutron.all_ports[lb["vip_port_id"]]
    assert (vip.security_groups, vip.qos_policy_id) == ((group,), policy)

    await api.change("loadbalancer", lb["id"], vip_sg_ids=[], vip_qos_policy_id=None)
    cloud.neutron.qos_policies.clear()
    assert f"qos_policy {policy} not found" in await refused(api, lb, good)
    cloud.neutron.qos_policies.add(policy)
    cloud.neutron.user_groups.clear()
    assert f"Security Group {group} not found" in await refused(api, lb, good)


async def test_a_dry_rollback_makes_no_port(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb, pool = await make(cloud, api)
    far = far_network(cloud)
    member = await api.add_member(pool["id"], "10.7.0.9", subnet_id=far.id)
    await cloud.settle(host)
    good = await newest(api, lb)
    await api.delete(f"pools/{pool['id']}/members/{member['id']}")
    for _ in range(2):
        await cloud.settle(host)
    before = dict(cloud.neutron.all_ports)
    found = await roll_back(api, lb, good, **{"Dry-Run": "true"})
    assert [each["action"] for each in found["plan"]["changes"]] == ["created"]
    await cloud.settle(host)
    assert cloud.neutron.all_ports == before
