"""Networks and subnets, as `openstack network` and `openstack subnet` ask for them."""

from pathlib import Path

import pytest

from hydria.homecloud.network import HomeTopologies, bootstrap
from hydria.protocols import Reach
from tests.homecloud.network.neutron import DEMO, Cloud


async def test_bootstrap_makes_the_external_network_once(cloud: Cloud) -> None:
    cloud.work(lambda transaction: bootstrap(transaction, cloud.clock.now(), "x", "198.51.100.0/24"))
    (network,) = (await cloud.get("/networks?router:external=True"))["networks"]
    assert (network["name"], network["shared"], network["is_default"]) == ("provider", False, True)
    (subnet,) = (await cloud.get("/subnets"))["subnets"]
    assert (subnet["name"], subnet["cidr"], subnet["gateway_ip"]) == (
        "provider-subnet",
        "203.0.113.0/24",
        "203.0.113.1",
    )
    assert subnet["allocation_pools"] == [{"start": "203.0.113.10", "end": "203.0.113.250"}]
    assert network["subnets"] == [subnet["id"]]


async def test_a_small_external_range_is_one_pool(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, "198.51.100.16/28")
    (subnet,) = (await cloud.get("/subnets"))["subnets"]
    assert subnet["allocation_pools"] == [{"start": "198.51.100.18", "end": "198.51.100.30"}]
    await cloud.close()


async def test_a_network_has_neutrons_body(cloud: Cloud) -> None:
    network = await cloud.make("/networks", name="n1", admin_state_up=True)
    assert network | {"id": "", "availability_zones": []} == {
        "id": "",
        "name": "n1",
        "project_id": DEMO,
        "tenant_id": DEMO,
        "description": "",
        "admin_state_up": True,
        "status": "ACTIVE",
        "shared": False,
        "router:external": False,
        "mtu": 1500,
        "port_security_enabled": True,
        "subnets": [],
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "qos_policy_id": None,
        "tags": [],
        "created_at": "2026-03-01T09:00:00Z",
        "updated_at": "2026-03-01T09:00:00Z",
        "revision_number": 1,
    }
    assert (await cloud.get(f"/networks/{network['id']}"))["network"] == network
    seen = (await cloud.get(f"/networks/{network['id']}", "admin"))["network"]
    assert seen["provider:network_type"] == "local"


async def test_a_network_that_a_host_could_not_make_is_down(cloud: Cloud) -> None:
    made = [await cloud.make("/networks", name=name) for name in ("lan", "other")]
    lan = made[0]["id"]

    def record(down: dict[str, str], host: str = "one") -> None:
        cloud.work(lambda transaction: HomeTopologies(transaction).record_trouble(host, down))

    record({lan: "No bridge.", "unknown": "No bridge either."})
    assert await cloud.names("/networks?status=DOWN") == ["lan"]
    network = (await cloud.get(f"/networks/{lan}"))["network"]
    assert (network["status"], network["revision_number"], "hydria:trouble" in network) == ("DOWN", 1, False)
    assert (await cloud.get(f"/networks/{lan}", "admin"))["network"]["hydria:trouble"] == "No bridge."
    # A host speaks for itself only.
    record({}, host="two")
    assert await cloud.names("/networks?status=DOWN") == ["lan"]
    record({lan: "No memory."}, host="two")
    record({})
    assert (await cloud.get(f"/networks/{lan}", "admin"))["network"]["hydria:trouble"] == "No memory."
    record({}, host="two")
    assert await cloud.names("/networks?status=DOWN") == []
    assert (await cloud.get(f"/networks/{lan}"))["network"]["status"] == "ACTIVE"


async def test_a_flat_network_names_a_bridge_of_the_machine(cloud: Cloud) -> None:
    form = {"name": "lan", "provider__network_type": "flat", "provider__physical_network": "br0"}
    network = await cloud.make("/networks", "admin", **form)
    assert (network["provider:network_type"], network["provider:physical_network"]) == ("flat", "br0")
    assert await cloud.names("/networks?provider:network_type=flat", "admin") == ["lan"]
    assert {each.physical for each in cloud.topology().networks} == {None, "br0"}
    for changes, status, words in (
        ({}, 409, "Physical network br0 is in use"),
        ({"provider:physical_network": None}, 400, "physical_network required for flat"),
        ({"provider:physical_network": "a b"}, 400, "cannot be the name of a bridge"),
        (
            {"provider:physical_network": "br1", "provider:segmentation_id": 5},
            400,
            "segmentation_id prohibited for flat",
        ),
        ({"provider:physical_network": "br1", "router:external": True}, 400, "flat network cannot be external"),
        ({"provider:network_type": "vxlan"}, 400, "network_type value 'vxlan' not supported"),
        ({"provider:network_type": "local"}, 400, "physical_network prohibited for local"),
    ):
        asked = {name.replace("__", ":"): value for name, value in form.items()} | changes
        answer = await cloud.ask("POST", "/networks", {"network": asked}, who="admin")
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    plain = {"network": {"name": "x", "provider:network_type": "flat", "provider:physical_network": "br1"}}
    assert (await cloud.ask("POST", "/networks", plain)).status_code == 403
    external = {"network": {"router:external": True}}
    assert (await cloud.ask("PUT", f"/networks/{network['id']}", external, who="admin")).status_code == 400


async def test_a_network_is_looked_up_by_name_changed_and_deleted(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    assert (await cloud.refused("GET", "/networks/net"))[:2] == (404, "NetworkNotFound")
    assert (await cloud.get("/networks?name=net"))["networks"][0]["subnets"] == [subnet["id"]]
    changed = await cloud.put(
        f"/networks/{network['id']}", {"network": {"name": "other", "port_security_enabled": False}}
    )
    assert changed["network"]["name"] == "other"
    assert changed["network"]["revision_number"] == 2
    await cloud.delete(f"/networks/{network['id']}")
    assert await cloud.names("/networks") == ["provider"]
    assert await cloud.names("/subnets") == ["provider-subnet"]


async def test_a_network_with_ports_cannot_be_deleted(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"])
    status, kind, text = await cloud.refused("DELETE", f"/networks/{network['id']}")
    assert (status, kind) == (409, "NetworkInUse")
    assert text == (
        f"Unable to complete operation on network {network['id']}. There are one or more ports still in use on the "
        f"network, id for these ports is: {port['id']}."
    )
    assert (await cloud.refused("DELETE", f"/subnets/{subnet['id']}"))[:2] == (409, "SubnetInUse")


async def test_networks_of_other_projects_are_hidden(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    one, other = f"/networks/{network['id']}", f"/subnets/{subnet['id']}"
    for path, kind in ((one, "NetworkNotFound"), (other, "SubnetNotFound")):
        for method in ("GET", "DELETE"):
            assert (await cloud.refused(method, path, who="other"))[:2] == (404, kind)
    answer = await cloud.refused("PUT", one, {"network": {"name": "mine"}}, who="other")
    assert answer == (404, "NetworkNotFound", f"Network {network['id']} could not be found.")
    assert await cloud.names("/networks", "other") == ["provider"]
    assert await cloud.names("/networks?sort_key=name&sort_dir=asc", "admin") == ["net", "provider"]
    body = {"port": {"network_id": network["id"]}}
    assert (await cloud.refused("POST", "/ports", body, who="other"))[:2] == (404, "NetworkNotFound")


async def test_only_administrators_change_the_external_network(cloud: Cloud) -> None:
    external = await cloud.provider()
    path = f"/networks/{external['id']}"
    assert (await cloud.refused("PUT", path, {"network": {"name": "mine"}}))[:2] == (403, "PolicyNotAuthorized")
    assert (await cloud.refused("DELETE", path))[0] == 403
    body = {"subnet": {"network_id": external["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}}
    assert (await cloud.refused("POST", "/subnets", body))[0] == 403
    for name in ("shared", "router:external"):
        answer = await cloud.refused("POST", "/networks", {"network": {"name": "n", name: True}})
        assert answer[:2] == (403, "PolicyNotAuthorized")
    assert (await cloud.refused("POST", "/networks", {"network": {}}, who="reader"))[0] == 403
    second = {"network": {"router:external": True, "is_default": True}}
    assert (await cloud.refused("POST", "/networks", second, who="admin"))[1] == "DefaultExternalNetworkExists"


async def test_every_project_can_use_a_shared_network(cloud: Cloud) -> None:
    network, subnet = await cloud.inside(who="admin")
    path = f"/networks/{network['id']}"
    await cloud.put(path, {"network": {"shared": True}}, "admin")
    assert await cloud.names("/networks?shared=true") == ["net"]
    port = await cloud.make("/ports", network_id=network["id"])
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}]
    answer = await cloud.refused("PUT", path, {"network": {"shared": False}}, who="admin")
    assert answer[:2] == (409, "InvalidSharedSetting")


@pytest.mark.parametrize(
    ("body", "status", "kind", "text"),
    [
        ({"network": {"colour": "red"}}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'colour'"),
        ({"network": {"id": "x"}}, 400, "HTTPBadRequest", "Attribute 'id' not allowed in POST"),
        ({"network": {"tags": []}}, 400, "HTTPBadRequest", "Attribute 'tags' not allowed in POST"),
        ({"networks": [{}]}, 400, "HTTPBadRequest", "Bulk operation not supported"),
        ({"net": {}}, 400, "HTTPBadRequest", "Unable to find 'network' in request body"),
        ({}, 400, "HTTPBadRequest", "Unable to find 'network' in request body"),
        ([], 400, "HTTPBadRequest", "Body contains invalid data"),
        (
            {"network": {"name": 7}},
            400,
            "HTTPBadRequest",
            "Invalid input for name. Reason: '7' is not a valid string.",
        ),
        (
            {"network": {"name": "x" * 256}},
            400,
            "HTTPBadRequest",
            f"Invalid input for name. Reason: '{'x' * 120}' exceeds maximum length of 255.",
        ),
        (
            {"network": {"admin_state_up": "maybe"}},
            400,
            "InvalidInput",
            "Invalid input for operation: 'maybe' cannot be converted to boolean.",
        ),
        ({"network": {"project_id": "f" * 32}}, 403, "PolicyNotAuthorized", None),
        ({"network": {"mtu": 10}}, 409, "NetworkMTUSubnetConflict", None),
    ],
)
async def test_bad_networks_are_refused(cloud: Cloud, body: object, status: int, kind: str, text: str | None) -> None:
    answer = await cloud.refused("POST", "/networks", body)
    assert answer[:2] == (status, kind)
    assert text in (None, answer[2])


async def test_malformed_and_large_bodies_are_refused(cloud: Cloud) -> None:
    answer = await cloud.refused("POST", "/networks", raw=b'{"network": ')
    assert answer == (400, "HTTPBadRequest", "Body contains invalid data")
    assert (await cloud.refused("POST", "/networks", raw=b" " * 70000))[0] == 413


async def test_a_request_without_a_token_gets_keystones_401(cloud: Cloud) -> None:
    answer = await cloud.ask("GET", "/networks", who=None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 401)


async def test_a_subnet_has_neutrons_body_and_defaults(cloud: Cloud) -> None:
    _, subnet = await cloud.inside("10.20.0.0/24")
    expected = {
        "project_id": DEMO,
        "tenant_id": DEMO,
        "gateway_ip": "10.20.0.1",
        "allocation_pools": [{"start": "10.20.0.2", "end": "10.20.0.254"}],
        "enable_dhcp": True,
        "dns_nameservers": [],
        "host_routes": [],
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "revision_number": 0,
    }
    assert subnet | expected == subnet


async def test_allocation_pools_leave_out_the_gateway(cloud: Cloud) -> None:
    _, subnet = await cloud.inside("10.0.0.7/29", gateway_ip="10.0.0.4")
    assert subnet["cidr"] == "10.0.0.0/29"
    assert subnet["allocation_pools"] == [
        {"start": "10.0.0.1", "end": "10.0.0.3"},
        {"start": "10.0.0.5", "end": "10.0.0.6"},
    ]
    _, subnet = await cloud.inside("10.0.1.0/29", gateway_ip=None)
    assert subnet["gateway_ip"] is None
    assert subnet["allocation_pools"] == [{"start": "10.0.1.1", "end": "10.0.1.6"}]


async def test_an_ipv6_subnet_allocates_addresses(cloud: Cloud) -> None:
    network, v4 = await cloud.inside()
    v6 = await cloud.make("/subnets", network_id=network["id"], ip_version=6, cidr="2001:DB8::/64")
    assert (v6["cidr"], v6["gateway_ip"]) == ("2001:db8::/64", "2001:db8::1")
    port = await cloud.make("/ports", network_id=network["id"])
    assert port["fixed_ips"] == [
        {"subnet_id": v4["id"], "ip_address": "10.0.0.2"},
        {"subnet_id": v6["id"], "ip_address": "2001:db8::2"},
    ]


@pytest.mark.parametrize(
    ("attributes", "status", "kind", "text"),
    [
        ({"cidr": "10.0.0.0/33"}, 400, "HTTPBadRequest", "'10.0.0.0/33' is not a valid IP subnet"),
        ({"cidr": "2001:db8::/64"}, 400, "InvalidInput", "does not match the ip_version '4'"),
        ({"cidr": "10.0.0.0/25"}, 400, "InvalidInput", "overlaps with another subnet"),
        ({"cidr": None}, 400, "BadRequest", "a subnetpool must be specified in the absence of a cidr"),
        ({"ip_version": 5}, 400, "HTTPBadRequest", "'5' is not in [4, 6]"),
        ({"gateway_ip": "10.2.0.1"}, 400, "InvalidInput", "Gateway is not valid on subnet"),
        ({"gateway_ip": "10.1.0.255"}, 400, "InvalidInput", "Gateway is not valid on subnet"),
        ({"allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.9"}]}, 409, None, "Gateway ip 10.1.0.1 conflicts"),
        ({"allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.5"}]}, 400, "InvalidAllocationPool", "not valid"),
        ({"allocation_pools": [{"start": "10.1.0.9", "end": "10.1.1.5"}]}, 400, None, "spans beyond the subnet cidr"),
        (
            {
                "allocation_pools": [
                    {"start": "10.1.0.9", "end": "10.1.0.20"},
                    {"start": "10.1.0.20", "end": "10.1.0.30"},
                ]
            },
            409,
            "OverlappingAllocationPools",
            "10.1.0.9-10.1.0.20 10.1.0.20-10.1.0.30 for subnet 10.1.0.0/24",
        ),
        (
            {"allocation_pools": [{"start": "10.1.0.9"}]},
            400,
            "HTTPBadRequest",
            "Required attribute 'end' not specified",
        ),
        ({"dns_nameservers": ["dns"]}, 400, "HTTPBadRequest", "'dns' is not a valid IP address"),
        ({"host_routes": [{"destination": "10.0.0.0/8"}]}, 400, "HTTPBadRequest", "'nexthop' not specified"),
        ({"network_id": "x"}, 400, "HTTPBadRequest", "'x' is not a valid UUID"),
    ],
)
async def test_bad_subnets_are_refused(
    cloud: Cloud, attributes: dict[str, object], status: int, kind: str | None, text: str
) -> None:
    network, _ = await cloud.inside()
    body = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"} | attributes
    answer = await cloud.refused("POST", "/subnets", {"subnet": body})
    assert answer[0] == status
    assert kind in (None, answer[1])
    assert text in answer[2]


async def test_a_subnet_changes_but_keeps_the_gateway_of_its_router(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    path = f"/subnets/{subnet['id']}"
    body = {
        "gateway_ip": "10.0.0.254",
        "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}],
        "dns_nameservers": ["192.0.2.53"],
        "host_routes": [{"destination": "198.51.100.0/24", "nexthop": "10.0.0.5"}],
    }
    changed = (await cloud.put(path, {"subnet": body}))["subnet"]
    assert changed | body == changed
    await cloud.way_out(subnet)
    answer = await cloud.refused("PUT", path, {"subnet": {"gateway_ip": None}})
    assert answer[:2] == (409, "GatewayIpInUse")
    answer = await cloud.refused("PUT", path, {"subnet": {"cidr": "10.0.0.0/25"}})
    assert answer == (400, "HTTPBadRequest", "Cannot update read-only attribute cidr")


async def test_networks_of_type_vlan_share_a_physical_network_and_each_has_a_vlan_of_its_own(cloud: Cloud) -> None:
    form = {
        "provider__network_type": "vlan",
        "provider__physical_network": "physnet1",
        "provider__segmentation_id": 101,
    }
    network = await cloud.make("/networks", who="admin", name="tagged", **form)
    shown = [network[f"provider:{name}"] for name in ("network_type", "physical_network", "segmentation_id")]
    assert shown == ["vlan", "physnet1", 101]
    for changes, status, words in (
        ({}, 409, "The VLAN 101 on physical network physnet1 is in use."),
        ({"provider:segmentation_id": None}, 400, "Physical network physnet1 requires segmentation_id"),
        ({"provider:segmentation_id": 4095}, 400, "segmentation_id out of range (1 through 4094)"),
        ({"provider:physical_network": None}, 400, "segmentation_id requires physical_network for VLAN"),
        ({"provider:segmentation_id": 7, "router:external": True}, 400, "vlan network cannot be external"),
    ):
        asked = {name.replace("__", ":"): value for name, value in form.items()} | changes
        answer = await cloud.ask("POST", "/networks", {"network": asked}, who="admin")
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    await cloud.make("/networks", who="admin", name="other", **form | {"provider__segmentation_id": 102})
    await cloud.make(
        "/networks", who="admin", provider__network_type="flat", provider__physical_network="physnet1", name="untagged"
    )
    assert await cloud.names("/networks?provider:network_type=vlan&sort_key=name&sort_dir=asc", who="admin") == [
        "other",
        "tagged",
    ]
    assert await cloud.names("/networks?provider:segmentation_id=101", who="admin") == ["tagged"]
    there = {each.vlan for each in cloud.topology().networks if each.physical == "physnet1"}
    assert there == {None, 101, 102}


async def test_each_host_gets_the_networks_that_it_can_have(cloud: Cloud) -> None:
    router = (await cloud.make("/routers", who="admin", name="r"))["id"]
    local = (await cloud.make("/networks", who="admin", name="local"))["id"]
    here, there, nowhere = [
        (
            await cloud.make(
                "/networks", who="admin", provider__network_type="flat", provider__physical_network=name, name=name
            )
        )["id"]
        for name in ("here", "there", "nowhere")
    ]
    form = {"provider__network_type": "vlan", "provider__physical_network": "there", "provider__segmentation_id": 5}
    tagged = (await cloud.make("/networks", who="admin", name="tagged", **form))["id"]

    def topology(reach: Reach) -> tuple[set[str], set[str]]:
        found = cloud.work(lambda transaction: HomeTopologies(transaction).topology(reach))
        plain = {each.id for each in found.networks if not each.external}
        assert any(each.external for each in found.networks) == reach.home
        return plain, {each.id for each in found.routers}

    physical = frozenset({"here"})
    home = Reach(home=True, physical_networks=physical, elsewhere=frozenset({"there"}))
    assert topology(home) == ({local, here, nowhere}, {router})
    away = Reach(home=False, physical_networks=frozenset({"there"}), elsewhere=physical)
    assert topology(away) == ({there, tagged}, set())
    old = Reach(home=False, physical_networks=frozenset({"there"}), tagged=False)
    assert topology(old) == ({there}, set())


async def test_a_physical_network_that_a_host_gets_counts_as_a_change_only_if_there_is_a_network_on_it(
    cloud: Cloud,
) -> None:
    await cloud.make(
        "/networks", who="admin", provider__network_type="flat", provider__physical_network="br0", name="lan"
    )
    before = cloud.generation()
    cloud.work(lambda transaction: HomeTopologies(transaction).connected({"docker0"}))
    assert cloud.generation() == before
    cloud.work(lambda transaction: HomeTopologies(transaction).connected({"br0"}))
    assert cloud.generation() == before + 1
