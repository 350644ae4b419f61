"""L7 policies: bodies, order, redirections, refusals."""

import asyncio
from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

UNKNOWN = "00000000-0000-0000-0000-000000000001"
URL = "https://www.example.com/new"


@pytest.fixture
async def lb(cloud: Cloud, api: Api) -> Body:
    return await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)


@pytest.fixture
async def listener(api: Api, lb: Body) -> Body:
    return await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)


@pytest.fixture
async def pool(api: Api, lb: Body) -> Body:
    return await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")


async def add(api: Api, listener: Body, **attributes: Any) -> Body:
    return await api.create("l7policy", **{"listener_id": listener["id"], "action": "REJECT", **attributes})


async def order(api: Api, listener: Body) -> list[str]:
    found = await api.get("l7policies", listener_id=listener["id"], sort="position")
    policies = found["l7policies"]
    assert [each["position"] for each in policies] == list(range(1, len(policies) + 1))
    shown = (await api.show("listener", listener["id"]))["l7policies"]
    assert [each["id"] for each in shown] == [each["id"] for each in policies]
    return [each["name"] for each in policies]


async def test_body(api: Api, listener: Body) -> None:
    made = await add(api, listener, name="p", tags=["blue"])
    assert made == {
        "id": made["id"],
        "name": "p",
        "description": "",
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "admin_state_up": True,
        "project_id": "p-red",
        "tenant_id": "p-red",
        "action": "REJECT",
        "listener_id": listener["id"],
        "redirect_pool_id": None,
        "redirect_url": None,
        "redirect_prefix": None,
        "redirect_http_code": None,
        "position": 1,
        "rules": [],
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "tags": ["blue"],
    }
    assert await api.show("l7policy", made["id"]) == made
    assert (await api.get("l7policies")) == {"l7policies": [made], "l7policies_links": []}


async def test_positions(api: Api, listener: Body) -> None:
    for name in ("a", "b", "c"):
        await add(api, listener, name=name)
    assert await order(api, listener) == ["a", "b", "c"]
    middle = await add(api, listener, name="middle", position=2)
    assert await order(api, listener) == ["a", "middle", "b", "c"]
    await add(api, listener, name="first", position=1)
    far = await add(api, listener, name="far", position=99)
    assert far["position"] == 6
    assert await order(api, listener) == ["first", "a", "middle", "b", "c", "far"]
    assert (await api.change("l7policy", middle["id"], position=1))["position"] == 1
    assert await order(api, listener) == ["middle", "first", "a", "b", "c", "far"]
    assert (await api.change("l7policy", middle["id"], position=2147483647))["position"] == 6
    assert await order(api, listener) == ["first", "a", "b", "c", "far", "middle"]
    await api.delete(f"l7policies/{far['id']}")
    remaining = [each for each in (await api.get("l7policies", sort="position"))["l7policies"] if each["name"] != "far"]
    assert [(each["name"], each["position"]) for each in remaining] == [
        ("first", 1), ("a", 2), ("b", 3), ("c", 4), ("middle", 5),
    ]  # fmt: skip
    last = await add(api, listener, name="last", position=None)
    assert last["position"] == 6
    # Its own position, or none, moves nothing.
    assert (await api.change("l7policy", last["id"], position=6))["position"] == 6
    assert (await api.change("l7policy", last["id"], position=None, name="l"))["position"] == 6


async def test_positions_are_counted_per_listener(api: Api, lb: Body, listener: Body) -> None:
    other = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=81)
    assert [(await add(api, each))["position"] for each in (listener, other, listener)] == [1, 1, 2]


async def test_parallel_creates_keep_all_policies_in_order(api: Api, listener: Body) -> None:
    await asyncio.gather(*(add(api, listener, name=str(number), position=1) for number in range(10)))
    assert len(await order(api, listener)) == 10


async def test_redirections(api: Api, lb: Body, listener: Body, pool: Body) -> None:
    target = ("action", "redirect_pool_id", "redirect_url", "redirect_prefix", "redirect_http_code")
    for given, expected in (
        ({"action": "REDIRECT_TO_URL", "redirect_url": URL}, ("REDIRECT_TO_URL", None, URL, None, 302)),
        (
            {"action": "REDIRECT_TO_URL", "redirect_url": URL, "redirect_http_code": "308"},
            ("REDIRECT_TO_URL", None, URL, None, 308),
        ),
        ({"action": "REDIRECT_PREFIX", "redirect_prefix": URL}, ("REDIRECT_PREFIX", None, None, URL, 302)),
        (
            {"action": "REDIRECT_TO_POOL", "redirect_pool_id": pool["id"], "redirect_http_code": 301},
            ("REDIRECT_TO_POOL", pool["id"], None, None, None),
        ),
        # Attributes of other actions are dropped, and a prefix makes a rejection a redirection, as in Octavia.
        ({"action": "REJECT", "redirect_url": URL}, ("REJECT", None, None, None, None)),
        ({"action": "REJECT", "redirect_prefix": URL}, ("REDIRECT_PREFIX", None, None, URL, 302)),
        (
            {"action": "REDIRECT_TO_URL", "redirect_url": URL, "redirect_pool_id": pool["id"]},
            ("REDIRECT_TO_URL", None, URL, None, 302),
        ),
    ):
        made = await add(api, listener, **given)
        assert tuple(made[name] for name in target) == expected


async def test_a_change_keeps_other_attributes(api: Api, listener: Body, pool: Body) -> None:
    other = "https://www.example.com/other"
    made = await add(api, listener, action="REDIRECT_TO_URL", redirect_url=URL, redirect_http_code=301)
    prefix = await add(api, listener, action="REDIRECT_PREFIX", redirect_prefix=URL, redirect_http_code=308)
    to_pool = await add(api, listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"])
    target = ("action", "redirect_pool_id", "redirect_url", "redirect_prefix", "redirect_http_code")
    for key, form, expected in (
        (made, {"redirect_url": other}, ("REDIRECT_TO_URL", None, other, None, 301)),
        (made, {"name": "n", "position": 1}, ("REDIRECT_TO_URL", None, other, None, 301)),
        (made, {"redirect_http_code": 307}, ("REDIRECT_TO_URL", None, other, None, 307)),
        # The same action again, without its target.
        (made, {"action": "REDIRECT_TO_URL", "name": "m"}, ("REDIRECT_TO_URL", None, other, None, 307)),
        # Another redirection keeps the HTTP code; a pool has none.
        (made, {"redirect_prefix": URL}, ("REDIRECT_PREFIX", None, None, URL, 307)),
        (made, {"action": "REDIRECT_TO_URL", "redirect_url": URL}, ("REDIRECT_TO_URL", None, URL, None, 307)),
        (made, {"redirect_url": other, "redirect_http_code": None}, ("REDIRECT_TO_URL", None, other, None, 302)),
        (prefix, {"redirect_prefix": other}, ("REDIRECT_PREFIX", None, None, other, 308)),
        (prefix, {"redirect_pool_id": pool["id"]}, ("REDIRECT_TO_POOL", pool["id"], None, None, None)),
        (to_pool, {"action": "REDIRECT_TO_POOL"}, ("REDIRECT_TO_POOL", pool["id"], None, None, None)),
        (to_pool, {"redirect_url": URL}, ("REDIRECT_TO_URL", None, URL, None, 302)),
    ):
        changed = await api.change("l7policy", key["id"], **form)
        assert tuple(changed[name] for name in target) == expected, form


async def test_changing_the_action(api: Api, listener: Body, pool: Body) -> None:
    made = await add(api, listener, action="REDIRECT_TO_URL", redirect_url=URL, redirect_http_code=301)
    changed = await api.change("l7policy", made["id"], redirect_pool_id=pool["id"])
    assert (changed["action"], changed["redirect_pool_id"]) == ("REDIRECT_TO_POOL", pool["id"])
    assert (changed["redirect_url"], changed["redirect_http_code"]) == (None, None)
    changed = await api.change("l7policy", made["id"], action="REDIRECT_PREFIX", redirect_prefix=URL)
    assert (changed["redirect_pool_id"], changed["redirect_prefix"]) == (None, URL)
    assert changed["redirect_http_code"] == 302
    assert (await api.change("l7policy", made["id"], redirect_http_code=307))["redirect_http_code"] == 307
    changed = await api.change("l7policy", made["id"], action="REJECT", name="n", admin_state_up=False, tags=["t"])
    assert (changed["redirect_prefix"], changed["redirect_http_code"]) == (None, None)
    assert (changed["name"], changed["admin_state_up"], changed["tags"]) == ("n", False, ["t"])
    path = f"l7policies/{made['id']}"
    args = "Invalid L7 Policy arguments: "
    for body, sentence in (
        ({}, args + "Invalid update options"),
        ({"action": None}, "Invalid L7 Policy action specified: None"),
        ({"action": "REDIRECT_TO_URL"}, args + "redirect_url must not be None"),
        ({"action": "REDIRECT_TO_POOL"}, args + "redirect_pool_id or redirect_pool must not be None"),
    ):
        assert await api.fault("PUT", path, 400, {"l7policy": body}) == sentence
    await api.change("l7policy", made["id"], redirect_url=URL)
    assert await api.fault("PUT", path, 400, {"l7policy": {"redirect_url": None}}) == (
        args + "redirect_url must not be None"
    )
    assert await api.fault("PUT", path, 404, {"l7policy": {"redirect_pool_id": UNKNOWN}}) == (
        f"Pool {UNKNOWN} not found."
    )


async def test_wrong_combinations_are_refused(cloud: Cloud, api: Api, lb: Body, listener: Body, pool: Body) -> None:
    args = "Invalid L7 Policy arguments: "
    both = "Cannot specify redirect_pool_id and redirect_url or redirect_prefix at the same time"
    elsewhere = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    foreign = await api.create("pool", loadbalancer_id=elsewhere["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    tcp = await api.create("pool", loadbalancer_id=lb["id"], protocol="TCP", lb_algorithm="ROUND_ROBIN")
    for given, status, sentence in (
        ({"action": "REDIRECT_TO_URL"}, 400, args + "redirect_url must not be None"),
        ({"action": "REDIRECT_PREFIX"}, 400, args + "redirect_prefix must not be None"),
        ({"action": "REDIRECT_TO_POOL"}, 400, args + "redirect_pool_id or redirect_pool must not be None"),
        ({"action": "REDIRECT_PREFIX", "redirect_prefix": URL, "redirect_pool_id": pool["id"]}, 400, args + both),
        ({"action": "REDIRECT_TO_POOL", "redirect_pool_id": UNKNOWN}, 404, f"Pool {UNKNOWN} not found."),
        ({"action": "REDIRECT_TO_POOL", "redirect_pool_id": foreign["id"]}, 404, f"Pool {foreign['id']} not found."),
        (
            {"action": "REDIRECT_TO_POOL", "redirect_pool_id": tcp["id"]},
            400,
            "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'.",
        ),
    ):
        body = {"l7policy": {"listener_id": listener["id"], **given}}
        assert await api.fault("POST", "l7policies", status, body) == sentence
    lost = {"l7policy": {"listener_id": UNKNOWN, "action": "REJECT"}}
    assert await api.fault("POST", "l7policies", 404, lost) == f"Listener {UNKNOWN} not found."
    assert await api.fault("GET", f"l7policies/{UNKNOWN}", 404) == f"L7 Policy {UNKNOWN} not found."


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("action", "DROP"),
        ("redirect_url", "/relative"),
        ("redirect_url", "ftp://example.com/"),
        ("redirect_url", "http://"),
        ("redirect_url", "http://example.com/a b"),
        ("redirect_url", "http://example.com/\nhttp-request deny"),
        ("redirect_url", "http://example.com/%zz"),
        ("redirect_url", 'http://example.com/"'),
        ("redirect_url", "http://example.com/?a=\x7f"),
        ("redirect_url", "http://example.com/" + "x" * 255),
        ("redirect_prefix", "example.com"),
        ("redirect_http_code", 304),
        ("redirect_http_code", True),
        ("position", 0),
        ("position", 2147483648),
        ("redirect_pool_id", "pool"),
    ],
)
async def test_wrong_values_are_refused(api: Api, listener: Body, attribute: str, value: Any) -> None:
    body = {"l7policy": {"listener_id": listener["id"], "action": "REJECT", attribute: value}}
    sentence = await api.fault("POST", "l7policies", 400, body)
    assert sentence.startswith(f"Invalid input for field/attribute {attribute}. Value: '")


@pytest.mark.parametrize(
    "url", ["http://example.com", "HTTPS://u:p@[2001:db8::1]:8443/a/b?c=d#e", "http://192.0.2.1/?q={x}|y", URL]
)
async def test_urls(api: Api, listener: Body, url: str) -> None:
    assert (await add(api, listener, action="REDIRECT_TO_URL", redirect_url=url))["redirect_url"] == url


async def test_a_pool_in_use_by_a_policy_cannot_be_deleted(api: Api, lb: Body, listener: Body, pool: Body) -> None:
    made = await add(api, listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"])
    assert await api.fault("DELETE", f"pools/{pool['id']}", 409) == (
        f"Pool {pool['id']} is in use by L7 policy {made['id']}"
    )
    # A policy without rules never matches.
    assert (await api.show("pool", pool["id"]))["listeners"] == []
    await api.add_rule(made["id"])
    assert (await api.show("pool", pool["id"]))["listeners"] == [{"id": listener["id"]}]
    await api.change("listener", listener["id"], default_pool_id=pool["id"])
    assert (await api.show("pool", pool["id"]))["listeners"] == [{"id": listener["id"]}]
    await api.delete(f"l7policies/{made['id']}")
    await api.delete(f"pools/{pool['id']}")


async def test_policies_are_served_and_deleted(api: Api, listener: Body, pool: Body, worker: Worker) -> None:
    made = await add(api, listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool["id"])
    off = await add(api, listener, admin_state_up=False)
    rule = await api.add_rule(made["id"])
    worker.step()
    tree = next(iter(worker.serving.values())).tree
    assert ([each.id for each in tree.policies_of(listener["id"])]) == [made["id"], off["id"]]
    assert [each.id for each in tree.l7_rules] == [rule["id"]]
    shown = await api.show("l7policy", made["id"])
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "ONLINE")
    assert shown["rules"] == [{"id": rule["id"]}]
    assert (await api.show("l7policy", off["id"]))["operating_status"] == "OFFLINE"
    assert (await api.show("pool", pool["id"]))["operating_status"] == "ONLINE"
    statuses = (await api.get(f"loadbalancers/{listener['loadbalancers'][0]['id']}/status"))["statuses"]
    assert [each["id"] for each in statuses["loadbalancer"]["listeners"][0]["pools"]] == [pool["id"]]
    await api.delete(f"l7policies/{made['id']}")
    assert (await api.show("l7policy", made["id"]))["provisioning_status"] == "PENDING_DELETE"
    worker.step()
    await api.fault("GET", f"l7policies/{made['id']}", 404)
    await api.delete(f"listeners/{listener['id']}")
    worker.step()
    assert (await api.get("l7policies"))["l7policies"] == []


async def test_filters_and_projects(cloud: Cloud, api: Api, listener: Body) -> None:
    await add(api, listener, name="a", tags=["x"])
    await add(api, listener, name="b", action="REDIRECT_TO_URL", redirect_url=URL, redirect_http_code=301)
    for query, expected in (
        ({"action": "REJECT"}, ["a"]),
        ({"redirect_http_code": "301"}, ["b"]),
        ({"position": "2"}, ["b"]),
        ({"tags": "x"}, ["a"]),
        ({"sort": "position:desc"}, ["b", "a"]),
        ({"limit": "1"}, ["a"]),
        ({"provisioning_status": "PENDING_CREATE", "sort": "name"}, ["a", "b"]),
    ):
        found = (await api.get("l7policies", **query))["l7policies"]
        if "limit" in query:
            assert len(found) == 1
        else:
            assert [each["name"] for each in found] == expected
    assert (await cloud.api("bob").get("l7policies"))["l7policies"] == []
    body = {"l7policy": {"listener_id": listener["id"], "action": "REJECT"}}
    await cloud.api("bob").fault("POST", "l7policies", 403, body)
    await cloud.api("reader").fault("POST", "l7policies", 403, body)


async def test_quotas(cloud: Cloud, api: Api, listener: Body) -> None:
    await cloud.api("admin").put("quotas/p-red", {"quota": {"l7policy": 1, "l7rule": 1}}, status=202)
    made = await add(api, listener)
    body = {"l7policy": {"listener_id": listener["id"], "action": "REJECT"}}
    assert await api.fault("POST", "l7policies", 403, body) == "Quota has been met for resources: L7 Policy"
    await api.add_rule(made["id"])
    rule = {"rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}}
    assert await api.fault("POST", f"l7policies/{made['id']}/rules", 403, rule) == (
        "Quota has been met for resources: L7 Rule"
    )
