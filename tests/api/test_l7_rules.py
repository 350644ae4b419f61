"""L7 rules: bodies, combinations of attributes, and their number."""

from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

UNKNOWN = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
async def policy(cloud: Cloud, api: Api) -> Body:
    lb = await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    return await api.create("l7policy", listener_id=listener["id"], action="REJECT")


async def test_body(api: Api, policy: Body) -> None:
    made = await api.add_rule(policy["id"], tags=["blue"], invert="yes")
    assert made == {
        "id": made["id"],
        "type": "PATH",
        "compare_type": "STARTS_WITH",
        "key": None,
        "value": "/images",
        "invert": True,
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "project_id": "p-red",
        "tenant_id": "p-red",
        "admin_state_up": True,
        "tags": ["blue"],
    }
    path = f"l7policies/{policy['id']}/rules"
    assert await api.get(f"{path}/{made['id']}") == {"rule": made}
    assert await api.get(path) == {"rules": [made], "rules_links": []}
    assert await api.get(path, type="COOKIE") == {"rules": [], "rules_links": []}
    assert (await api.show("l7policy", policy["id"]))["rules"] == [{"id": made["id"]}]


TLS_KEY = 'L7rule type {} does not use the "key" field.'
CASES: list[tuple[dict[str, Any], str | None]] = [
    ({"type": "PATH", "compare_type": "REGEX", "value": "^/a.*(b|c)$"}, None),
    ({"type": "PATH", "compare_type": "EQUAL_TO", "value": '"/with space"'}, None),
    ({"type": "HOST_NAME", "compare_type": "ENDS_WITH", "value": ".example.com"}, None),
    ({"type": "FILE_TYPE", "compare_type": "EQUAL_TO", "value": "jpg"}, None),
    ({"type": "HEADER", "compare_type": "CONTAINS", "key": "X-Some", "value": "a"}, None),
    ({"type": "COOKIE", "compare_type": "EQUAL_TO", "key": "id", "value": "a=b"}, None),
    ({"type": "SSL_CONN_HAS_CERT", "compare_type": "EQUAL_TO", "value": "True"}, None),
    ({"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "0"}, None),
    ({"type": "SSL_DN_FIELD", "compare_type": "STARTS_WITH", "key": "O", "value": "Some Org"}, None),
    ({"type": "PATH", "compare_type": "EQUAL_TO", "value": ""}, "Invalid L7 Rule: L7 rule type requires a value"),
    ({"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a b"}, "Invalid characters in comparison value"),
    ({"type": "HEADER", "compare_type": "EQUAL_TO", "value": "a"}, "Invalid L7 Rule: L7 rule type requires a key"),
    ({"type": "HEADER", "compare_type": "EQUAL_TO", "key": "a b", "value": "a"}, "Invalid characters in key"),
    ({"type": "HEADER", "compare_type": "EQUAL_TO", "key": "a", "value": "ä"}, "Invalid characters in header value"),
    ({"type": "COOKIE", "compare_type": "EQUAL_TO", "value": "a"}, "Invalid L7 Rule: L7 rule type requires a key"),
    ({"type": "COOKIE", "compare_type": "EQUAL_TO", "key": "a", "value": "b;c"}, "Invalid characters in cookie value"),
    (
        {"type": "FILE_TYPE", "compare_type": "STARTS_WITH", "value": "jpg"},
        "Invalid L7 Rule: invalid comparison type for rule type",
    ),
    (
        {"type": "SSL_CONN_HAS_CERT", "compare_type": "EQUAL_TO", "key": "k", "value": "true"},
        "Invalid L7 Rule: " + TLS_KEY.format("SSL_CONN_HAS_CERT"),
    ),
    (
        {"type": "SSL_CONN_HAS_CERT", "compare_type": "EQUAL_TO", "value": "false"},
        "Invalid L7 Rule: L7rule value false is not a boolean True string.",
    ),
    (
        {"type": "SSL_CONN_HAS_CERT", "compare_type": "CONTAINS", "value": "true"},
        "Invalid L7 Rule: L7rule type SSL_CONN_HAS_CERT only supports the EQUAL_TO compare type.",
    ),
    (
        {"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "-1"},
        "Invalid L7 Rule: L7rule type SSL_VERIFY_RESULT needs a int value, which is >= 0",
    ),
    (
        {"type": "SSL_DN_FIELD", "compare_type": "EQUAL_TO", "value": "a"},
        "Invalid L7 Rule: L7rule type SSL_DN_FIELD needs to specify a key and a value.",
    ),
    (
        {"type": "SSL_DN_FIELD", "compare_type": "EQUAL_TO", "key": "1", "value": "a"},
        "Invalid L7 Rule: Invalid L7rule distinguished name field.",
    ),
]


@pytest.mark.parametrize(("rule", "refusal"), CASES)
async def test_combinations_of_type_comparison_and_key(
    api: Api, policy: Body, rule: dict[str, Any], refusal: str | None
) -> None:
    path = f"l7policies/{policy['id']}/rules"
    if refusal is None:
        made = (await api.post(path, {"rule": rule}))["rule"]
        assert {name: made[name] for name in rule} == rule
        return
    assert await api.fault("POST", path, 400, {"rule": rule}) == f"Error parsing L7Rule: {refusal}"
    # The same in a tree, of which nothing is left.
    body = {"l7policy": {"listener_id": policy["listener_id"], "action": "REJECT", "rules": [rule]}}
    assert await api.fault("POST", "l7policies", 400, body) == f"Error parsing L7Rule: {refusal}"
    assert len((await api.get("l7policies"))["l7policies"]) == 1


async def test_regular_expressions(api: Api, policy: Body) -> None:
    body = {"rule": {"type": "PATH", "compare_type": "REGEX", "value": "(unclosed"}}
    sentence = await api.fault("POST", f"l7policies/{policy['id']}/rules", 400, body)
    assert sentence.startswith("Error parsing L7Rule: Unable to parse regular expression: ")


@pytest.mark.parametrize("value", ["/a\nhttp-request deny", "/a\r", "x" * 256])
async def test_line_breaks_are_refused(api: Api, policy: Body, value: str) -> None:
    body = {"rule": {"type": "PATH", "compare_type": "REGEX", "value": value}}
    sentence = await api.fault("POST", f"l7policies/{policy['id']}/rules", 400, body)
    assert sentence.startswith("Invalid input for field/attribute value.")


async def test_changes(api: Api, policy: Body) -> None:
    made = await api.add_rule(policy["id"], type="HEADER", key="X-Some", value="a", invert=True)
    path = f"l7policies/{policy['id']}/rules/{made['id']}"

    async def change(**attributes: Any) -> Body:
        found: Body = (await api.put(path, {"rule": attributes}))["rule"]
        return found

    assert (await change(value="b"))["key"] == "X-Some"
    assert (await change(invert=None))["invert"] is False
    # A change to a type without a key drops the key.
    changed = await change(type="HOST_NAME", value="www.example.com")
    assert (changed["type"], changed["key"]) == ("HOST_NAME", None)
    assert (await change(admin_state_up=False, tags=["a"]))["admin_state_up"] is False
    say = "Error parsing L7Rule: Invalid L7 Rule: "
    for attributes, sentence in (
        ({"type": "COOKIE"}, "L7 rule type requires a key"),
        ({"value": None}, "L7 rule type requires a value"),
        ({"type": None}, "invalid rule type"),
        ({"compare_type": None}, "invalid comparison type for rule type"),
    ):
        assert await api.fault("PUT", path, 400, {"rule": attributes}) == say + sentence


async def test_a_policy_has_at_most_fifty_rules(api: Api, policy: Body) -> None:
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
    body = {"listener_id": policy["listener_id"], "action": "REJECT", "rules": [rule] * 50}
    full = await api.create("l7policy", **body)
    assert len(full["rules"]) == 50
    assert await api.fault("POST", f"l7policies/{full['id']}/rules", 409, {"rule": rule}) == (
        f"Too many rules on L7 policy {full['id']}"
    )
    body["rules"] = [rule] * 51
    assert (await api.fault("POST", "l7policies", 409, {"l7policy": body})).startswith("Too many rules on L7 policy ")
    await api.delete(f"l7policies/{full['id']}/rules/{full['rules'][0]['id']}")
    await api.add_rule(full["id"])


async def test_rules_are_found_below_their_own_policy_only(
    cloud: Cloud, api: Api, policy: Body, worker: Worker
) -> None:
    made = await api.add_rule(policy["id"])
    other = await api.create("l7policy", listener_id=policy["listener_id"], action="REJECT")
    path = f"l7policies/{other['id']}/rules/{made['id']}"
    for method in ("GET", "DELETE"):
        assert await api.fault(method, path, 404) == f"L7 Rule {made['id']} not found."
    assert await api.fault("GET", f"l7policies/{UNKNOWN}/rules", 404) == f"L7 Policy {UNKNOWN} not found."
    body = {"rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}}
    assert await api.fault("POST", f"l7policies/{UNKNOWN}/rules", 404, body) == f"L7 Policy {UNKNOWN} not found."
    await cloud.api("bob").fault("GET", f"l7policies/{policy['id']}/rules", 403)
    await cloud.api("reader").fault("POST", f"l7policies/{policy['id']}/rules", 403, body)
    worker.step()
    shown = (await api.get(f"l7policies/{policy['id']}/rules/{made['id']}"))["rule"]
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "ONLINE")
    await api.delete(f"l7policies/{policy['id']}")
    worker.step()
    await api.fault("GET", f"l7policies/{policy['id']}/rules/{made['id']}", 404)


async def test_unknown_attributes_are_refused(api: Api, policy: Body) -> None:
    path = f"l7policies/{policy['id']}/rules"
    rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/", "name": "n"}
    assert await api.fault("POST", path, 400, {"rule": rule}) == "Unknown attribute for argument rule_.rule: name"
    assert await api.fault("GET", path, 400, params={"name": "n"}) == (
        "One or more arguments are either duplicate or invalid"
    )
