"""A change that waits for Neutron says so: in the status tree, in `explain`, and until Neutron has done it."""

import pytest

from hydria.errors import Conflict, Unavailable
from hydria.store.resources import Wait
from tests.support.api import Api, Body
from tests.support.neutron import NeutronCloud

AWAY = Unavailable("Neutron does not answer. Please try again.")
FULL = Conflict("Quota exceeded for resources: ['security_group'].")
WAITED_FOR = "Neutron is waited for, and is asked again: Neutron does not answer."
REFUSED = f"Neutron refuses what is needed, and is asked again: {FULL.message}"


async def seen(api: Api, lb: Body) -> tuple[str, str | None]:
    """Return the provisioning status of a load balancer and its reason."""
    found = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    return found["provisioning_status"], found.get("provisioning_status_reason")


async def explained(api: Api, lb: Body) -> Body:
    """Return why a load balancer is as it is."""
    return dict((await api.get(f"loadbalancers/{lb['id']}/explain"))["explain"])


def waits(cloud: NeutronCloud) -> list[Wait]:
    """Return the rows."""
    return cloud.database.read(lambda tx: tx.find(Wait))


@pytest.mark.parametrize("verbs", [("create_group", "ensure_group"), ("create_port",), ("add_rules",)])
async def test_a_new_load_balancer_waits_for_a_neutron_that_is_away(
    cloud: NeutronCloud, api: Api, verbs: tuple[str, ...]
) -> None:
    host = cloud.host("h1")
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id)
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    for verb in verbs:
        cloud.neutron.faults.set(verb, AWAY)
    await cloud.settle(host)
    assert await seen(api, lb) == ("PENDING_CREATE", WAITED_FOR)
    found = await explained(api, lb)
    assert (found["waiting_for"][0]["kind"], found["waiting_for"][0]["sentence"]) == ("service", WAITED_FOR)
    assert found["summary"] == f"Revision 2 is being carried out. {WAITED_FOR}"
    (since,) = [each.since for each in waits(cloud)]
    await cloud.settle(host)
    assert [each.since for each in waits(cloud)] == [since]
    cloud.neutron.faults.clear()
    cloud.clock.advance(31)
    await cloud.settle(host)
    assert (await seen(api, lb), waits(cloud)) == (("ACTIVE", None), [])


async def test_a_refused_group_puts_a_new_load_balancer_into_error(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id)
    cloud.neutron.faults.set("create_group", FULL)
    cloud.neutron.faults.set("ensure_group", FULL)
    await cloud.settle(host)
    status, reason = await seen(api, lb)
    assert (status, FULL.message in str(reason)) == ("ERROR", True)
    assert (await explained(api, lb))["waiting_for"][0]["sentence"] == REFUSED
    cloud.neutron.faults.clear()
    cloud.clock.advance(31)
    await cloud.settle(host)
    assert (await seen(api, lb), waits(cloud)) == (("ACTIVE", None), [])


@pytest.mark.parametrize(
    ("verb", "change"),
    [("update_port", {"vip_qos_policy_id": "c0f7d6f0-54f3-4f0e-9b1e-6a3a6e1f1c11"}), ("add_rules", None)],
)
async def test_a_change_is_pending_until_neutron_has_it(
    cloud: NeutronCloud, api: Api, verb: str, change: dict[str, object] | None
) -> None:
    host = cloud.host("h1")
    cloud.neutron.qos_policies.add("c0f7d6f0-54f3-4f0e-9b1e-6a3a6e1f1c11")
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id)
    await cloud.settle(host)
    cloud.neutron.faults.set(verb, FULL)
    if change is None:
        await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    else:
        await api.change("loadbalancer", lb["id"], **change)
    await cloud.settle(host)
    assert await seen(api, lb) == ("PENDING_UPDATE", REFUSED)
    cloud.neutron.faults.clear()
    cloud.clock.advance(31)
    await cloud.settle(host)
    assert (await seen(api, lb), waits(cloud)) == (("ACTIVE", None), [])


async def test_a_deletion_says_what_it_waits_for(cloud: NeutronCloud, api: Api) -> None:
    host = cloud.host("h1")
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id)
    await cloud.settle(host)
    cloud.neutron.faults.set("delete_port", AWAY)
    await api.delete(f"loadbalancers/{lb['id']}")
    await cloud.settle(host)
    assert await seen(api, lb) == ("PENDING_DELETE", WAITED_FOR)
    assert (await explained(api, lb))["summary"] == f"The deletion is being carried out. {WAITED_FOR}"
    cloud.neutron.faults.clear()
    cloud.clock.advance(31)
    await cloud.settle(host)
    await api.fault("GET", f"loadbalancers/{lb['id']}", 404)
    assert waits(cloud) == []


async def test_work_that_is_left_over_does_not_make_it_pending(cloud: NeutronCloud, api: Api) -> None:
    hosts = [cloud.host("h1"), cloud.host("h2")]
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.web_subnet.id)
    await cloud.settle(*hosts)
    cloud.neutron.faults.set("delete_port", AWAY)
    await cloud.api("admin").send("PUT", f"loadbalancers/{lb['id']}/failover")
    for _ in range(4):
        await cloud.settle(*hosts)
    assert await seen(api, lb) == ("ACTIVE", None)
    assert (await explained(api, lb))["summary"].endswith(WAITED_FOR)
