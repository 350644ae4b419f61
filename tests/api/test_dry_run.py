"""A dry run answers as the call would, says what would change, and changes nothing."""

from typing import Any

import pytest

from hydria.store.tables import metadata
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases

DRY = {"Dry-Run": "true"}


def everything(cloud: Cloud) -> Any:
    """Return all rows of all tables, and the ports of the network service."""

    def read(connection: Any) -> Any:
        return {table.name: sorted(map(str, connection.execute(table.select()))) for table in metadata.sorted_tables}

    return cloud.database.with_connection(read), dict(cloud.networking.ports)


async def dry(api: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = await api.send(method, path, json=body, headers=DRY)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_nothing_is_written(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    Worker(cloud).step()
    admin = cloud.api("admin")
    lb, pool, member = tree["loadbalancer"], tree["pool"], tree["member"]
    calls: list[tuple[Api, str, str, Any]] = [
        (api, "POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}),
        (api, "PUT", f"loadbalancers/{lb}", {"loadbalancer": {"name": "other"}}),
        (api, "DELETE", f"loadbalancers/{lb}?cascade=true", None),
        (api, "POST", f"pools/{pool}/members", {"member": {"address": "10.0.0.77", "protocol_port": 80}}),
        (api, "PUT", f"pools/{pool}/members", {"members": []}),
        (api, "DELETE", f"pools/{pool}/members/{member}", None),
        (api, "DELETE", f"listeners/{tree['listener']}", None),
        (api, "PUT", f"loadbalancers/{lb}/rollback", {"rollback": {"to": 3}}),
        (admin, "PUT", f"loadbalancers/{lb}/failover", None),
        (admin, "PUT", "quotas/p-red", {"quota": {"pool": 3}}),
        (
            admin,
            "POST",
            "flavorprofiles",
            {"flavorprofile": {"name": "p", "provider_name": "amphora", "flavor_data": "{}"}},
        ),
    ]
    before = everything(cloud)
    for caller, method, path, body in calls:
        answer = await dry(caller, method, path, body)
        assert "plan" in answer, path
        assert (answer["plan"] is None) == ("quota" in path or "flavor" in path), path
        assert everything(cloud) == before, path


async def test_the_answer_is_that_of_the_call(api: Api, tree: dict[str, str]) -> None:
    path, body = f"pools/{tree['pool']}", {"pool": {"name": "web"}}
    tried = await dry(api, "PUT", path, body)
    done = await api.put(path, body)
    plan = tried.pop("plan")
    assert tried == done
    assert plan["changes"] == [
        {
            "action": "changed",
            "resource": "pool",
            "id": tree["pool"],
            "name": "web",
            "attribute": "name",
            "before": "",
            "after": "web",
        }
    ]
    newest = (await api.get(f"loadbalancers/{tree['loadbalancer']}/revisions", limit=1))["revisions"][0]
    assert (newest["revision"], newest["changes"]) == (plan["revision"], plan["changes"])


async def test_the_plan_says_which_way_a_change_goes(api: Api, tree: dict[str, str]) -> None:
    member = f"pools/{tree['pool']}/members/{tree['member']}"
    nothing = (await dry(api, "PUT", f"pools/{tree['pool']}", {"pool": {"description": "x"}}))["plan"]
    assert (nothing["way"], nothing["steps"], nothing["haproxy"]) == ("nothing", [], "")
    weight = (await dry(api, "PUT", member, {"member": {"weight": 7}}))["plan"]
    assert (weight["way"], weight["steps"]) == (
        "runtime",
        ["member 10.0.0.11:80 of pool " + tree["pool"] + ": set its weight from 1 to 7"],
    )
    named = {"member": "10.0.0.11:80", "pool": tree["pool"]}
    assert weight["step_words"] == [[{"code": "step_weight", "values": {"before": 1, "after": 7, **named}}]]
    removed, added = [line for line in weight["haproxy"].splitlines()[2:] if line[0] in "-+"]
    assert removed.startswith(f"-    server {tree['member']} 10.0.0.11:80 weight 1 ")
    assert added.startswith(f"+    server {tree['member']} 10.0.0.11:80 weight 7 ")
    listener = {"listener": {"timeout_client_data": 1234}}
    reload = (await dry(api, "PUT", f"listeners/{tree['listener']}", listener))["plan"]
    assert reload["way"] == "reload"
    assert "+    timeout client 1234" in reload["haproxy"]
    assert weight["haproxy"].splitlines()[0].startswith("--- haproxy.cfg (revision ")


async def test_datagrams_go_by_nftables_and_their_flows_are_cut(cloud: Cloud, api: Api) -> None:
    pool = {
        "name": "dns",
        "protocol": "UDP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": [{"address": "10.0.0.12", "protocol_port": 53}],
    }
    listener = {"name": "dns", "protocol": "UDP", "protocol_port": 53, "default_pool": pool}
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener])
    key = lb["listeners"][0]["id"]
    plan = (await dry(api, "DELETE", f"listeners/{key}"))["plan"]
    assert "nftables" in [plan["way"]] or plan["way"] == "start"
    assert plan["nftables"]
    assert [(each["resource"], each["name"]) for each in plan["cut"]] == [("listener", "dns")]


async def test_a_new_load_balancer_and_the_end_of_one(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    made = await dry(api, "POST", "loadbalancers", {"loadbalancer": {"name": "x", "vip_subnet_id": cloud.subnet.id}})
    assert made["loadbalancer"]["name"] == "x"
    assert made["plan"]["way"] == "start"
    assert [each["action"] for each in made["plan"]["changes"]] == ["created"]
    gone = await dry(api, "DELETE", f"loadbalancers/{tree['loadbalancer']}?cascade=true")
    assert list(gone) == ["plan"]
    assert gone["plan"]["way"] == "remove"
    assert [each["id"] for each in gone["plan"]["cut"]] == [tree["listener"]]
    assert len(gone["plan"]["changes"]) == 7


async def test_refusals_are_those_of_the_call(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    taken = {"listener": {"loadbalancer_id": tree["loadbalancer"], "protocol": "HTTP", "protocol_port": 80}}
    await api.fault("POST", "listeners", 409, taken, headers=DRY)
    await cloud.api("reader").fault("DELETE", f"pools/{tree['pool']}", 403, headers=DRY)
    assert "must be true or false" in await api.fault("DELETE", f"pools/{tree['pool']}", 400, headers={"Dry-Run": "1"})
    shown = await api.send("GET", f"pools/{tree['pool']}", headers=DRY)
    assert "plan" not in shown.json()
    assert (await api.send("DELETE", f"pools/{tree['pool']}", headers={"Dry-Run": "false"})).status_code == 204
