"""What Neutron may lack: an attribute of an extension is sent only where it is wanted, or is to be cleared."""

import pytest

from hydria.model.neutron import AMPHORA_OWNER, NeutronPort
from tests.support.api import Api
from tests.support.neutron import NeutronCloud

POLICY = "c0f7d6f0-54f3-4f0e-9b1e-6a3a6e1f1c11"
GROUP = "5a0ed9f2-64c5-4b2c-8a3d-9be4d6e0b0a1"


def base(cloud: NeutronCloud) -> NeutronPort:
    """Return the only port of an amphora."""
    (found,) = [each for each in cloud.neutron.all_ports.values() if each.device_owner == AMPHORA_OWNER]
    return found


@pytest.mark.parametrize("alias", ["qos", "dns-integration", "network-ip-availability"])
async def test_load_balancers_are_served_without_it(cloud: NeutronCloud, api: Api, alias: str) -> None:
    cloud.neutron.extensions.remove(alias)
    cloud.neutron.add_subnet(cloud.web, "10.1.0.0/24")
    cloud.neutron.user_groups.add(GROUP)
    host = cloud.host("h1")
    lb = await api.create("loadbalancer", vip_network_id=cloud.web.id)
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    await cloud.settle(host)
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    await api.change("loadbalancer", lb["id"], vip_sg_ids=[GROUP])
    await cloud.settle(host)
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    assert base(cloud).security_groups == (f"group lb-{lb['id']}", GROUP)


async def test_without_qos_a_policy_is_refused_as_by_octavia(cloud: NeutronCloud, api: Api) -> None:
    cloud.neutron.qos_policies.add(POLICY)
    cloud.neutron.extensions.remove("qos")
    body = {"loadbalancer": {"vip_subnet_id": cloud.web_subnet.id, "vip_qos_policy_id": POLICY}}
    assert "VIP QoS policy is not allowed in this deployment." in await api.fault("POST", "loadbalancers", 400, body)
    assert cloud.neutron.all_ports == {}


async def test_a_policy_is_cleared(cloud: NeutronCloud, api: Api) -> None:
    cloud.neutron.qos_policies.add(POLICY)
    host = cloud.host("h1")
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id, vip_qos_policy_id=POLICY)
    await cloud.settle(host)
    vip = lb["vip_port_id"]
    assert (base(cloud).qos_policy_id, cloud.neutron.all_ports[vip].qos_policy_id) == (POLICY, POLICY)
    await api.change("loadbalancer", lb["id"], vip_qos_policy_id=None)
    await cloud.settle(host)
    assert (base(cloud).qos_policy_id, cloud.neutron.all_ports[vip].qos_policy_id) == (None, None)


async def test_a_policy_of_a_users_port_is_kept_or_cleared_as_the_user_says(cloud: NeutronCloud, api: Api) -> None:
    cloud.neutron.qos_policies.add(POLICY)
    host = cloud.host("h1")
    fixed = [{"subnet_id": cloud.web_subnet.id}]
    for given, after in (({}, POLICY), ({"vip_qos_policy_id": None}, None)):
        mine = await cloud.neutron.create_port(
            network_id=cloud.web.id, fixed_ips=fixed, project_id="p-red", qos_policy_id=POLICY
        )
        lb = await api.create("loadbalancer", vip_port_id=mine.id, **given)
        await cloud.settle(host)
        assert (base(cloud).qos_policy_id, cloud.neutron.all_ports[mine.id].qos_policy_id) == (after, after)
        await api.delete(f"loadbalancers/{lb['id']}")
        await cloud.settle(host)


async def test_ports_of_a_network_without_port_security_get_no_groups(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    subnet = cloud.neutron.add_subnet(cloud.neutron.add_network("p-red", secured=False), "10.7.0.0/24")
    cloud.neutron.qos_policies.add(POLICY)
    lb = await api.create("loadbalancer", vip_subnet_id=subnet.id)
    await cloud.settle(host)
    await api.change("loadbalancer", lb["id"], vip_qos_policy_id=POLICY)
    await cloud.settle(host)
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    assert (base(cloud).security_groups, base(cloud).qos_policy_id) == ((), POLICY)
