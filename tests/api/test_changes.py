"""PUT: changed attributes, null, statuses meanwhile, and changes while PENDING."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, paths_of
from tests.support.cloud import Cloud, running
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


async def states(api: Api, tree: dict[str, str]) -> dict[str, str]:
    return {root: (await api.get(path))[root]["provisioning_status"] for root, path in paths_of(tree).items()}


async def test_change_and_settle(cloud: Cloud, api: Api, worker: Worker, tree: dict[str, str]) -> None:
    worker.step()
    assert set((await states(api, tree)).values()) == {"ACTIVE"}
    cloud.clock.advance(60)
    changed = await api.change("listener", tree["listener"], name="web", timeout_client_data=14400000)
    assert (changed["name"], changed["timeout_client_data"]) == ("web", 14400000)
    assert changed["created_at"] == "2026-01-01T00:00:00"
    assert changed["updated_at"] == "2026-01-01T00:01:00"
    assert changed["provisioning_status"] == "PENDING_UPDATE"
    assert await states(api, tree) == {
        "loadbalancer": "PENDING_UPDATE",
        "listener": "PENDING_UPDATE",
        "pool": "ACTIVE",
        "member": "ACTIVE",
        "healthmonitor": "ACTIVE",
        "l7policy": "ACTIVE",
        "rule": "ACTIVE",
    }
    worker.step()
    assert set((await states(api, tree)).values()) == {"ACTIVE"}
    served = next(iter(worker.serving.values())).tree
    assert served.listeners[0].timeout_client_data == 14400000


async def test_every_change_while_pending_is_merged(api: Api, worker: Worker, tree: dict[str, str]) -> None:
    assert (await states(api, tree))["loadbalancer"] == "PENDING_CREATE"
    await api.change("pool", tree["pool"], lb_algorithm="SOURCE_IP")
    await api.change("healthmonitor", tree["healthmonitor"], delay=1, url_path="/up")
    # Before the first configuration is served, a change is no PENDING_UPDATE.
    assert set((await states(api, tree)).values()) == {"PENDING_CREATE"}
    await api.change("loadbalancer", tree["loadbalancer"], name="other", description="d", tags=["x"])
    assert len(worker.fetch().serve) == 1
    worker.holding = type(worker.holding)(host="host-1")
    worker.step()
    assert set((await states(api, tree)).values()) == {"ACTIVE"}
    served = next(iter(worker.serving.values())).tree
    assert (served.pools[0].lb_algorithm, served.health_monitors[0].url_path) == ("SOURCE_IP", "/up")
    assert served.load_balancer.name == "other"


async def test_an_old_confirmation_does_not_settle_a_newer_change(
    api: Api, worker: Worker, tree: dict[str, str]
) -> None:
    orders = worker.fetch()
    await api.change("pool", tree["pool"], name="later")
    worker.serve(orders)
    found = await states(api, tree)
    assert (found["loadbalancer"], found["pool"], found["listener"]) == (
        "PENDING_UPDATE",
        "PENDING_UPDATE",
        "PENDING_UPDATE",
    )
    worker.step()
    assert set((await states(api, tree)).values()) == {"ACTIVE"}


@pytest.mark.parametrize(
    ("root", "attribute", "value", "default"),
    [
        ("loadbalancer", "name", "a", ""),
        ("loadbalancer", "description", "a", ""),
        ("loadbalancer", "tags", ["a"], []),
        ("loadbalancer", "admin_state_up", True, False),
        ("listener", "connection_limit", 5, -1),
        ("listener", "timeout_client_data", 1, 50000),
        ("listener", "timeout_member_connect", 1, 5000),
        ("listener", "timeout_member_data", 1, 50000),
        ("listener", "timeout_tcp_inspect", 1, 0),
        ("listener", "default_pool_id", None, None),
        ("pool", "name", "a", ""),
        ("pool", "admin_state_up", "on", False),
        ("member", "weight", 7, 1),
        ("member", "backup", True, False),
        ("member", "monitor_port", 99, None),
        ("member", "monitor_address", "10.0.0.5", None),
        ("healthmonitor", "max_retries_down", 5, 3),
        ("healthmonitor", "http_method", "HEAD", "GET"),
        ("healthmonitor", "url_path", "/x", "/"),
        ("healthmonitor", "expected_codes", "200,201", "200"),
        ("healthmonitor", "domain_name", None, None),
    ],
)
async def test_null_resets_an_attribute_to_its_default(
    api: Api, tree: dict[str, str], root: str, attribute: str, value: Any, default: Any
) -> None:
    path = paths_of(tree)[root]
    before = (await api.get(path))[root]
    changed = (await api.put(path, {root: {attribute: value}}))[root]
    assert changed[attribute] == (True if value == "on" else value)
    after = (await api.put(path, {root: {attribute: None}}))[root]
    assert after == (await api.get(path))[root]
    # The change touches nothing but the attribute.
    assert after == {**before, attribute: default, "updated_at": after["updated_at"]}


async def test_null_is_refused_for_an_algorithm(api: Api, tree: dict[str, str]) -> None:
    sentence = await api.fault("PUT", f"pools/{tree['pool']}", 400, {"pool": {"lb_algorithm": None}})
    assert sentence == "None is not a valid option for lb_algorithm"


async def test_null_is_refused_for_a_monitors_timing(api: Api, tree: dict[str, str]) -> None:
    for attribute in ("delay", "timeout", "max_retries"):
        path = f"healthmonitors/{tree['healthmonitor']}"
        sentence = await api.fault("PUT", path, 400, {"healthmonitor": {attribute: None}})
        assert sentence == f"None is not a valid option for {attribute}"


async def test_changing_the_default_pool_of_a_listener(api: Api, tree: dict[str, str]) -> None:
    key, lb = tree["listener"], tree["loadbalancer"]
    other = await api.create("pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="SOURCE_IP")
    changed = await api.change("listener", key, default_pool_id=other["id"])
    assert changed["default_pool_id"] == other["id"]
    assert (await api.show("pool", tree["pool"]))["listeners"] == []
    assert (await api.show("pool", other["id"]))["listeners"] == [{"id": key}]
    tcp = await api.create("pool", loadbalancer_id=lb, protocol="TCP", lb_algorithm="SOURCE_IP")
    body = {"listener": {"default_pool_id": tcp["id"]}}
    assert await api.fault("PUT", f"listeners/{key}", 400, body) == (
        "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'."
    )


async def test_attributes_of_other_monitor_types_are_refused(api: Api, tree: dict[str, str]) -> None:
    pool = await api.create("pool", loadbalancer_id=tree["loadbalancer"], protocol="TCP", lb_algorithm="ROUND_ROBIN")
    made = await api.create("healthmonitor", pool_id=pool["id"], type="TCP", delay=1, timeout=1, max_retries=1)
    body = {"healthmonitor": {"url_path": "/"}}
    assert await api.fault("PUT", f"healthmonitors/{made['id']}", 400, body) == (
        "url_path is not a valid option for health monitors of type TCP"
    )
    assert (await api.change("healthmonitor", made["id"], delay=9))["url_path"] is None


async def test_a_refused_change_leaves_no_trace(api: Api, worker: Worker, tree: dict[str, str]) -> None:
    worker.step()
    body = {"listener": {"name": "x", "default_pool_id": tree["listener"]}}
    await api.fault("PUT", f"listeners/{tree['listener']}", 404, body)
    assert set((await states(api, tree)).values()) == {"ACTIVE"}
    assert worker.fetch().serve == ()


async def test_strict_immutable(tmp_path: Path) -> None:
    async with running(tmp_path, strict_immutable=True) as cloud:
        api, worker = cloud.api(), Worker(cloud)
        lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
        path, change = f"loadbalancers/{lb['id']}", {"loadbalancer": {"name": "x"}}
        say = f"Invalid state PENDING_CREATE of loadbalancer resource {lb['id']}"
        assert await api.fault("PUT", path, 409, change) == say
        assert await api.fault("DELETE", path, 409) == say
        listener = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "protocol_port": 80}
        worker.step()
        made = await api.create("listener", **listener)
        immutable = f"Load Balancer {lb['id']} is immutable and cannot be updated."
        assert await api.fault("POST", "listeners", 409, {"listener": {**listener, "protocol_port": 81}}) == immutable
        assert await api.fault("PUT", f"listeners/{made['id']}", 409, {"listener": {"name": "x"}}) == immutable
        assert await api.fault("DELETE", f"listeners/{made['id']}", 409) == immutable
        # A failed load balancer is not pending.
        worker.trouble = "no room"
        worker.step()
        assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ERROR"
        await api.delete(path, cascade="true")
        assert (
            await api.fault("DELETE", path, 409) == f"Invalid state PENDING_DELETE of loadbalancer resource {lb['id']}"
        )
