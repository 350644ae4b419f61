"""The order of checks: a request with several defects is refused for the same one as in Octavia."""

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.cloud import Cloud

UNKNOWN = "00000000-0000-0000-0000-000000000001"
HTML = {"accept": "text/html"}
BELOW_NOTHING = [
    ("POST", "pools/none/members", "Pool none not found."),
    ("PUT", "pools/none/members", "Pool none not found."),
    ("PUT", "pools/none/members/none", "Pool none not found."),
    ("GET", "pools/none/members/none", "Pool none not found."),
    ("DELETE", "pools/none/members/none", "Pool none not found."),
    ("POST", "l7policies/none/rules", "L7 Policy none not found."),
    ("PUT", "l7policies/none/rules/none", "L7 Policy none not found."),
]


@pytest.mark.parametrize("content", [b"{", b'{"member": {"x": 1}}', b"{}"])
@pytest.mark.parametrize(("method", "path", "sentence"), BELOW_NOTHING)
async def test_a_path_that_leads_nowhere_comes_before_a_bad_body(
    api: Api, method: str, path: str, sentence: str, content: bytes
) -> None:
    assert await api.fault(method, path, 404, content=content) == sentence


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("listeners", {"listener": {"loadbalancer_id": UNKNOWN, "protocol": "TCP", "protocol_port": 1,
                                    "hsts_preload": 1}}),
        ("pools", {"pool": {"loadbalancer_id": UNKNOWN, "protocol": "UDP", "lb_algorithm": "ROUND_ROBIN",
                            "session_persistence": {"type": "APP_COOKIE"}}}),
        ("healthmonitors", {"healthmonitor": {"pool_id": UNKNOWN, "type": "TCP", "delay": 1, "timeout": 1,
                                              "max_retries": 1, "url_path": "/"}}),
        ("l7policies", {"l7policy": {"listener_id": UNKNOWN, "action": "REDIRECT_TO_URL"}}),
    ],
)  # fmt: skip
async def test_a_missing_parent_comes_before_a_wrong_form(api: Api, path: str, body: Any) -> None:
    assert (await api.fault("POST", path, 404, body)).endswith(f"{UNKNOWN} not found.")


async def test_an_unreadable_body_comes_before_an_unknown_id(api: Api) -> None:
    assert (await api.fault("PUT", "loadbalancers/none", 400, {"loadbalancer": {"x": 1}})).startswith("Unknown attr")


async def test_a_wrong_form_comes_before_a_load_balancer_that_takes_no_change(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    policy = await api.create("l7policy", listener_id=listener["id"], action="REJECT")
    assert (await api.send("DELETE", f"loadbalancers/{lb['id']}?cascade=true")).status_code == 204
    members, rules = f"pools/{pool['id']}/members", f"l7policies/{policy['id']}/rules"
    rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
    monitor = {"pool_id": pool["id"], "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    tries: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
        (members, "member", {"address": "10.0.0.9", "protocol_port": 80}, {"address": "169.254.169.254"}),
        (rules, "rule", rule, {"value": ""}),
        ("healthmonitors", "healthmonitor", monitor, {"url_path": "/"}),
        ("l7policies", "l7policy", {"listener_id": listener["id"], "action": "REJECT"}, {"action": "REDIRECT_TO_URL"}),
        ("listeners", "listener", {"loadbalancer_id": lb["id"], "protocol": "TCP", "protocol_port": 81},
         {"insert_headers": {"X-Nothing": "true"}}),
        ("pools", "pool", {"loadbalancer_id": lb["id"], "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"},
         {"session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 5}}),
    ]  # fmt: skip
    for path, root, right, wrong in tries:
        await api.fault("POST", path, 400, {root: {**right, **wrong}})
        await api.fault("POST", path, 409, {root: right})


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "loadbalancers", {}),
        ("GET", "loadbalancers/none", {}),
        ("POST", "loadbalancers", {"content": b"{"}),
        ("POST", "pools/none/members", {"content": b"{"}),
        ("GET", "/load-balancer/", {}),
    ],
)
async def test_an_accept_header_without_json_is_refused(cloud: Cloud, method: str, path: str, options: Any) -> None:
    answer = await cloud.api("alice").send(method, path, headers=HTML, **options)
    assert (answer.status_code, answer.headers["content-type"]) == (406, "application/json")
    description = "Only content type application/json is accepted."
    assert answer.json() == {"code": 406, "title": "Not Acceptable", "description": description}


async def test_a_missing_token_comes_first(cloud: Cloud) -> None:
    assert (await cloud.api(None).send("GET", "loadbalancers", headers=HTML)).status_code == 401


async def test_the_page_and_the_health_check_ignore_accept(cloud: Cloud) -> None:
    for path in ("/load-balancer/docs", "/load-balancer/openapi.json", "/healthcheck", "/metrics"):
        assert (await cloud.api(None).send("GET", path, headers=HTML)).status_code == 200, path
