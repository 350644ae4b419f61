"""Rights: Octavia's policy, and resources of other projects."""

from pathlib import Path
from typing import Any

import pytest

from hydria.api.policy import OctaviaPolicy
from hydria.errors import SettingsError
from hydria.model.caller import Caller
from tests.support.api import Api, make_tree, paths_of
from tests.support.cloud import CALLERS, Cloud, running

FORBIDDEN = "Policy does not allow this request to be performed."


def makers(cloud: Cloud, tree: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    lb, pool = tree["loadbalancer"], tree["pool"]
    return [
        ("loadbalancers", {"loadbalancer": {"vip_subnet_id": cloud.subnet.id}}),
        ("listeners", {"listener": {"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 81}}),
        ("pools", {"pool": {"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}),
        (f"pools/{pool}/members", {"member": {"address": "10.0.0.12", "protocol_port": 80}}),
        (
            "healthmonitors",
            {"healthmonitor": {"pool_id": pool, "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}},
        ),
        ("l7policies", {"l7policy": {"listener_id": tree["listener"], "action": "REJECT"}}),
        (
            f"l7policies/{tree['l7policy']}/rules",
            {"rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"}},
        ),
    ]


@pytest.mark.parametrize("token", [None, "unknown", "x" * 10000])
async def test_a_missing_or_unknown_token_is_401(cloud: Cloud, tree: dict[str, str], token: str | None) -> None:
    for method, path in (("GET", "loadbalancers"), ("DELETE", f"pools/{tree['pool']}"), ("GET", "providers")):
        answer = await cloud.api(token).send(method, path)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == 401
        assert answer.headers["www-authenticate"] == "Keystone"
        assert answer.headers["x-openstack-request-id"].startswith("req-")


ABOVE = ("loadbalancers/{loadbalancer}/stats", "loadbalancers/{loadbalancer}/status", "listeners/{listener}/stats")
WITHIN = ("pools/{pool}/members", "l7policies/{l7policy}/rules")


async def refusals(cloud: Cloud, tree: dict[str, str], status: int, user: str = "bob") -> list[str]:
    """Return the refusals of all operations on a tree, and of creates below it."""
    api, messages = cloud.api(user), []
    for root, path in paths_of(tree).items():
        for method, body in (("GET", None), ("PUT", {root: {}}), ("DELETE", None)):
            messages.append(await api.fault(method, path, status, body))
    for path, body in makers(cloud, tree)[1:]:
        messages.append(await api.fault("POST", path, status, body))
    messages += [await api.fault("GET", path.format(**tree), status) for path in (*ABOVE, *WITHIN)]
    messages.append(await api.fault("PUT", f"pools/{tree['pool']}/members", status, {"members": []}))
    return messages


async def test_resources_of_another_project_are_forbidden(cloud: Cloud, tree: dict[str, str]) -> None:
    assert set(await refusals(cloud, tree, 403)) == {FORBIDDEN}
    # An unknown id is not found, whoever asks.
    assert (await cloud.api("bob").fault("GET", "loadbalancers/none", 404)).endswith(" not found.")


async def test_resources_of_another_project_can_be_hidden(tmp_path: Path) -> None:
    async with running(tmp_path, policy=OctaviaPolicy(hide_foreign=True)) as cloud:
        tree = await make_tree(cloud.api(), cloud.subnet.id)
        assert all(each.endswith(" not found.") for each in await refusals(cloud, tree, 404))
        # Resources of the own project are not hidden from a user without a role.
        assert set(await refusals(cloud, tree, 403, "nobody")) == {FORBIDDEN}


async def test_lists_leave_out_other_projects(cloud: Cloud, tree: dict[str, str]) -> None:
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies"):
        assert next(iter((await cloud.api("bob").get(path)).values())) == []


async def test_networks_of_another_project_are_not_found(cloud: Cloud, tree: dict[str, str]) -> None:
    bob = cloud.api("bob")
    assert await bob.fault("POST", *swap(400, makers(cloud, tree)[0])) == f"Subnet {cloud.subnet.id} not found."
    own = cloud.networking.add_subnet(cloud.networking.add_network("p-blue"), "10.9.0.0/24")
    lb = await bob.create("loadbalancer", vip_subnet_id=own.id)
    pool = await bob.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    member = {"member": {"address": "10.0.0.11", "protocol_port": 80, "subnet_id": cloud.subnet.id}}
    assert await bob.fault("POST", f"pools/{pool['id']}/members", 400, member) == f"Subnet {cloud.subnet.id} not found."


async def test_the_service_role_lists_members_only(cloud: Cloud, tree: dict[str, str]) -> None:
    service = cloud.api("service")
    assert [each["id"] for each in (await service.get(f"pools/{tree['pool']}/members"))["members"]] == [tree["member"]]
    for path in paths_of(tree).values():
        assert await service.fault("GET", path, 403) == FORBIDDEN


# Rules, each with a request for which it is enough; names in paths are roots of bodies.
ALONE: list[tuple[str, str, str, Any]] = [
    *((f"{kind}:get_one", "GET", path, None) for kind, path in (
        ("loadbalancer", "loadbalancers/{loadbalancer}"),
        ("listener", "listeners/{listener}"),
        ("pool", "pools/{pool}"),
        ("member", "pools/{pool}/members/{member}"),
        ("healthmonitor", "healthmonitors/{healthmonitor}"),
        ("l7policy", "l7policies/{l7policy}"),
        ("l7rule", "l7policies/{l7policy}/rules/{rule}"),
    )),
    ("loadbalancer:get_stats", "GET", "loadbalancers/{loadbalancer}/stats", None),
    ("loadbalancer:get_status", "GET", "loadbalancers/{loadbalancer}/status", None),
    ("listener:get_stats", "GET", "listeners/{listener}/stats", None),
    ("member:get_all", "GET", "pools/{pool}/members", None),
    ("l7rule:get_all", "GET", "l7policies/{l7policy}/rules", None),
    ("listener:get_all", "GET", "listeners", None),
    ("loadbalancer:put", "PUT", "loadbalancers/{loadbalancer}", {"loadbalancer": {"name": "x"}}),
    ("member:put", "PUT", "pools/{pool}/members/{member}", {"member": {"weight": 5}}),
    ("l7rule:put", "PUT", "l7policies/{l7policy}/rules/{rule}", {"rule": {"invert": True}}),
    ("loadbalancer:put_failover", "PUT", "loadbalancers/{loadbalancer}/failover", None),
    ("listener:post", "POST", "listeners", {
        "listener": {"loadbalancer_id": "{loadbalancer}", "protocol": "TCP", "protocol_port": 81},
    }),
    ("pool:post", "POST", "pools", {
        "pool": {"loadbalancer_id": "{loadbalancer}", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"},
    }),
    ("member:post", "POST", "pools/{pool}/members", {"member": {"address": "10.0.0.12", "protocol_port": 80}}),
    ("l7policy:post", "POST", "l7policies", {"l7policy": {"listener_id": "{listener}", "action": "REJECT"}}),
    ("l7rule:post", "POST", "l7policies/{l7policy}/rules", {
        "rule": {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/b"},
    }),
    ("l7rule:delete", "DELETE", "l7policies/{l7policy}/rules/{rule}", None),
    ("member:delete", "DELETE", "pools/{pool}/members/{member}", None),
    ("healthmonitor:delete", "DELETE", "healthmonitors/{healthmonitor}", None),
    ("loadbalancer:delete", "DELETE", "loadbalancers/{loadbalancer}?cascade=true", None),
]  # fmt: skip


@pytest.mark.parametrize("hide", [False, True])
async def test_a_right_to_one_operation_needs_no_other(tmp_path: Path, hide: bool) -> None:
    file = tmp_path / "policy.yaml"
    # Each rule has a role of its own, named like it.
    rules = (f'"os_load-balancer_api:{rule}": "role:{rule} or role:member"' for rule, *_ in ALONE)
    file.write_text("\n".join(rules))
    callers = {rule: Caller(user_id=f"u-{rule}", project_id="p-red", roles=frozenset({rule})) for rule, *_ in ALONE}
    policy = OctaviaPolicy(file, hide_foreign=hide)
    async with running(tmp_path, policy=policy, callers=CALLERS | callers) as cloud:
        tree = await make_tree(cloud.api(), cloud.subnet.id)
        for rule, method, path, given in ALONE:
            body = {root: filled(form, tree) for root, form in given.items()} if given else None
            answer = await cloud.api(rule).send(method, path.format(**tree), json=body)
            assert answer.status_code < 300, (rule, answer.text)


def filled(form: dict[str, Any], tree: dict[str, str]) -> dict[str, Any]:
    return {key: value.format(**tree) if isinstance(value, str) else value for key, value in form.items()}


def swap(status: int, pair: tuple[str, dict[str, Any]]) -> tuple[str, int, dict[str, Any]]:
    return pair[0], status, pair[1]


async def test_creating_or_listing_in_another_project_is_forbidden(cloud: Cloud, api: Api) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "project_id": "p-blue"}}
    assert await api.fault("POST", "loadbalancers", 403, body) == FORBIDDEN
    assert await api.fault("GET", "loadbalancers?project_id=p-blue", 403) == FORBIDDEN


async def test_a_reader_only_reads(cloud: Cloud, tree: dict[str, str]) -> None:
    reader = cloud.api("reader")
    for root, path in paths_of(tree).items():
        assert root in await reader.get(path)
        assert await reader.fault("PUT", path, 403, {root: {}}) == FORBIDDEN
        assert await reader.fault("DELETE", path, 403) == FORBIDDEN
    for path, body in makers(cloud, tree):
        assert await reader.fault("POST", path, 403, body) == FORBIDDEN
    assert len((await reader.get("loadbalancers"))["loadbalancers"]) == 1
    assert len((await reader.get(f"pools/{tree['pool']}/members"))["members"]) == 1
    await reader.get(f"loadbalancers/{tree['loadbalancer']}/stats")


async def test_a_user_without_a_role_sees_nothing(cloud: Cloud, tree: dict[str, str]) -> None:
    nobody = cloud.api("nobody")
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert await nobody.fault("GET", path, 403) == FORBIDDEN
    for path in paths_of(tree).values():
        assert await nobody.fault("GET", path, 403) == FORBIDDEN


async def test_an_admin_sees_and_does_all(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    admin = cloud.api("admin")
    made = await admin.create("loadbalancer", vip_subnet_id=cloud.subnet.id, name="for bob", project_id="p-blue")
    assert made["project_id"] == "p-blue"
    own = await admin.create("loadbalancer", vip_subnet_id=cloud.subnet.id, name="own")
    assert own["project_id"] == "p-admin"
    everything = (await admin.get("loadbalancers"))["loadbalancers"]
    assert {each["name"] for each in everything} == {"lb", "for bob", "own"}
    for key in ("project_id", "tenant_id"):
        some = (await admin.get("loadbalancers", **{key: "p-blue"}))["loadbalancers"]
        assert [each["name"] for each in some] == ["for bob"]
    assert [each["name"] for each in (await cloud.api("bob").get("loadbalancers"))["loadbalancers"]] == ["for bob"]
    for root, path in paths_of(tree).items():
        assert (await admin.put(path, {root: {"tags": ["x"]}}))[root]["tags"] == ["x"]
    # What an admin creates below a load balancer belongs to its project.
    listener = await admin.create("listener", loadbalancer_id=tree["loadbalancer"], protocol="TCP", protocol_port=81)
    assert (await api.show("listener", listener["id"]))["project_id"] == "p-red"


def test_a_policy_file_replaces_rules(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        '"os_load-balancer_api:loadbalancer:post": "role:builder"\n"os_load-balancer_api:quota:put": "role:admin"\n'
    )
    policy = OctaviaPolicy(file)
    alice = CALLERS["alice"]
    assert not policy.allows("os_load-balancer_api:loadbalancer:post", alice, "p-red")
    assert policy.allows("os_load-balancer_api:loadbalancer:put", alice, "p-red")
    assert not policy.allows("os_load-balancer_api:loadbalancer:put", alice, "p-blue")


@pytest.mark.parametrize("content", ["a: [", "- a", "a: 5", None])
def test_a_missing_or_broken_policy_file_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "policy.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"^api\.policy_file: .*policy\.yaml"):
        OctaviaPolicy(file)
