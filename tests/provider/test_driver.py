"""What users do in Octavia is done in Hydria, and the statuses come back."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.provider.stand import Body, Stand

SUBNET = "11111111-0000-4000-8000-000000000001"
REFERENCE = "http://barbican.example.org/v1/secrets/5eed0000-0000-4000-8000-000000000001"
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3}
RULE = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/images"}


def make(stand: Stand, root: str, path: str, lb: str | None = None, **attributes: Any) -> Body:
    """Create a resource in Octavia and wait until its load balancer is ACTIVE."""
    made: Body = stand.octavia.call("POST", path, {root: attributes})[root]
    stand.settled(lb or made["id"])
    return made


def change(stand: Stand, root: str, path: str, lb: str, **attributes: Any) -> Body:
    """Change a resource in Octavia, wait until its load balancer is ACTIVE, and return Hydria's resource."""
    stand.octavia.call("PUT", path, {root: attributes})
    stand.settled(lb)
    return stand.hydria.show(path)


def delete(stand: Stand, path: str, lb: str) -> None:
    """Delete a resource in Octavia, and wait until it is gone from both."""
    stand.octavia.call("DELETE", path)
    stand.settled(lb)
    assert stand.octavia.find(path) is None
    assert stand.hydria.find(path) is None


def check_equal(stand: Stand, path: str, *names: str) -> None:
    """Compare a resource's statuses, and these attributes, in Octavia and Hydria."""
    theirs, ours = stand.octavia.show(path), stand.hydria.show(path)
    shown = ("provisioning_status", "operating_status", "admin_state_up", *names)
    assert {name: ours[name] for name in shown} == {name: theirs[name] for name in shown}


def forget(stand: Stand, lb: Body) -> None:
    """Have a load balancer deleted, if it is still there: the agent looks at each one again and again."""
    stand.octavia.send("DELETE", f"loadbalancers/{lb['id']}", cascade="true")


@pytest.fixture
def lb(stand: Stand) -> Iterator[Body]:
    """An empty load balancer."""
    made = make(stand, "loadbalancer", "loadbalancers", name="lb", vip_subnet_id=SUBNET)
    yield made
    forget(stand, made)


@pytest.fixture
def web(stand: Stand) -> Iterator[Body]:
    """A load balancer with an HTTP listener and its default pool."""
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}}
    made = make(stand, "loadbalancer", "loadbalancers", vip_subnet_id=SUBNET, listeners=[listener], pools=[pool])
    yield made
    forget(stand, made)


def test_load_balancers(stand: Stand) -> None:
    lb = make(
        stand,
        "loadbalancer",
        "loadbalancers",
        name="lb",
        description="d",
        vip_subnet_id=SUBNET,
        admin_state_up=False,
        tags=["t"],
    )
    path = f"loadbalancers/{lb['id']}"
    ours = stand.hydria.show(path)
    assert ours["project_id"] == stand.project_id
    # Tags are Octavia's alone.
    assert ours["tags"] == []
    check_equal(stand, path, "name", "description", "vip_address", "vip_port_id")

    changed = change(stand, "loadbalancer", path, lb["id"], name="other", admin_state_up=True)
    assert (changed["name"], changed["description"], changed["admin_state_up"]) == ("other", "d", True)
    # Nothing of that is Hydria's.
    change(stand, "loadbalancer", path, lb["id"], tags=["u"])

    stand.octavia.call("PUT", f"{path}/failover")
    stand.settled(lb["id"])
    stand.octavia.call("DELETE", path)
    stand.wait_until_gone(path)
    assert stand.hydria.find(path) is None


def test_listeners(stand: Stand, lb: Body) -> None:
    made = make(
        stand,
        "listener",
        "listeners",
        lb["id"],
        loadbalancer_id=lb["id"],
        name="l",
        description="d",
        protocol="TERMINATED_HTTPS",
        protocol_port=443,
        default_tls_container_ref=REFERENCE,
        sni_container_refs=[REFERENCE],
        insert_headers={"X-Forwarded-For": "true"},
        connection_limit=5,
        allowed_cidrs=["192.0.2.0/24"],
        timeout_client_data=7000,
        tls_versions=["TLSv1.3"],
    )
    path = f"listeners/{made['id']}"
    names = (
        "name", "description", "protocol", "protocol_port", "default_tls_container_ref", "sni_container_refs",
        "insert_headers", "connection_limit", "allowed_cidrs", "timeout_client_data", "timeout_member_connect",
        "timeout_member_data", "timeout_tcp_inspect", "tls_versions", "tls_ciphers", "alpn_protocols",
        "client_authentication", "hsts_max_age",
    )  # fmt: skip
    check_equal(stand, path, *names)
    change(
        stand,
        "listener",
        path,
        lb["id"],
        name="other",
        connection_limit=None,
        allowed_cidrs=None,
        insert_headers={},
        hsts_max_age=100,
        sni_container_refs=[],
    )
    check_equal(stand, path, *names)
    assert stand.hydria.show(path)["connection_limit"] == -1
    delete(stand, path, lb["id"])


def test_pools(stand: Stand, lb: Body) -> None:
    listener = make(
        stand, "listener", "listeners", lb["id"], loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80
    )
    made = make(
        stand,
        "pool",
        "pools",
        lb["id"],
        listener_id=listener["id"],
        name="p",
        protocol="HTTP",
        lb_algorithm="LEAST_CONNECTIONS",
        session_persistence={"type": "APP_COOKIE", "cookie_name": "c"},
    )
    path = f"pools/{made['id']}"
    names = ("name", "protocol", "lb_algorithm", "tls_enabled", "session_persistence", "listeners")
    check_equal(stand, path, *names)
    assert stand.hydria.show(f"listeners/{listener['id']}")["default_pool_id"] == made["id"]
    change(
        stand, "pool", path, lb["id"], lb_algorithm="SOURCE_IP", session_persistence=None, tls_enabled=True, name="q"
    )
    check_equal(stand, path, *names)
    change(stand, "listener", f"listeners/{listener['id']}", lb["id"], default_pool_id=None)
    assert stand.hydria.show(path)["listeners"] == []
    delete(stand, path, lb["id"])


def test_members(stand: Stand, web: Body) -> None:
    lb, (pool,) = web, web["pools"]
    members = f"pools/{pool['id']}/members"
    made = make(
        stand,
        "member",
        members,
        lb["id"],
        name="m",
        address="192.0.2.7",
        protocol_port=80,
        weight=3,
        backup=True,
        monitor_port=81,
        monitor_address="192.0.2.8",
        subnet_id=SUBNET,
    )
    path = f"{members}/{made['id']}"
    names = ("name", "address", "protocol_port", "weight", "backup", "monitor_port", "monitor_address", "subnet_id")
    check_equal(stand, path, *names)
    change(stand, "member", path, lb["id"], weight=0, backup=False, monitor_address=None, admin_state_up=False)
    check_equal(stand, path, *names)

    batch = [{"address": "192.0.2.7", "protocol_port": 80, "weight": 9}, {"address": "192.0.2.9", "protocol_port": 80}]
    stand.octavia.call("PUT", members, {"members": batch})
    stand.settled(lb["id"])
    shown = [
        {each["id"]: each["weight"] for each in side.call("GET", members)["members"]}
        for side in (stand.octavia, stand.hydria)
    ]
    assert shown[0] == shown[1]
    assert shown[0][made["id"]] == 9
    assert len(shown[0]) == 2

    more = [{"address": "192.0.2.10", "protocol_port": 80}]
    stand.octavia.call("PUT", members, {"members": more}, additive_only="true")
    stand.settled(lb["id"])
    assert len(stand.hydria.call("GET", members)["members"]) == 3
    stand.octavia.call("PUT", members, {"members": more})
    stand.settled(lb["id"])
    (left,) = stand.hydria.call("GET", members)["members"]
    assert [left["id"]] == [each["id"] for each in stand.octavia.call("GET", members)["members"]]
    delete(stand, f"{members}/{left['id']}", lb["id"])


def test_health_monitors(stand: Stand, web: Body) -> None:
    lb, (pool,) = web, web["pools"]
    member = make(stand, "member", f"pools/{pool['id']}/members", lb["id"], address="192.0.2.7", protocol_port=80)
    made = make(
        stand,
        "healthmonitor",
        "healthmonitors",
        lb["id"],
        pool_id=pool["id"],
        name="h",
        http_method="HEAD",
        url_path="/x",
        expected_codes="200,204",
        http_version=1.1,
        domain_name="www.example.org",
        max_retries_down=4,
        **MONITOR,
    )
    path = f"healthmonitors/{made['id']}"
    names = (
        "name", "type", "delay", "timeout", "max_retries", "max_retries_down", "http_method", "url_path",
        "expected_codes", "http_version", "domain_name",
    )  # fmt: skip
    check_equal(stand, path, *names)
    change(stand, "healthmonitor", path, lb["id"], delay=9, max_retries=2, expected_codes="200", domain_name=None)
    check_equal(stand, path, *names)
    delete(stand, path, lb["id"])
    one = f"pools/{pool['id']}/members/{member['id']}"
    assert stand.octavia.show(one)["operating_status"] == "NO_MONITOR"


def test_l7_policies_and_rules(stand: Stand, web: Body) -> None:
    lb, (listener,), (pool,) = web, web["listeners"], web["pools"]
    made = make(
        stand,
        "l7policy",
        "l7policies",
        lb["id"],
        listener_id=listener["id"],
        name="y",
        action="REDIRECT_TO_POOL",
        redirect_pool_id=pool["id"],
    )
    first = make(stand, "l7policy", "l7policies", lb["id"], listener_id=listener["id"], action="REJECT", position=1)
    path, names = (
        f"l7policies/{made['id']}",
        ("name", "action", "redirect_pool_id", "redirect_url", "redirect_http_code", "position"),
    )
    check_equal(stand, path, *names)
    assert stand.hydria.show(path)["position"] == 2
    rules = f"{path}/rules"
    rule = make(stand, "rule", rules, lb["id"], **RULE)
    one, of_rule = f"{rules}/{rule['id']}", ("type", "compare_type", "key", "value", "invert")
    check_equal(stand, one, *of_rule)
    change(stand, "rule", one, lb["id"], value="/films", invert=True)
    check_equal(stand, one, *of_rule)
    change(stand, "l7policy", path, lb["id"], action="REDIRECT_TO_URL", redirect_url="http://example.org/")
    check_equal(stand, path, *names)
    delete(stand, one, lb["id"])
    delete(stand, f"l7policies/{first['id']}", lb["id"])
    check_equal(stand, path, *names)
    delete(stand, path, lb["id"])


def test_a_whole_tree_and_its_deletion(stand: Stand) -> None:
    pool = {
        "name": "p",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "healthmonitor": MONITOR,
        "members": [{"address": "192.0.2.7", "protocol_port": 80}, {"address": "192.0.2.8", "protocol_port": 80}],
    }
    other = {"name": "q", "protocol": "HTTP", "lb_algorithm": "SOURCE_IP"}
    policy = {"action": "REDIRECT_TO_POOL", "redirect_pool": other, "rules": [RULE]}
    lb = make(
        stand,
        "loadbalancer",
        "loadbalancers",
        name="tree",
        vip_subnet_id=SUBNET,
        additional_vips=[{"subnet_id": "11111111-0000-4000-8000-000000000002"}],
        listeners=[
            {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}, "l7policies": [policy]},
            {"protocol": "TCP", "protocol_port": 25},
        ],
        pools=[pool],
    )
    path = f"loadbalancers/{lb['id']}"
    theirs = statuses_of(stand.octavia, lb["id"])
    assert theirs == statuses_of(stand.hydria, lb["id"])
    assert [len(theirs[kind]) for kind in sorted(theirs)] == [1, 1, 2, 2, 2, 1]
    assert {status for kind in theirs.values() for status in kind.values()} <= {
        ("ACTIVE", "ONLINE"),
        ("ACTIVE", "OFFLINE"),
        ("ACTIVE", "NO_MONITOR"),
    }
    refused = stand.octavia.send("DELETE", path)
    assert refused.status_code == 400
    stand.octavia.call("DELETE", path, cascade="true")
    stand.wait_until_gone(path)
    assert stand.hydria.find(path) is None
    assert not any(statuses_of(stand.octavia, lb["id"]).values())
    for kind, found in theirs.items():
        if kind in ("listeners", "pools", "healthmonitors", "l7policies"):
            assert all(stand.octavia.find(f"{kind}/{key}") is None for key in found)


def statuses_of(side: Any, key: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Return the statuses of everything below a load balancer, by kind and id."""

    def listed(path: str, kind: str, **query: str) -> dict[str, tuple[str, str]]:
        found = side.call("GET", path, **query)[kind]
        return {each["id"]: (each["provisioning_status"], each["operating_status"]) for each in found}

    below = {kind: listed(kind, kind, loadbalancer_id=key) for kind in ("listeners", "pools")}
    policies = [listed("l7policies", "l7policies", listener_id=each) for each in below["listeners"]]
    monitors = [listed("healthmonitors", "healthmonitors", pool_id=each) for each in below["pools"]]
    members = [listed(f"pools/{each}/members", "members") for each in below["pools"]]
    rules = [listed(f"l7policies/{each}/rules", "rules") for policy in policies for each in policy]
    many = {"l7policies": policies, "healthmonitors": monitors, "members": members, "rules": rules}
    return {
        **below,
        **{kind: {key: each for one in found for key, each in one.items()} for kind, found in many.items()},
    }


def test_flavors_and_availability_zones(stand: Stand) -> None:
    capabilities = stand.octavia.call("GET", "providers/hydria/flavor_capabilities")["flavor_capabilities"]
    assert "loadbalancer_topology" in [each["name"] for each in capabilities]
    zones = stand.octavia.call("GET", "providers/hydria/availability_zone_capabilities")
    assert "compute_zone" in [each["name"] for each in zones["availability_zone_capabilities"]]

    wrong = {"name": "f", "provider_name": "hydria", "flavor_data": '{"memory_mb": 1}'}
    refused = stand.octavia.send("POST", "flavorprofiles", {"flavorprofile": wrong})
    assert refused.status_code == 501
    assert "memory_mb" in refused.text
    data = {"flavor_data": '{"loadbalancer_topology": "ACTIVE_STANDBY", "memory_mb": 64}'}
    profile = stand.octavia.call("POST", "flavorprofiles", {"flavorprofile": {**wrong, **data}})["flavorprofile"]
    flavor = stand.octavia.call("POST", "flavors", {"flavor": {"name": "pairs", "flavor_profile_id": profile["id"]}})[
        "flavor"
    ]
    zone = {"name": "z", "provider_name": "hydria", "availability_zone_data": '{"compute_zone": "az1"}'}
    made = stand.octavia.call("POST", "availabilityzoneprofiles", {"availability_zone_profile": zone})
    key = made["availability_zone_profile"]["id"]
    body = {"availability_zone": {"name": "z1", "availability_zone_profile_id": key}}
    stand.octavia.call("POST", "availabilityzones", body)

    used = []
    for _ in range(2):
        lb = make(
            stand,
            "loadbalancer",
            "loadbalancers",
            vip_subnet_id=SUBNET,
            flavor_id=flavor["id"],
            availability_zone="z1",
        )
        ours = stand.hydria.show(f"loadbalancers/{lb['id']}")
        used.append((ours["flavor_id"], ours["availability_zone"]))
    # The second load balancer has the flavor and the zone that were made for the first one.
    assert used[0] == used[1]
    ours = stand.hydria.show(f"flavors/{used[0][0]}")
    profile = stand.hydria.show(f"flavorprofiles/{ours['flavor_profile_id']}")
    assert profile["flavor_data"] == data["flavor_data"]


def test_what_hydria_does_not_support_is_refused_with_its_reason(stand: Stand, lb: Body) -> None:
    body = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "SOURCE_IP_PORT"}
    refused = stand.octavia.send("POST", "pools", {"pool": body})
    assert refused.status_code == 501
    assert "SOURCE_IP_PORT" in refused.text
    # It is not locked.
    assert stand.octavia.show(f"loadbalancers/{lb['id']}")["provisioning_status"] == "ACTIVE"
