"""Octavia's provider driver chooses the ids of new resources; for others the attribute `id` does not exist."""

import uuid
from typing import Any

import pytest

from hydria.model.network import PORT_OWNER, Device
from tests.support.api import Api, paths_of
from tests.support.cloud import Cloud

# Ids by the roots of the bodies.
IDS = {
    root: f"{number:08d}-0000-4000-8000-000000000000"
    for number, root in enumerate(
        ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "rule"), 1
    )
}
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/images"}


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    return cloud.api("admin")


def forms(cloud: Cloud) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the root, path and body of one resource of each kind, each below the one before."""
    lb, listener, pool, policy = (IDS[root] for root in ("loadbalancer", "listener", "pool", "l7policy"))
    return [
        ("loadbalancer", "loadbalancers", {"vip_subnet_id": cloud.subnet.id, "project_id": "p-red"}),
        ("listener", "listeners", {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 80}),
        ("pool", "pools", {"listener_id": listener, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}),
        ("member", f"pools/{pool}/members", {"address": "10.0.0.11", "protocol_port": 80}),
        ("healthmonitor", "healthmonitors", {"pool_id": pool, **MONITOR}),
        ("l7policy", "l7policies", {"listener_id": listener, "action": "REJECT"}),
        ("rule", f"l7policies/{policy}/rules", RULE),
    ]


async def test_every_resource_gets_the_chosen_id(cloud: Cloud, admin: Api) -> None:
    for root, path, form in forms(cloud):
        made = (await admin.post(path, {root: {**form, "id": IDS[root]}}))[root]
        assert (made["id"], made["project_id"]) == (IDS[root], "p-red")
    for root, path in paths_of(IDS).items():
        assert (await admin.get(path))[root]["id"] == IDS[root]


async def test_without_the_right_the_attribute_is_unknown(cloud: Cloud, api: Api, admin: Api) -> None:
    for root, path, form in forms(cloud):
        body = {root: {**form, "id": str(uuid.uuid4())}}
        message = await api.fault("POST", path, 400, body)
        assert message.startswith("Unknown attribute for argument "), message
        assert message.endswith(": id")
        await admin.post(path, {root: {**form, "id": IDS[root]}})


async def test_an_id_in_use_is_refused(cloud: Cloud, admin: Api) -> None:
    for root, path, form in forms(cloud):
        await admin.post(path, {root: {**form, "id": IDS[root]}})
    lb, pool = IDS["loadbalancer"], IDS["pool"]
    others: list[tuple[str, str, dict[str, Any]]] = [
        ("loadbalancer", "loadbalancers", {"vip_subnet_id": cloud.subnet.id}),
        ("listener", "listeners", {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 81}),
        ("member", f"pools/{pool}/members", {"address": "10.0.0.12", "protocol_port": 80}),
    ]
    for root, path, form in others:
        message = await admin.fault("POST", path, 409, {root: {**form, "id": IDS[root]}})
        assert message == "Already an entity with that specified id."
    twice = [{"address": f"10.0.0.{number}", "protocol_port": 80, "id": str(uuid.UUID(int=7))} for number in (3, 4)]
    await admin.fault("PUT", f"pools/{pool}/members", 409, {"members": twice})


async def test_a_whole_tree_has_the_chosen_ids(cloud: Cloud, admin: Api) -> None:
    pool = {
        "id": IDS["pool"],
        "name": "p",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "healthmonitor": {**MONITOR, "id": IDS["healthmonitor"]},
        "members": [{"address": "10.0.0.11", "protocol_port": 80, "id": IDS["member"]}],
    }
    policy = {
        "id": IDS["l7policy"],
        "action": "REDIRECT_TO_POOL",
        "redirect_pool": {"name": "p"},
        "rules": [{**RULE, "id": IDS["rule"]}],
    }
    listener = {
        "id": IDS["listener"],
        "protocol": "HTTP",
        "protocol_port": 80,
        "default_pool": {"name": "p"},
        "l7policies": [policy],
    }
    await admin.create(
        "loadbalancer",
        id=IDS["loadbalancer"],
        vip_subnet_id=cloud.subnet.id,
        listeners=[listener],
        pools=[pool],
    )
    for root, path in paths_of(IDS).items():
        assert (await admin.get(path))[root]["id"] == IDS[root]


async def test_a_batch_chooses_the_ids_of_new_members_only(cloud: Cloud, admin: Api) -> None:
    for root, path, form in forms(cloud)[:4]:
        await admin.post(path, {root: {**form, "id": IDS[root]}})
    new = str(uuid.uuid4())
    members = [
        {"address": "10.0.0.11", "protocol_port": 80, "weight": 7, "id": str(uuid.uuid4())},
        {"address": "10.0.0.12", "protocol_port": 80, "id": new},
    ]
    path = f"pools/{IDS['pool']}/members"
    await admin.send("PUT", path, json={"members": members})
    found = {each["id"]: each["weight"] for each in (await admin.get(path))["members"]}
    assert found == {IDS["member"]: 7, new: 1}


async def test_a_port_that_was_made_for_the_chosen_id_may_be_its_vip(cloud: Cloud, admin: Api) -> None:
    device = Device(id=f"lb-{IDS['loadbalancer']}", owner=PORT_OWNER)
    port = cloud.networking.create_port("octavia-lb", "p-red", cloud.subnet, None, device)
    form = {"vip_port_id": port.id, "project_id": "p-red"}
    message = await admin.fault("POST", "loadbalancers", 400, {"loadbalancer": {**form, "id": str(uuid.uuid4())}})
    assert f"Port {port.id} is already used by device" in message
    made = await admin.create("loadbalancer", id=IDS["loadbalancer"], **form)
    assert made["vip_port_id"] == port.id
    await admin.delete(f"loadbalancers/{IDS['loadbalancer']}")
