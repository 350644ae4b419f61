"""Lists: filters, tags, order, pages with links, selected fields, and the same statuses as single resources."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def many(cloud: Cloud, api: Api) -> list[Body]:
    """Seven load balancers, two created in each second."""
    made = []
    for number in range(7):
        made.append(
            await api.create(
                "loadbalancer",
                name=f"lb-{number % 3}",
                description=f"number {number}",
                vip_subnet_id=cloud.subnet.id,
                admin_state_up=number != 5,
                tags=["red"] * (number % 2) + ["Big"] * (number > 3) + ['a"b'] * (number == 6),
            )
        )
        cloud.clock.advance(number % 2)
    return made


def ids(found: list[Body]) -> list[str]:
    return [each["id"] for each in found]


async def listed(api: Api, query: str, path: str = "loadbalancers") -> list[Body]:
    found: list[Body] = (await api.get(f"{path}?{query}"))[path.rsplit("/", 1)[-1]]
    return found


async def numbers(api: Api, query: str) -> set[int]:
    return {int(each["description"].split()[1]) for each in await listed(api, query)}


async def test_filters(cloud: Cloud, api: Api, many: list[Body]) -> None:
    assert await numbers(api, "name=lb-1") == {1, 4}
    assert await numbers(api, "name=lb-1&name=lb-2") == {1, 4, 2, 5}
    assert await numbers(api, f"id={many[3]['id']}") == {3}
    assert await numbers(api, "name=lb-1&description=number+4") == {4}
    for no in ("false", "False", "0", "no"):
        assert await numbers(api, f"admin_state_up={no}") == {5}
    assert await numbers(api, "admin_state_up=True") == {0, 1, 2, 3, 4, 6}
    assert await numbers(api, f"vip_address={many[2]['vip_address']}") == {2}
    assert await numbers(api, f"vip_port_id={many[2]['vip_port_id']}") == {2}
    assert len(await listed(api, f"vip_subnet_id={cloud.subnet.id}&vip_network_id={cloud.network_id}")) == 7
    assert len(await listed(api, "provider=amphora&project_id=p-red&provisioning_status=PENDING_CREATE")) == 7
    assert await listed(api, "provisioning_status=ACTIVE") == []
    assert await listed(api, "name=") == []
    assert await listed(api, "name=LB-1") == []
    assert await listed(api, "name=lb-%25") == []


@pytest.mark.parametrize("query", ["colour=red", "generation=1", "vip_port_owned=1", "reason=", "additional_vips=[]"])
async def test_filters_on_unknown_attributes_are_refused(api: Api, query: str) -> None:
    assert await api.fault("GET", f"loadbalancers?{query}", 400) == (
        "One or more arguments are either duplicate or invalid"
    )


async def test_filters_on_statuses(cloud: Cloud, api: Api, worker: Worker, many: list[Body]) -> None:
    worker.step()
    assert len(await listed(api, "provisioning_status=ACTIVE")) == 7
    await api.change("loadbalancer", many[1]["id"], name="x")
    await api.delete(f"loadbalancers/{many[2]['id']}")
    assert await numbers(api, "provisioning_status=PENDING_UPDATE") == {1}
    assert await numbers(api, "provisioning_status=PENDING_DELETE") == {2}
    assert await numbers(api, "provisioning_status=PENDING_UPDATE&provisioning_status=PENDING_DELETE") == {1, 2}
    # Number 5 has admin_state_up false.
    assert await numbers(api, "operating_status=OFFLINE") == {5}
    assert await numbers(api, "operating_status=ONLINE") == {0, 1, 2, 3, 4, 6}
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, description="number 7")
    assert await numbers(api, "operating_status=OFFLINE") == {5, 7}


async def test_filters_on_children(api: Api, many: list[Body]) -> None:
    made = []
    for lb in many[:2]:
        listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
        pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        monitor = await api.create("healthmonitor", pool_id=pool["id"], type="TCP", delay=1, timeout=1, max_retries=1)
        member = await api.add_member(pool["id"], "10.0.0.11", weight=5)
        made.append((lb, listener, pool, monitor, member))
    lb, listener, pool, monitor, member = made[0]
    for path, query, wanted in (
        ("listeners", f"loadbalancer_id={lb['id']}", listener),
        ("listeners", f"load_balancer_id={lb['id']}&protocol=HTTP&protocol_port=80", listener),
        ("listeners", f"default_pool_id={pool['id']}", listener),
        ("pools", f"loadbalancer_id={lb['id']}&lb_algorithm=ROUND_ROBIN", pool),
        ("pools", f"healthmonitor_id={monitor['id']}", pool),
        ("healthmonitors", f"pool_id={pool['id']}&type=TCP&delay=1", monitor),
        (f"pools/{pool['id']}/members", "address=10.0.0.11&weight=5&backup=false", member),
    ):
        assert ids(await listed(api, query, path)) == [wanted["id"]]
    assert await listed(api, "protocol_port=81", "listeners") == []
    assert await listed(api, f"protocol_port={2**70}", "listeners") == []
    assert (await api.get("listeners?protocol_port=http"))["listeners"] == []


async def test_tags(api: Api, many: list[Body]) -> None:
    assert await numbers(api, "tags=red") == {1, 3, 5}
    assert await numbers(api, "tags=red,Big") == {5}
    assert await numbers(api, "tags=red&tags=Big") == {5}
    assert await numbers(api, "tags-any=red,Big") == {1, 3, 4, 5, 6}
    assert await numbers(api, "not-tags=red,Big") == {0, 1, 2, 3, 4, 6}
    assert await numbers(api, "not-tags-any=red,Big") == {0, 2}
    assert await numbers(api, 'tags=a"b') == {6}
    for other in ("big", "re", "_", "%25", '"'):
        assert await numbers(api, f"tags={other}") == set()


async def test_order(api: Api, many: list[Body]) -> None:
    plain = await listed(api, "")
    assert ids(plain) == ids(sorted(plain, key=lambda each: (each["created_at"], each["id"])))
    for query, key, reverse in (
        ("sort=description", lambda each: each["description"], False),
        ("sort=description:desc", lambda each: each["description"], True),
        ("sort_key=description&sort_dir=desc", lambda each: each["description"], True),
        ("sort_key=description&sort_dir=DESC", lambda each: each["description"], True),
        ("sort=id:asc", lambda each: each["id"], False),
        ("sort=name,description:asc", lambda each: (each["name"], each["description"]), False),
        ("sort_key=name,description", lambda each: (each["name"], each["description"]), False),
    ):
        assert ids(await listed(api, query)) == ids(sorted(plain, key=key, reverse=reverse))
    mixed = await listed(api, "sort_key=name,description&sort_dir=desc,asc")
    assert [each["description"][-1] for each in mixed] == ["2", "5", "1", "4", "0", "3", "6"]
    assert len(await listed(api, "sort=operating_status,provisioning_status:desc,admin_state_up,flavor_id")) == 7


async def test_wrong_sort_keys_and_markers_are_refused(api: Api, many: list[Body]) -> None:
    for query, sentence in (
        ("sort=colour", "Supplied sort key 'colour' is not valid."),
        ("sort_key=tags", "Supplied sort key 'tags' is not valid."),
        ("sort=name:up", "Supplied sort direction 'up' is not valid."),
        ("sort_key=name&sort_dir=up", "Supplied sort direction 'up' is not valid."),
        ("limit=many", "Supplied pagination limit 'many' is not valid."),
        ("marker=nothing", "Supplied pagination marker 'nothing' is not valid."),
    ):
        assert await api.fault("GET", f"loadbalancers?{query}", 400) == sentence


def links(found: Body) -> dict[str, str]:
    return {each["rel"]: each["href"] for each in found["loadbalancers_links"]}


@pytest.mark.parametrize(
    "query",
    ["", "sort=name", "sort=name:desc", "sort_key=updated_at", "sort=admin_state_up:desc", "name=lb-0&name=lb-1"],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_forwards_and_backwards(api: Api, many: list[Body], query: str, limit: int) -> None:
    everything = ids(await listed(api, query))
    pages: list[list[str]] = []
    found = await api.get(f"loadbalancers?{query}&limit={limit}")
    assert "previous" not in links(found)
    while True:
        pages.append(ids(found["loadbalancers"]))
        assert len(pages[-1]) <= limit
        if "next" not in links(found):
            break
        url = links(found)["next"]
        parts = urlsplit(url)
        assert url.startswith("http://cloud.test/load-balancer/v2.0/lbaas/loadbalancers?")
        assert parse_qs(parts.query)["marker"] == [pages[-1][-1]]
        found = await api.get(f"{parts.path}?{parts.query}")
    assert [key for page in pages for key in page] == everything
    assert all(pages)
    for page in reversed(pages[:-1]):
        parts = urlsplit(links(found)["previous"])
        found = await api.get(f"{parts.path}?{parts.query}")
        assert ids(found["loadbalancers"]) == page
    assert "previous" not in links(found)


@pytest.mark.parametrize("limit", ["0", "-1", "infinite", str(2**70)])
async def test_no_limit(api: Api, many: list[Body], limit: str) -> None:
    found = await api.get(f"loadbalancers?limit={limit}")
    assert len(found["loadbalancers"]) == 7
    assert found["loadbalancers_links"] == []


async def test_empty_lists(api: Api) -> None:
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert await api.get(f"{path}?limit=5") == {path: [], f"{path}_links": []}


async def test_fields(api: Api, many: list[Body]) -> None:
    found = await listed(api, "fields=id&fields=name&fields=colour&name=lb-2&sort=description")
    assert found == [{"id": each["id"], "name": "lb-2"} for each in (many[2], many[5])]
    one = await api.get(f"loadbalancers/{many[0]['id']}", fields=["vip_address", "pools"])
    assert one == {"loadbalancer": {"vip_address": many[0]["vip_address"], "pools": []}}


async def test_lists_show_what_single_resources_show(api: Api, worker: Worker, many: list[Body]) -> None:
    lb: dict[str, Any] = many[0]
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    await api.create("healthmonitor", pool_id=pool["id"], type="HTTP", delay=1, timeout=1, max_retries=1)
    member = await api.add_member(pool["id"], "10.0.0.11")
    worker.down.add(member["id"])
    worker.step()
    for root, path in (
        ("loadbalancer", "loadbalancers"),
        ("listener", "listeners"),
        ("pool", "pools"),
        ("healthmonitor", "healthmonitors"),
        ("member", f"pools/{pool['id']}/members"),
    ):
        for each in await listed(api, "", path):
            assert (await api.get(f"{path}/{each['id']}"))[root] == each
    assert (await api.show("loadbalancer", lb["id"]))["operating_status"] == "ERROR"


@pytest.mark.parametrize("key", ["tags", "tags-any", "not-tags", "not-tags-any", "name", "id", "vip_qos_policy_id"])
async def test_a_statement_does_not_grow_with_the_number_of_values(cloud: Cloud, api: Api, key: str) -> None:
    statements: set[str] = set()

    def note(*arguments: Any) -> None:
        if "load_balancer" in arguments[2]:
            statements.add(arguments[2])

    for engine in cloud.database.engines:
        event.listen(engine, "before_cursor_execute", note)
    for number in (2, 50, 1500):
        values = [f"value-{each}" for each in range(number)]
        many = ",".join(values) if "tags" in key else f"&{key}=".join(values)
        await listed(api, f"{key}={many}")
    assert len(statements) == 1
