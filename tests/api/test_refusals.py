"""Wrong requests: the status and the sentence of each refusal."""

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.cloud import MAX_BODY, Cloud

UNKNOWN = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
async def lb(cloud: Cloud, api: Api) -> dict[str, Any]:
    return await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)


@pytest.fixture
async def pool(api: Api, lb: dict[str, Any]) -> dict[str, Any]:
    return await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"loadbalancer": {"name": "a}}', b"[" * 5000, b"NaN"])
async def test_broken_json_is_refused(api: Api, raw: bytes) -> None:
    sentence = await api.fault("POST", "loadbalancers", 400, content=raw)
    assert sentence == "Request is not in valid JSON format"


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null"])
async def test_a_body_must_be_an_object(api: Api, body: bytes) -> None:
    assert "Request must be a JSON dict" in await api.fault("POST", "loadbalancers", 400, content=body)


@pytest.mark.parametrize("body", [{}, {"loadbalancer": None}, {"loadbalancer": []}, {"loadbalancer": "text"}])
async def test_a_root_must_be_an_object(api: Api, body: Any) -> None:
    sentence = await api.fault("POST", "loadbalancers", 400, json=body)
    assert sentence.startswith("Invalid input for field/attribute loadbalancer.")


async def test_unknown_attributes(cloud: Cloud, api: Api, pool: dict[str, Any]) -> None:
    say = "Unknown attribute for argument "
    assert await api.fault("POST", "loadbalancers", 400, {"lb": {}}) == say + "load_balancer: lb"
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "colour": "red"}}
    assert await api.fault("POST", "loadbalancers", 400, body) == say + "load_balancer.loadbalancer: colour"
    body["loadbalancer"]["size"] = "2"
    assert await api.fault("POST", "loadbalancers", 400, body) == (
        "Unknown attributes for argument load_balancer.loadbalancer: colour, size"
    )
    nested = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "listeners": [{"protocol": "TCP", "port": 80}]}}
    assert await api.fault("POST", "loadbalancers", 400, nested) == say + "load_balancer.loadbalancer.listeners: port"
    # Some attributes can only be given at creation.
    assert await api.fault("PUT", f"pools/{pool['id']}", 400, {"pool": {"protocol": "TCP"}}) == (
        say + "pool_.pool: protocol"
    )


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("name", 5, "Value should be string"),
        ("name", ["a"], "Value should be string"),
        ("name", "x" * 256, "Value should have a maximum character requirement of 255"),
        ("name", "a\0b", "Value has characters that cannot be stored"),
        ("admin_state_up", "maybe", "Value not an unambiguous boolean: maybe"),
        ("admin_state_up", [], "Value not an unambiguous boolean: []"),
        ("vip_subnet_id", "subnet", "Value should be UUID format"),
        ("vip_address", "10.0.0", "Value should be IPv4 or IPv6 format"),
        ("vip_address", "fe80::1%eth0", "Value should be IPv4 or IPv6 format"),
        ("tags", "blue", "Value not a valid list: blue"),
        ("tags", [5], "Value should be string"),
        ("listeners", {}, "Value not a valid list: {}"),
    ],
)
async def test_wrong_types_of_a_load_balancer(cloud: Cloud, api: Api, attribute: str, value: Any, why: str) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, attribute: value}}
    sentence = await api.fault("POST", "loadbalancers", 400, body)
    assert sentence.startswith(f"Invalid input for field/attribute {attribute}. Value: '")
    assert sentence.endswith(f"'. {why}")


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("protocol", "FTP", "Value should be one of: "),
        ("protocol_port", 0, "Value should be greater or equal to 1"),
        ("protocol_port", 65536, "Value should be lower or equal to 65535"),
        ("protocol_port", "http", "invalid literal for int() with base 10: 'http'"),
        ("protocol_port", [80], "invalid literal for int() with base 10: [80]"),
        ("connection_limit", -2, "Value should be greater or equal to -1"),
        ("connection_limit", 2**63, "Value is out of range"),
        ("timeout_client_data", 2073600001, "Value should be lower or equal to 2073600000"),
        ("default_pool_id", "", "Value should be UUID format"),
        ("allowed_cidrs", ["10.0.0.0/33"], "Value should be IPv4 or IPv6 CIDR format"),
        ("insert_headers", "X-Forwarded-For", "Value not a valid dict: X-Forwarded-For"),
    ],
)
async def test_wrong_types_of_a_listener(api: Api, lb: dict[str, Any], attribute: str, value: Any, why: str) -> None:
    body = {"listener": {"loadbalancer_id": lb["id"], "protocol": "HTTP", "protocol_port": 80, attribute: value}}
    sentence = await api.fault("POST", "listeners", 400, body)
    assert sentence.startswith(f"Invalid input for field/attribute {attribute}. Value: '")
    assert why in sentence


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("type", "ICMP"),
        ("delay", -1),
        ("max_retries", 0),
        ("max_retries", 11),
        ("max_retries_down", 11),
        ("http_method", "get"),
        ("url_path", "no/slash"),
        ("url_path", "/a b"),
        ("url_path", "/a\nb"),
        ("url_path", '/a"b'),
        ("url_path", "/a#b"),
        ("url_path", "/%zz"),
        ("url_path", "http://example.com/"),
        ("url_path", "/" + "x" * 255),
        ("expected_codes", "2xx"),
        ("expected_codes", "200\n"),
        ("expected_codes", "200, 201,"),
        ("expected_codes", "٢٠٠"),
        ("http_version", "2.0"),
        ("domain_name", "a b"),
        ("domain_name", "example.com\n"),
    ],
)
async def test_wrong_values_of_a_monitor(api: Api, pool: dict[str, Any], attribute: str, value: Any) -> None:
    monitor = {"pool_id": pool["id"], "type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, attribute: value}
    sentence = await api.fault("POST", "healthmonitors", 400, {"healthmonitor": monitor})
    assert sentence.startswith(f"Invalid input for field/attribute {attribute}. Value: '")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("address", "web"), ("protocol_port", 0), ("weight", 257), ("weight", -1), ("monitor_port", 70000)],
)
async def test_wrong_values_of_a_member(api: Api, pool: dict[str, Any], attribute: str, value: Any) -> None:
    member = {"address": "10.0.0.11", "protocol_port": 80, attribute: value}
    sentence = await api.fault("POST", f"pools/{pool['id']}/members", 400, {"member": member})
    assert sentence.startswith(f"Invalid input for field/attribute {attribute}. Value: '{value}'.")


async def test_mandatory_attributes_are_required(api: Api, lb: dict[str, Any], pool: dict[str, Any]) -> None:
    say = "Invalid input for field/attribute {}. Value: 'None'. Mandatory field missing."
    assert await api.fault("POST", "listeners", 400, {"listener": {}}) == say.format("protocol")
    listener = {"protocol": "HTTP", "protocol_port": 80}
    assert await api.fault("POST", "listeners", 400, {"listener": listener}) == say.format("loadbalancer_id")
    assert await api.fault("POST", "pools", 400, {"pool": {"protocol": "HTTP"}}) == say.format("lb_algorithm")
    assert await api.fault("POST", f"pools/{pool['id']}/members", 400, {"member": {"address": "10.0.0.1"}}) == (
        say.format("protocol_port")
    )
    monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    assert await api.fault("POST", "healthmonitors", 400, {"healthmonitor": monitor}) == say.format("pool_id")
    assert await api.fault("POST", "loadbalancers", 400, {"loadbalancer": {}}) == (
        "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id."
    )
    body = {"pool": {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}
    assert await api.fault("POST", "pools", 400, body) == (
        "Validation failure: Must provide at least one of: loadbalancer_id, listener_id"
    )


async def test_large_bodies_are_refused(api: Api) -> None:
    sentence = await api.fault("POST", "loadbalancers", 413, content=b"x" * (MAX_BODY + 1))
    assert str(MAX_BODY) in sentence


async def test_unknown_ids(api: Api, lb: dict[str, Any], pool: dict[str, Any]) -> None:
    for path, title in (
        ("loadbalancers", "Load Balancer"),
        ("listeners", "Listener"),
        ("pools", "Pool"),
        ("healthmonitors", "Health Monitor"),
        (f"pools/{pool['id']}/members", "Member"),
    ):
        for method, body in (("GET", None), ("DELETE", None)):
            assert await api.fault(method, f"{path}/{UNKNOWN}", 404, body) == f"{title} {UNKNOWN} not found."
    for end in ("stats", "status", "statuses"):
        assert await api.fault("GET", f"loadbalancers/{UNKNOWN}/{end}", 404) == f"Load Balancer {UNKNOWN} not found."
    assert await api.fault("GET", f"pools/{UNKNOWN}/members", 404) == f"Pool {UNKNOWN} not found."
    assert await api.fault("GET", f"listeners/{UNKNOWN}/stats", 404) == f"Listener {UNKNOWN} not found."
    listener = {"loadbalancer_id": UNKNOWN, "protocol": "HTTP", "protocol_port": 80}
    assert await api.fault("POST", "listeners", 404, {"listener": listener}) == f"Load Balancer {UNKNOWN} not found."
    listener |= {"loadbalancer_id": lb["id"], "default_pool_id": UNKNOWN}
    assert await api.fault("POST", "listeners", 404, {"listener": listener}) == f"Pool {UNKNOWN} not found."


async def test_a_member_is_found_below_its_own_pool_only(api: Api, lb: dict[str, Any], pool: dict[str, Any]) -> None:
    other = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    member = await api.add_member(pool["id"], "10.0.0.11")
    path = f"pools/{other['id']}/members/{member['id']}"
    assert await api.fault("GET", path, 404) == f"Member {member['id']} not found."
    assert await api.fault("DELETE", path, 404) == f"Member {member['id']} not found."


async def test_a_default_pool_of_another_load_balancer_is_refused(cloud: Cloud, api: Api, pool: dict[str, Any]) -> None:
    other = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    listener = {
        "loadbalancer_id": other["id"],
        "protocol": "HTTP",
        "protocol_port": 80,
        "default_pool_id": pool["id"],
    }
    assert await api.fault("POST", "listeners", 404, {"listener": listener}) == f"Pool {pool['id']} not found."


async def test_two_listeners_of_one_port_are_refused(api: Api, lb: dict[str, Any]) -> None:
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    body = {"listener": {"loadbalancer_id": lb["id"], "protocol": "TCP", "protocol_port": 80}}
    assert await api.fault("POST", "listeners", 409, body) == (
        "Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80"
    )


async def test_two_members_of_one_address_and_port_are_refused(api: Api, pool: dict[str, Any]) -> None:
    await api.add_member(pool["id"], "10.0.0.11", 80)
    await api.add_member(pool["id"], "10.0.0.11", 81)
    body = {"member": {"address": "10.0.0.11", "protocol_port": 80}}
    assert await api.fault("POST", f"pools/{pool['id']}/members", 409, body) == (
        "Another member on this pool is already using ip 10.0.0.11 on protocol_port 80"
    )


async def test_a_second_monitor_is_refused(api: Api, pool: dict[str, Any]) -> None:
    monitor = {"pool_id": pool["id"], "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    await api.create("healthmonitor", **monitor)
    assert await api.fault("POST", "healthmonitors", 409, {"healthmonitor": monitor}) == (
        "This pool already has a health monitor"
    )


async def test_a_second_default_pool_is_refused(api: Api, lb: dict[str, Any]) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = {"listener_id": listener["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    await api.create("pool", **pool)
    assert await api.fault("POST", "pools", 409, {"pool": pool}) == "This listener already has a default pool"


async def test_pools_of_other_protocols_are_refused(api: Api, lb: dict[str, Any], pool: dict[str, Any]) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    body: dict[str, Any] = {"pool": {"listener_id": listener["id"], "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}
    say = "Validation failure: The pool protocol '{}' is invalid while the listener protocol is '{}'."
    assert await api.fault("POST", "pools", 400, body) == say.format("TCP", "HTTP")
    tls = {"loadbalancer_id": lb["id"], "protocol": "HTTPS", "protocol_port": 443, "default_pool_id": pool["id"]}
    assert await api.fault("POST", "listeners", 400, {"listener": tls}) == say.format("HTTP", "HTTPS")


async def test_wrong_monitors_are_refused(api: Api, pool: dict[str, Any]) -> None:
    monitor = {"pool_id": pool["id"], "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    for attribute, value in (("http_method", "GET"), ("url_path", "/"), ("expected_codes", "200")):
        body = {"healthmonitor": {**monitor, attribute: value}}
        assert await api.fault("POST", "healthmonitors", 400, body) == (
            f"{attribute} is not a valid option for health monitors of type TCP"
        )
    for kind in ("UDP-CONNECT", "SCTP"):
        assert await api.fault("POST", "healthmonitors", 400, {"healthmonitor": {**monitor, "type": kind}}) == (
            f"Validation failure: The {kind} type is only supported for pools of type UDP/SCTP."
        )
    http = {**monitor, "type": "HTTP", "domain_name": "example.com"}
    assert await api.fault("POST", "healthmonitors", 400, {"healthmonitor": http}) == (
        "Validation failure: 'http_version' must be specified when 'domain_name' is provided."
    )
    assert await api.fault("POST", "healthmonitors", 400, {"healthmonitor": {**http, "http_version": "1.0"}}) == (
        "http_version 1.0 is not a valid option for health monitors HTTP 1.1 domain name health check"
    )


async def test_the_metadata_service_cannot_be_a_member(api: Api, pool: dict[str, Any]) -> None:
    body = {"member": {"address": "169.254.169.254", "protocol_port": 80}}
    assert await api.fault("POST", f"pools/{pool['id']}/members", 400, body) == (
        "169.254.169.254 is not a valid option for member address"
    )


async def test_unsupported_options(api: Api, lb: dict[str, Any], pool: dict[str, Any]) -> None:
    say = "Provider 'amphora' does not support a requested option: "
    algorithm = "Amphora provider does not support SOURCE_IP_PORT algorithm."
    body = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "SOURCE_IP_PORT"}
    assert await api.fault("POST", "pools", 501, {"pool": body}) == say + algorithm
    change = {"pool": {"lb_algorithm": "SOURCE_IP_PORT"}}
    assert await api.fault("PUT", f"pools/{pool['id']}", 501, change) == say + algorithm
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="TCP", protocol_port=81)
    policy = {"listener_id": listener["id"], "action": "REJECT"}
    assert await api.fault("POST", "l7policies", 501, {"l7policy": policy}) == (
        say + "TCP protocol listeners do not support L7 policies"
    )


async def test_unknown_providers(cloud: Cloud, api: Api) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "provider": "ovn"}}
    assert await api.fault("POST", "loadbalancers", 400, body) == "Provider 'ovn' is not enabled."


async def test_unknown_paths_are_404(api: Api) -> None:
    assert await api.fault("GET", "flowers", 404) == "The resource could not be found."
    assert await api.fault("GET", "/load-balancer/v3/lbaas/loadbalancers", 404) == "The resource could not be found."


async def test_unknown_methods_are_405(api: Api) -> None:
    assert "PATCH" in await api.fault("PATCH", "loadbalancers", 405)
    assert "DELETE" in await api.fault("DELETE", "loadbalancers", 405)


async def test_a_pool_for_a_listener_of_another_load_balancer_is_refused(
    cloud: Cloud, api: Api, lb: dict[str, Any]
) -> None:
    other = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    listener = await api.create("listener", loadbalancer_id=other["id"], protocol="HTTP", protocol_port=80)
    form = {"listener_id": listener["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    say = await api.fault("POST", "pools", 404, {"pool": {**form, "loadbalancer_id": lb["id"]}})
    assert say == f"Listener {listener['id']} not found."
    say = await api.fault("POST", "pools", 404, {"pool": {**form, "loadbalancer_id": UNKNOWN}})
    assert say == f"Load Balancer {UNKNOWN} not found."
    assert (await api.create("pool", **form, loadbalancer_id=other["id"]))["listeners"] == [{"id": listener["id"]}]
