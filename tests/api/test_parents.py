"""Parents are PENDING_UPDATE while a resource below them changes, as in Octavia."""

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker

ROUND = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
PATH = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}

# Changes, each with the resources that Octavia 19 sets to PENDING_UPDATE besides the load balancer.
CHANGES: list[tuple[str, str, Any, set[str]]] = [
    ("POST", "pools/{pool}/members", {"member": {"address": "10.0.0.9", "protocol_port": 1}}, {"pool", "listener"}),
    ("PUT", "pools/{pool}/members/{member}", {"member": {"weight": 9}}, {"pool", "listener", "member"}),
    ("DELETE", "pools/{pool}/members/{member}", None, {"pool", "listener"}),
    ("PUT", "pools/{pool}/members", {"members": []}, {"pool", "listener"}),
    ("PUT", "pools/{alone}", {"pool": {"name": "x"}}, {"alone"}),
    ("POST", "pools/{alone}/members", {"member": {"address": "10.0.0.9", "protocol_port": 1}}, {"alone"}),
    ("PUT", "pools/{pool}", {"pool": {"name": "x"}}, {"pool", "listener"}),
    ("PUT", "pools/{second}", {"pool": {"name": "x"}}, {"second", "listener"}),
    ("POST", "pools/{second}/members", {"member": {"address": "10.0.0.9", "protocol_port": 1}}, {"second", "listener"}),
    ("PUT", "healthmonitors/{monitor}", {"healthmonitor": {"delay": 9}}, {"monitor", "pool", "listener"}),
    ("DELETE", "healthmonitors/{monitor}", None, {"pool", "listener"}),
    ("PUT", "l7policies/{policy}", {"l7policy": {"name": "x"}}, {"policy", "listener"}),
    ("POST", "l7policies/{policy}/rules", {"rule": PATH}, {"policy", "listener"}),
    ("DELETE", "l7policies/{policy}/rules/{rule}", None, {"policy", "listener"}),
    ("PUT", "listeners/{listener}", {"listener": {"name": "x"}}, {"listener"}),
    ("PUT", "loadbalancers/{lb}", {"loadbalancer": {"name": "x"}}, set()),
]
PATHS = {
    "lb": "loadbalancers/{lb}",
    "listener": "listeners/{listener}",
    "pool": "pools/{pool}",
    "second": "pools/{second}",
    "alone": "pools/{alone}",
    "member": "pools/{pool}/members/{member}",
    "monitor": "healthmonitors/{monitor}",
    "policy": "l7policies/{policy}",
    "rule": "l7policies/{policy}/rules/{rule}",
}
LISTS = ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies")


@pytest.fixture
async def tree(cloud: Cloud, api: Api, worker: Worker) -> dict[str, str]:
    """A settled load balancer with three pools: of a listener, of a policy, and unused."""
    lb = (await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id))["id"]
    listener = (await api.create("listener", loadbalancer_id=lb, protocol="HTTP", protocol_port=80))["id"]
    pool = (await api.create("pool", listener_id=listener, **ROUND))["id"]
    second = (await api.create("pool", loadbalancer_id=lb, **ROUND))["id"]
    alone = (await api.create("pool", loadbalancer_id=lb, **ROUND))["id"]
    member = (await api.add_member(pool, "10.0.0.11"))["id"]
    monitor = (await api.create("healthmonitor", pool_id=pool, **MONITOR))["id"]
    sends = {"action": "REDIRECT_TO_POOL", "redirect_pool_id": second}
    policy = (await api.create("l7policy", listener_id=listener, **sends))["id"]
    rule = (await api.post(f"l7policies/{policy}/rules", {"rule": PATH}))["rule"]["id"]
    worker.step()
    made = {"lb": lb, "listener": listener, "pool": pool, "second": second, "alone": alone}
    return made | {"member": member, "monitor": monitor, "policy": policy, "rule": rule}


async def pending(api: Api, tree: dict[str, str]) -> set[str]:
    """Return the resources that are PENDING_UPDATE."""
    found = set()
    for name, path in PATHS.items():
        answer = await api.send("GET", path.format(**tree))
        if answer.status_code == 200 and next(iter(answer.json().values()))["provisioning_status"] == "PENDING_UPDATE":
            found.add(name)
    return found


@pytest.mark.parametrize("change", CHANGES)
async def test_the_parents_of_a_change_are_pending(
    api: Api, worker: Worker, tree: dict[str, str], change: tuple[str, str, Any, set[str]]
) -> None:
    method, path, body, marked = change
    assert await pending(api, tree) == set()
    assert (await api.send(method, path.format(**tree), json=body)).status_code < 300
    assert await pending(api, tree) == {"lb"} | marked
    # Lists and the status tree show the same.
    ids = {tree[name] for name in {"lb"} | marked}
    listed = {
        each["id"] for kind in LISTS for each in (await api.get(kind, provisioning_status="PENDING_UPDATE"))[kind]
    }
    assert listed == ids - {tree["member"]}
    status = (await api.get(f"loadbalancers/{tree['lb']}/status"))["statuses"]["loadbalancer"]
    shown = [status, *status["listeners"], *status["listeners"][0]["pools"], *status.get("pools", [])]
    for each in shown:
        assert (each["provisioning_status"] == "PENDING_UPDATE") == (each["id"] in ids)
    worker.step()
    assert await pending(api, tree) == set()


async def test_a_failed_child_does_not_put_its_parent_in_error(api: Api, worker: Worker, tree: dict[str, str]) -> None:
    member = await api.add_member(tree["pool"], "10.0.0.12")
    worker.trouble = "no"
    worker.serve(worker.fetch())
    found = (await api.get(f"pools/{tree['pool']}/members/{member['id']}"))["member"]
    assert found["provisioning_status"] == "ERROR"
    for name in ("pool", "listener"):
        assert next(iter((await api.get(PATHS[name].format(**tree))).values()))["provisioning_status"] == "ACTIVE"
