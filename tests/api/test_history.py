"""The history of a load balancer: each change with who made it, what it changed, and when every amphora served it."""

from datetime import timedelta
from typing import Any

import pytest

from hydria.contract import Report
from hydria.controller.history import HistoryPruner
from hydria.model import LoadBalancer
from hydria.model.applied import Applied
from hydria.store import Author, columns, generations
from hydria.store.resources import Amphora
from hydria.store.revisions import Revision
from tests.support.api import Api, make_tree
from tests.support.cloud import Cloud
from tests.support.statements import noted
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


async def history(api: Api, lb: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"loadbalancers/{lb}/revisions", **query))["revisions"]
    return found


def lines(changes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("action", "resource", "name", "attribute", "before", "after")
    return [tuple(change[name] for name in names) for change in changes]


async def test_each_change_is_a_revision(api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    await api.change("pool", tree["pool"], name="web", lb_algorithm="LEAST_CONNECTIONS")
    await api.delete(f"l7policies/{tree['l7policy']}")
    newest, changed, *older = await history(api, lb)
    assert (newest["cause"], changed["cause"]) == ("DELETE /l7policies/{id}", "PUT /pools/{id}")
    assert (newest["user_id"], newest["project_id"]) == ("u-alice", "p-red")
    assert newest["request_id"].startswith("req-")
    assert newest["revision"] == changed["revision"] + 1 == older[0]["revision"] + 2
    assert lines(newest["changes"]) == [
        ("deleted", "l7policy", "", None, None, None),
        ("deleted", "l7rule", "PATH STARTS_WITH /images", None, None, None),
    ]
    assert lines(changed["changes"]) == [
        ("changed", "pool", "web", "name", "", "web"),
        ("changed", "pool", "web", "lb_algorithm", "ROUND_ROBIN", "LEAST_CONNECTIONS"),
    ]
    assert lines(older[-1]["changes"]) == [("created", "loadbalancer", "lb", None, None, None)]


async def test_a_revision_has_the_tree_as_it_was(api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    before = (await history(api, lb))[0]["revision"]
    await api.delete(f"pools/{tree['pool']}/members/{tree['member']}")
    path = f"loadbalancers/{lb}/revisions"
    shown = (await api.get(f"{path}/{before}"))["revision"]["tree"]
    assert shown["loadbalancer"]["name"] == "lb"
    assert [member["address"] for member in shown["members"]] == ["10.0.0.11"]
    assert [rule["value"] for rule in shown["l7rules"]] == ["/images"]
    assert shown["listeners"][0]["default_pool_id"] == shown["pools"][0]["id"] == tree["pool"]
    assert (await api.get(f"{path}/{before + 1}"))["revision"]["tree"]["members"] == []
    diff = (await api.get(f"{path}/{before}/diff"))["diff"]
    assert (diff["from"], diff["to"]) == (before, before + 1)
    assert lines(diff["changes"]) == [("deleted", "member", "10.0.0.11:80", None, None, None)]
    back = (await api.get(f"{path}/{before + 1}/diff", to=before))["diff"]
    assert lines(back["changes"]) == [("created", "member", "10.0.0.11:80", None, None, None)]
    assert (await api.get(f"{path}/1/diff", to=1))["diff"]["changes"] == []


async def test_pages_and_refusals(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    path = f"loadbalancers/{tree['loadbalancer']}/revisions"
    first = await api.get(path, limit=2)
    assert [each["revision"] for each in first["revisions"]] == [7, 6]
    (link,) = first["revisions_links"]
    assert link["href"].endswith("?limit=2&marker=6")
    last = await api.get(path, limit=5, marker=6)
    assert [each["revision"] for each in last["revisions"]] == [5, 4, 3, 2, 1]
    assert last["revisions_links"] == []
    assert "Revision 99" in await api.fault("GET", f"{path}/99", 404)
    assert "Revision x" in await api.fault("GET", f"{path}/1/diff?to=x", 404)
    assert "from 1 to 1000" in await api.fault("GET", f"{path}?limit=0", 400)
    await cloud.api("bob").fault("GET", path, 403)
    assert (await cloud.api("reader").get(path))["revisions"]


async def test_a_change_that_is_refused_leaves_no_revision(api: Api, tree: dict[str, str]) -> None:
    before = await history(api, tree["loadbalancer"])
    duplicate = {"loadbalancer_id": tree["loadbalancer"], "protocol": "HTTP", "protocol_port": 80}
    await api.fault("POST", "listeners", 409, {"listener": duplicate})
    assert await history(api, tree["loadbalancer"]) == before


async def test_hosts_complete_a_revision(cloud: Cloud, api: Api) -> None:
    worker = Worker(cloud, "host-1")
    tree = await make_tree(api, cloud.subnet.id)
    lb = tree["loadbalancer"]
    worker.step()
    await api.change("pool", tree["pool"], lb_algorithm="SOURCE_IP")
    await api.change("pool", tree["pool"], name="other")
    pending = await history(api, lb)
    assert [each["served"]["state"] for each in pending[:3]] == ["pending", "pending", "served"]
    cloud.clock.advance(1.5)
    newest = pending[0]["revision"]
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora, columns(Amphora).load_balancer_id == lb))
    way = Applied(generation=newest, way="reload", lost_connections=2)
    report = Report(amphora_id=amphora.id, generation=newest, applied=way)
    worker.send(report)
    done, merged, *_ = await history(api, lb)
    assert (done["served"]["state"], done["served"]["way"], done["served"]["seconds"]) == ("served", "reload", 1.5)
    assert (done["served"]["lost_requests"], done["served"]["lost_connections"]) == (0, 2)
    assert [each["way"] for each in done["served"]["amphorae"]] == ["reload"]
    assert (merged["served"]["state"], merged["served"]["with_revision"]) == ("served", newest)


async def test_a_failure_is_shown_with_its_reason(cloud: Cloud, api: Api) -> None:
    worker = Worker(cloud, "host-1")
    tree = await make_tree(api, cloud.subnet.id)
    worker.step()
    await api.change("pool", tree["pool"], name="other")
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    report = Report(amphora_id=amphora.id, generation=amphora.served, attempted=amphora.served + 1, reason="no room")
    worker.send(report)
    newest, *_ = await history(api, tree["loadbalancer"])
    assert (newest["served"]["state"], newest["served"]["reason"]) == ("failed", "no room")


async def test_changes_that_no_call_makes_say_what_made_them(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    cloud.database.transact(lambda tx: generations.bump(tx, lb, cause="networks changed"))
    newest, *_ = await history(api, lb)
    assert (newest["cause"], newest["user_id"], newest["changes"]) == ("networks changed", None, [])


async def test_a_load_balancer_from_before_there_was_a_history(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    cloud.database.transact(lambda tx: tx.delete(Revision, columns(Revision).generation > 0))
    await api.change("pool", tree["pool"], name="web")
    (only,) = await history(api, tree["loadbalancer"])
    assert only["changes"] is None
    shown = await api.get(f"loadbalancers/{tree['loadbalancer']}/revisions/{only['revision']}")
    assert len(shown["revision"]["tree"]["members"]) == 1


async def test_a_deleted_load_balancer_leaves_no_history(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    await api.delete(f"loadbalancers/{tree['loadbalancer']}", cascade=True)
    cloud.controller.work()
    assert cloud.database.read(lambda tx: tx.find(Revision)) == []


async def test_old_and_surplus_revisions_are_pruned(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    path = f"loadbalancers/{lb}/revisions"
    before = (await api.get(f"{path}/6"))["revision"]["tree"]
    pruner = HistoryPruner(cloud.database, days=30, most=2)
    pruner.step(cloud.clock.now(), 0.0)
    assert [each["revision"] for each in await history(api, lb)] == [7, 6]
    assert (await api.get(f"{path}/6"))["revision"]["tree"] == before
    assert [each["changes"] is None for each in await history(api, lb)] == [False, True]
    later = cloud.clock.now() + timedelta(days=31)
    pruner.step(later, 1.0)
    assert len(await history(api, lb)) == 2
    pruner.step(later, 100.0)
    assert [each["revision"] for each in await history(api, lb)] == [7]


async def test_a_large_change_is_kept_compressed(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    members = [{"address": f"10.0.1.{number}", "protocol_port": 80} for number in range(100)]
    answer = await api.send("PUT", f"pools/{tree['pool']}/members", json={"members": members})
    assert answer.status_code == 202
    (newest, *_) = await history(api, tree["loadbalancer"])
    assert len(newest["changes"]) == 101
    (row,) = cloud.database.read(lambda tx: tx.find(Revision, columns(Revision).generation == newest["revision"]))
    assert len(row.touched) < 12_000


async def test_a_change_of_many_load_balancers_costs_few_statements(cloud: Cloud, api: Api) -> None:
    made = [await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id) for _ in range(10)]
    which = columns(LoadBalancer).project_id == "p-red"
    with noted(cloud.database) as statements:
        cloud.database.transact(lambda tx: generations.bump_where(tx, which, cause="networks changed"))
    assert len(statements) <= 2
    for lb in made:
        newest, first = await history(api, lb["id"])
        assert (newest["revision"], newest["cause"], newest["changes"]) == (2, "networks changed", [])
        assert first["revision"] == 1


async def test_several_changes_in_one_transaction_are_one_revision(cloud: Cloud, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]

    def work(transaction: Any) -> None:
        transaction.author = Author(
            user_id="u", project_id=None, request_id="req-1", cause="twice", at=cloud.clock.now()
        )
        generations.bump(transaction, lb)
        generations.bump(transaction, lb)

    cloud.database.transact(work)
    found = cloud.database.read(lambda tx: tx.find(Revision, order_by=(columns(Revision).generation,)))
    assert [(each.generation, each.cause) for each in found[-2:]] == [
        (7, "POST /l7policies/{l7policy_id}/rules"),
        (9, "twice"),
    ]
