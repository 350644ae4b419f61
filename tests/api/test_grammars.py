"""Values that no host could serve are refused at once, with the name of the attribute."""

from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud


@pytest.fixture
async def lb(cloud: Cloud, api: Api) -> Body:
    return await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)


async def refused(api: Api, path: str, root: str, made: Body, values: Body) -> None:
    """Expect a refusal of values in a create and in a change, neither of which has an effect."""
    assert await api.fault("POST", path, 400, {root: made | values})
    before = (await api.post(path, {root: made}))[root]
    assert await api.fault("PUT", f"{path}/{before['id']}", 400, {root: values})
    assert (await api.get(f"{path}/{before['id']}"))[root] == before


@pytest.mark.parametrize(
    "values",
    [
        {"delay": 2147484},
        {"timeout": 2147484},
        {"expected_codes": "200-100"},
        {"expected_codes": "000"},
        {"expected_codes": "200,099"},
    ],
)
async def test_values_of_a_monitor(api: Api, lb: Body, values: Body) -> None:
    pool = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    form = {"pool_id": pool["id"], "type": "HTTP", "delay": 5, "timeout": 5, "max_retries": 1}
    await refused(api, "healthmonitors", "healthmonitor", form, values)


@pytest.mark.parametrize(
    "values",
    [
        *(
            {"type": kind, "compare_type": "REGEX", "value": value}
            for kind in ("PATH", "HOST_NAME", "FILE_TYPE")
            for value in ("(?a:x)", r"\u0041", r"\N{BULLET}", "a{65536}")
        ),
        {"type": "HEADER", "key": "X", "compare_type": "REGEX", "value": r"(a)\1"},
        {"type": "SSL_DN_FIELD", "key": "CN", "compare_type": "REGEX", "value": "(?u:a)"},
        {"type": "SSL_VERIFY_RESULT", "compare_type": "EQUAL_TO", "value": "99999999999999999999"},
    ],
)
async def test_values_of_a_rule(api: Api, lb: Body, values: Body) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    policy = await api.create("l7policy", listener_id=listener["id"], action="REJECT")
    form = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
    await refused(api, f"l7policies/{policy['id']}/rules", "rule", form, values)


@pytest.mark.parametrize("ciphers", ["NOT-A-CIPHER", "TLS_NOPE", "::"])
async def test_values_of_ciphers(api: Api, lb: Body, ciphers: str) -> None:
    values: Any = {"tls_ciphers": ciphers}
    form = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": True}
    await refused(api, "pools", "pool", form, values)
    form = {"loadbalancer_id": lb["id"], "protocol": "TERMINATED_HTTPS", "protocol_port": 443}
    await refused(api, "listeners", "listener", form | {"default_tls_container_ref": "a"}, values)


@pytest.mark.parametrize("value", ['"a\tb"', '"\t"'])
async def test_a_tab_in_quotes_is_accepted(api: Api, lb: Body, value: str) -> None:
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    policy = await api.create("l7policy", listener_id=listener["id"], action="REJECT")
    rule = await api.add_rule(policy["id"], type="PATH", compare_type="CONTAINS", value=value)
    assert rule["value"] == value
