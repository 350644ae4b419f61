"""The number of SQL statements of a call: small, and independent of the number of resources."""

from typing import Any

import pytest

from tests.support.api import Api, paths_of
from tests.support.cloud import Cloud
from tests.support.statements import noted

pytestmark = pytest.mark.both_databases


async def cost(cloud: Cloud, api: Api, method: str, path: str, body: Any = None) -> int:
    with noted(cloud.database) as statements:
        answer = await api.send(method, path, json=body)
    assert answer.status_code < 300, answer.text
    return len(statements)


@pytest.mark.parametrize("root", ["loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy", "rule"])
async def test_show_and_change_cost_few_statements(cloud: Cloud, api: Api, tree: dict[str, str], root: str) -> None:
    path = paths_of(tree)[root]
    assert 1 <= await cost(cloud, api, "GET", path) <= 3
    assert await cost(cloud, api, "PUT", path, {root: {"admin_state_up": False}}) <= 8


async def test_creates_cost_few_statements(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    lb, pool = tree["loadbalancer"], tree["pool"]
    bare = await api.create("listener", loadbalancer_id=lb, protocol="HTTP", protocol_port=82)
    policy = await api.create("l7policy", listener_id=bare["id"], action="REJECT")
    alone = await api.create("pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    listener = {"loadbalancer_id": lb, "protocol": "HTTP"}
    round_robin = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    member = {"protocol_port": 80, "subnet_id": cloud.subnet.id}
    monitor = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
    redirect = {"action": "REDIRECT_TO_POOL", "redirect_pool_id": pool}
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("loadbalancers", "loadbalancer", {"vip_subnet_id": cloud.subnet.id}),
        ("listeners", "listener", {**listener, "protocol_port": 81}),
        ("listeners", "listener", {**listener, "protocol_port": 83, "default_pool_id": pool}),
        ("pools", "pool", {**round_robin, "loadbalancer_id": lb}),
        ("pools", "pool", {**round_robin, "listener_id": bare["id"]}),
        (f"pools/{pool}/members", "member", {**member, "address": "10.0.0.12"}),
        (f"pools/{alone['id']}/members", "member", {**member, "address": "10.0.0.12"}),
        ("healthmonitors", "healthmonitor", {**monitor, "pool_id": alone["id"]}),
        ("l7policies", "l7policy", {"listener_id": bare["id"], **redirect}),
        ("l7policies", "l7policy", {"listener_id": bare["id"], "action": "REJECT", "position": 1}),
        ("l7policies", "l7policy", {"listener_id": bare["id"], **redirect, "position": 1}),
        (f"l7policies/{policy['id']}/rules", "rule", rule),
    ]
    costs = [(path, body, await cost(cloud, api, "POST", path, {root: body})) for path, root, body in bodies]
    assert [(path, body, number) for path, body, number in costs if number > 8] == []


async def test_a_batch_costs_the_same_whatever_its_size(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    def batch(count: int, weight: int) -> Any:
        return {
            "members": [
                {"address": f"10.0.1.{number}", "protocol_port": 80, "weight": weight} for number in range(count)
            ]
        }

    path = f"pools/{tree['pool']}/members"
    steps = [(2, 1), (40, 2), (3, 3), (80, 4)]
    costs = [await cost(cloud, api, "PUT", path, batch(*step)) for step in steps]
    assert max(costs) <= 11


async def test_a_list_costs_the_same_whatever_its_length(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    paths = ["loadbalancers", "listeners", "pools", "healthmonitors", "l7policies"]
    paths += [f"pools/{tree['pool']}/members", f"l7policies/{tree['l7policy']}/rules"]
    paths.append(f"loadbalancers/{tree['loadbalancer']}/status")
    short = {path: await cost(cloud, api, "GET", path) for path in paths}
    for number in range(15):
        member = {"address": f"10.0.0.{50 + number}", "protocol_port": 80}
        pool = {"name": f"p{number}", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}
        listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener])
        await api.add_member(tree["pool"], f"10.0.0.{100 + number}")
    assert {path: await cost(cloud, api, "GET", path) for path in paths} == short
    assert max(short.values()) <= 8


async def test_a_whole_tree_costs_the_same_whatever_its_size(cloud: Cloud, api: Api) -> None:
    def body(members: int) -> Any:
        servers = [{"address": f"10.0.0.{10 + number}", "protocol_port": 80} for number in range(members)]
        pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": servers}
        listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        return {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "listeners": [listener]}}

    small, large = [await cost(cloud, api, "POST", "loadbalancers", body(members)) for members in (1, 40)]
    assert small == large
