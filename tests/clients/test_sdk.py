"""Every call of openstacksdk's load-balancer proxy, with a server in noop mode."""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack import exceptions
from openstack.load_balancer.v2._proxy import Proxy

from tests.support.served import Served

SUBNET = "11111111-0000-4000-8000-000000000001"
MISSING = "22222222-0000-4000-8000-000000000002"

# Warnings about features that later releases of the SDK remove.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def connection(server: Served) -> Iterator[Any]:
    """The SDK, logged in as the first admin."""
    connection = openstack.connect(load_envvars=False, load_yaml_config=False, **server.credentials.connection())
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def cloud(connection: Any) -> Any:
    """The load-balancer proxy."""
    return connection.load_balancer


@pytest.fixture
def lb(cloud: Any) -> Iterator[Any]:
    """A load balancer, which is deleted afterwards with everything below it."""
    made = cloud.create_load_balancer(name="tree", vip_subnet_id=SUBNET)
    yield cloud.wait_for_load_balancer(made.id)
    cloud.delete_load_balancer(made.id, cascade=True)


def test_load_balancers(cloud: Any) -> None:
    made = cloud.create_load_balancer(
        name="lb", description="d", vip_subnet_id=SUBNET, vip_address="192.0.2.7", tags=["red"]
    )
    assert (made.provisioning_status, made.vip_address, made.tags) == ("PENDING_CREATE", "192.0.2.7", ["red"])
    settled = cloud.wait_for_load_balancer("lb", interval=1, wait=20)
    assert (settled.id, settled.provisioning_status, settled.operating_status) == (made.id, "ACTIVE", "OFFLINE")
    _reads(settled, cloud.get_load_balancer, cloud.find_load_balancer, cloud.load_balancers)
    assert [each.id for each in cloud.load_balancers(tags=["red"])] == [made.id]
    assert made.id not in [each.id for each in cloud.load_balancers(not_tags=["red"])]
    changed = cloud.update_load_balancer(made.id, name="lb2", is_admin_state_up=False)
    assert (changed.name, changed.is_admin_state_up) == ("lb2", False)
    found = cloud.get_load_balancer(made.id)
    assert cloud.wait_for_status(found, "ACTIVE", attribute="provisioning_status").name == "lb2"
    zero = {"active_connections": 0, "bytes_in": 0, "bytes_out": 0, "request_errors": 0, "total_connections": 0}
    assert cloud.get_load_balancer_statistics(made.id).to_dict().items() >= zero.items()
    assert cloud.failover_load_balancer(made.id) is None
    cloud.delete_load_balancer(made.id)
    gone = cloud.wait_for_delete(found, interval=1, wait=20)
    assert gone.id == made.id
    _is_missing(cloud.get_load_balancer, cloud.find_load_balancer, cloud.delete_load_balancer)


def test_a_list_longer_than_a_page(cloud: Any) -> None:
    made = [cloud.create_load_balancer(name="page", vip_subnet_id=SUBNET).id for _ in range(5)]
    found = [each.id for each in cloud.load_balancers(limit=2, name="page")]
    assert sorted(found) == sorted(made)
    for key in made:
        cloud.delete_load_balancer(key, cascade=True)


def test_amphorae(cloud: Any, lb: Any) -> None:
    (amphora,) = cloud.amphorae(loadbalancer_id=lb.id)
    assert (amphora.status, amphora.role, amphora.ha_ip) == ("ALLOCATED", "STANDALONE", lb.vip_address)
    assert cloud.get_amphora(amphora.id) == amphora
    assert cloud.find_amphora(amphora.id) == amphora
    _filters(amphora, cloud.amphorae)
    cloud.configure_amphora(amphora.id)
    cloud.failover_amphora(amphora.id)
    (successor,) = cloud.amphorae(loadbalancer_id=lb.id)
    assert successor.id != amphora.id
    _is_missing(cloud.get_amphora)


def test_listeners(cloud: Any, lb: Any) -> None:
    made = cloud.create_listener(
        load_balancer_id=lb.id,
        name="web",
        description="d",
        protocol="HTTP",
        protocol_port=80,
        connection_limit=10,
        insert_headers={"X-Forwarded-For": "true"},
        allowed_cidrs=["192.0.2.0/24"],
        timeout_client_data=1001,
        timeout_member_connect=1002,
        timeout_member_data=1003,
        timeout_tcp_inspect=1004,
        tags=["red"],
    )
    assert made.load_balancers == [{"id": lb.id}]
    assert (made.insert_headers, made.allowed_cidrs) == ({"X-Forwarded-For": "true"}, ["192.0.2.0/24"])
    found = cloud.get_listener(made.id)
    assert found.provisioning_status == "ACTIVE"
    _reads(found, cloud.get_listener, cloud.find_listener, cloud.listeners, load_balancer_id=lb.id)
    changed = cloud.update_listener(made.id, name="web2", connection_limit=20, timeout_client_data=7)
    assert (changed.name, changed.connection_limit, changed.timeout_client_data) == ("web2", 20, 7)
    assert cloud.get_listener_statistics(made.id).total_connections == 0
    cloud.delete_listener(made.id)
    _is_missing(cloud.get_listener, cloud.find_listener, cloud.delete_listener)


def test_pools(cloud: Any, lb: Any) -> None:
    listener = cloud.create_listener(load_balancer_id=lb.id, protocol="HTTP", protocol_port=80)
    made = cloud.create_pool(
        listener_id=listener.id,
        name="po",
        description="d",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        session_persistence={"type": "APP_COOKIE", "cookie_name": "c"},
        tls_enabled=True,
        tls_versions=["TLSv1.2"],
        tls_ciphers="ECDHE-RSA-AES128-GCM-SHA256",
        alpn_protocols=["h2"],
        tags=["red"],
    )
    assert made.listeners == [{"id": listener.id}]
    assert (made.tls_enabled, made.tls_versions, made.alpn_protocols) == (True, ["TLSv1.2"], ["h2"])
    assert made.session_persistence["cookie_name"] == "c"
    found = cloud.get_pool(made.id)
    assert found.provisioning_status == "ACTIVE"
    _reads(found, cloud.get_pool, cloud.find_pool, cloud.pools, loadbalancer_id=lb.id)
    changed = cloud.update_pool(made.id, name="po2", lb_algorithm="SOURCE_IP", session_persistence=None)
    assert (changed.name, changed.lb_algorithm, changed.session_persistence) == ("po2", "SOURCE_IP", None)
    cloud.delete_pool(made.id)
    _is_missing(cloud.get_pool, cloud.find_pool, cloud.delete_pool)


def test_members(cloud: Any, lb: Any) -> None:
    pool = cloud.create_pool(loadbalancer_id=lb.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    made = cloud.create_member(
        pool.id,
        name="m",
        address="192.0.2.11",
        protocol_port=80,
        subnet_id=SUBNET,
        weight=5,
        backup=True,
        monitor_port=8080,
        monitor_address="192.0.2.12",
        tags=["red"],
    )
    assert (made.address, made.weight, made.backup, made.operating_status) == ("192.0.2.11", 5, True, "NO_MONITOR")
    found = cloud.get_member(made.id, pool.id)
    assert found.provisioning_status == "ACTIVE"
    assert cloud.find_member("m", pool.id) == found
    _filters(found, lambda **query: cloud.members(pool.id, **query))
    changed = cloud.update_member(made.id, pool.id, name="m2", weight=6, monitor_port=None)
    assert (changed.name, changed.weight, changed.monitor_port) == ("m2", 6, None)
    cloud.delete_member(made.id, pool.id)
    assert list(cloud.members(pool.id)) == []
    _is_missing(
        partial(cloud.get_member, pool=pool.id),
        partial(cloud.find_member, pool=pool.id),
        partial(cloud.delete_member, pool=pool.id),
    )


def test_health_monitors(cloud: Any, lb: Any) -> None:
    pool = cloud.create_pool(loadbalancer_id=lb.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    made = cloud.create_health_monitor(
        pool_id=pool.id,
        name="hm",
        type="HTTP",
        delay=5,
        timeout=4,
        max_retries=3,
        max_retries_down=2,
        http_method="HEAD",
        http_version=1.1,
        domain_name="a.example",
        url_path="/x",
        expected_codes="200,201",
        tags=["red"],
    )
    assert (made.pools, made.http_method, made.expected_codes) == ([{"id": pool.id}], "HEAD", "200,201")
    found = cloud.get_health_monitor(made.id)
    assert (found.provisioning_status, found.operating_status) == ("ACTIVE", "ONLINE")
    _reads(found, cloud.get_health_monitor, cloud.find_health_monitor, cloud.health_monitors)
    changed = cloud.update_health_monitor(made.id, name="hm2", delay=6, url_path="/y")
    assert (changed.name, changed.delay, changed.url_path) == ("hm2", 6, "/y")
    cloud.delete_health_monitor(made.id)
    _is_missing(cloud.get_health_monitor, cloud.find_health_monitor, cloud.delete_health_monitor)


def test_l7_policies(cloud: Any, lb: Any) -> None:
    listener = cloud.create_listener(load_balancer_id=lb.id, protocol="HTTP", protocol_port=80)
    made = cloud.create_l7_policy(
        listener_id=listener.id,
        name="p",
        description="d",
        action="REDIRECT_TO_URL",
        redirect_url="http://a.example/",
        tags=["red"],
    )
    assert (made.action, made.position, made.rules) == ("REDIRECT_TO_URL", 1, [])
    found = cloud.get_l7_policy(made.id)
    assert (found.provisioning_status, found.operating_status) == ("ACTIVE", "ONLINE")
    _reads(found, cloud.get_l7_policy, cloud.find_l7_policy, cloud.l7_policies)
    changed = cloud.update_l7_policy(made.id, name="p2", action="REJECT")
    assert (changed.name, changed.action, changed.redirect_url) == ("p2", "REJECT", None)
    cloud.delete_l7_policy(made.id)
    _is_missing(cloud.get_l7_policy, cloud.find_l7_policy, cloud.delete_l7_policy)


def test_l7_rules(cloud: Any, lb: Any) -> None:
    listener = cloud.create_listener(load_balancer_id=lb.id, protocol="HTTP", protocol_port=80)
    policy = cloud.create_l7_policy(listener_id=listener.id, action="REJECT").id
    made = cloud.create_l7_rule(
        policy, type="HEADER", key="X-A", rule_value="a", compare_type="EQUAL_TO", invert=True, tags=["red"]
    )
    assert (made.type, made.key, made.rule_value, made.invert) == ("HEADER", "X-A", "a", True)
    found = cloud.get_l7_rule(made.id, policy)
    assert (found.provisioning_status, found.operating_status) == ("ACTIVE", "ONLINE")
    assert cloud.find_l7_rule(made.id, policy) == found
    _filters(found, lambda **query: cloud.l7_rules(policy, **query))
    changed = cloud.update_l7_rule(made.id, policy, rule_value="b", invert=False)
    assert (changed.rule_value, changed.invert) == ("b", False)
    cloud.delete_l7_rule(made.id, policy)
    assert list(cloud.l7_rules(policy)) == []
    _is_missing(
        partial(cloud.get_l7_rule, l7_policy=policy),
        partial(cloud.find_l7_rule, l7_policy=policy),
        partial(cloud.delete_l7_rule, l7_policy=policy),
    )


def test_quotas(cloud: Any, connection: Any) -> None:
    project = connection.identity.create_project(name="thrifty")
    defaults = cloud.get_quota_default()
    assert {defaults.load_balancers, defaults.listeners, defaults.pools, defaults.members} == {-1}
    changed = cloud.update_quota(project.id, load_balancers=1, listeners=2, pools=3, members=4, health_monitors=5)
    assert (changed.load_balancers, changed.health_monitors) == (1, 5)
    found = cloud.get_quota(project.id)
    assert (found.load_balancers, found.listeners, found.pools, found.members) == (1, 2, 3, 4)
    assert [each.load_balancers for each in cloud.quotas(project_id=project.id)] == [1]
    cloud.delete_quota(project.id)
    assert cloud.get_quota(project.id).load_balancers == -1
    connection.identity.delete_project(project)


def test_providers(cloud: Any) -> None:
    assert [each.name for each in cloud.providers()] == ["amphora", "octavia"]
    names = [each.name for each in cloud.provider_flavor_capabilities("amphora")]
    assert "loadbalancer_topology" in names


def test_flavors(cloud: Any) -> None:
    data = '{"loadbalancer_topology": "SINGLE"}'
    profile = cloud.create_flavor_profile(name="fp", provider_name="amphora", flavor_data=data)
    _reads(profile, cloud.get_flavor_profile, cloud.find_flavor_profile, cloud.flavor_profiles)
    assert cloud.update_flavor_profile(profile.id, name="fp2", provider_name="octavia").name == "fp2"
    made = cloud.create_flavor(name="f", description="d", is_enabled=True, flavor_profile_id=profile.id)
    _reads(made, cloud.get_flavor, cloud.find_flavor, cloud.flavors)
    changed = cloud.update_flavor(made.id, name="f2", is_enabled=False)
    assert (changed.name, changed.is_enabled) == ("f2", False)
    with pytest.raises(exceptions.ConflictException):
        cloud.delete_flavor_profile(profile.id)
    cloud.delete_flavor(made.id)
    cloud.delete_flavor_profile(profile.id)
    _is_missing(cloud.get_flavor, cloud.find_flavor, cloud.delete_flavor)
    _is_missing(cloud.get_flavor_profile, cloud.find_flavor_profile, cloud.delete_flavor_profile)


def test_availability_zones(cloud: Any) -> None:
    profiles = (cloud.get_availability_zone_profile, cloud.find_availability_zone_profile)
    zones = (cloud.get_availability_zone, cloud.find_availability_zone)
    data = '{"compute_zone": "nova"}'
    profile = cloud.create_availability_zone_profile(name="ap", provider_name="amphora", availability_zone_data=data)
    _reads(profile, *profiles, cloud.availability_zone_profiles)
    assert cloud.update_availability_zone_profile(profile.id, name="ap2").name == "ap2"
    made = cloud.create_availability_zone(
        name="z", description="d", is_enabled=True, availability_zone_profile_id=profile.id
    )
    _reads(made, *zones, cloud.availability_zones)
    changed = cloud.update_availability_zone("z", description="e", is_enabled=False)
    assert (changed.description, changed.is_enabled) == ("e", False)
    cloud.delete_availability_zone("z")
    cloud.delete_availability_zone_profile(profile.id)
    _is_missing(*zones, cloud.delete_availability_zone)
    _is_missing(*profiles, cloud.delete_availability_zone_profile)


def test_every_call_is_used() -> None:
    calls = {name for name, what in vars(Proxy).items() if inspect.isfunction(what) and not name.startswith("_")}
    assert len(calls) >= 84
    nodes = [node for node in ast.walk(ast.parse(Path(__file__).read_text())) if isinstance(node, ast.Attribute)]
    made = {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "cloud"}
    assert calls - made == set()


def _reads(
    made: Any, get: Callable[..., Any], find: Callable[..., Any], list_: Callable[..., Iterable[Any]], **query: Any
) -> None:
    """Read a resource in every way."""
    # The SDK finds availability zones by name only.
    keys = (made.name,) if made.id is None else (made.id, made)
    for found in (*map(get, keys), find(keys[0]), find(made.name)):
        assert _body(found) == _body(made)
    assert made.name in [each.name for each in list_(**query)]
    _filters(made, list_)


def _body(found: Any) -> dict[str, Any]:
    body: dict[str, Any] = found.to_dict(computed=False, headers=False)
    return {name: value for name, value in body.items() if name != "id"}


def _filters(made: Any, list_: Callable[..., Iterable[Any]]) -> None:
    """Find the resource by each filter of the SDK, with the resource's own value."""
    # Octavia refuses `rule_value`: the attribute is `value`.
    for name in set(made._query_mapping._mapping) - {"rule_value"}:
        value = getattr(made, name, None)
        if isinstance(value, str | int) and value != "":
            found = list(list_(**{name: value}))
            assert made.name in [each.name for each in found], name
            assert {getattr(each, name) for each in found} == {value}, name


def _is_missing(*calls: Callable[..., Any]) -> None:
    for call in calls:
        how = {"ignore_missing": False} if "ignore_missing" in inspect.signature(call).parameters else {}
        with pytest.raises(exceptions.NotFoundException):
            call(MISSING, **how)
