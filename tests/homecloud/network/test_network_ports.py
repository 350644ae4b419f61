"""Ports and their addresses, as `openstack port` asks for them."""

from typing import Any

import pytest

from tests.homecloud.network.neutron import DEMO, Cloud


async def test_a_port_has_neutrons_body(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"], name="p2", admin_state_up=True)
    (group,) = (await cloud.get("/security-groups"))["security_groups"]
    mac = port["mac_address"]
    assert mac.startswith("fa:16:3e:")
    assert port | {"id": ""} == {
        "id": "",
        "name": "p2",
        "network_id": network["id"],
        "project_id": DEMO,
        "tenant_id": DEMO,
        "description": "",
        "mac_address": mac,
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}],
        "security_groups": [group["id"]],
        "allowed_address_pairs": [],
        "port_security_enabled": True,
        "binding:vnic_type": "normal",
        "extra_dhcp_opts": [],
        "ip_allocation": "immediate",
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        "tags": [],
        "created_at": "2026-03-01T09:00:00Z",
        "updated_at": "2026-03-01T09:00:00Z",
        "revision_number": 1,
    }
    assert (await cloud.get(f"/ports/{port['id']}"))["port"] == port
    assert "binding:host_id" in (await cloud.get(f"/ports/{port['id']}", "admin"))["port"]


async def test_a_port_gets_the_lowest_free_address(cloud: Cloud) -> None:
    network, subnet = await cloud.inside(allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.250"}])

    async def port(**fixed: str) -> str:
        more: dict[str, Any] = {"fixed_ips": [{"subnet_id": subnet["id"], **fixed}]} if fixed else {}
        made = await cloud.make("/ports", network_id=network["id"], **more)
        return str(made["fixed_ips"][0]["ip_address"])

    assert await port(ip_address="10.0.0.11") == "10.0.0.11"
    assert await port(ip_address="10.0.0.12") == "10.0.0.12"
    # Outside the pools, but on the subnet.
    assert await port(ip_address="10.0.0.5") == "10.0.0.5"
    assert [await port() for _ in range(3)] == ["10.0.0.10", "10.0.0.13", "10.0.0.14"]
    (middle,) = (await cloud.get("/ports?fixed_ips=ip_address=10.0.0.12"))["ports"]
    await cloud.delete(f"/ports/{middle['id']}")
    assert await port() == "10.0.0.12"


async def test_unavailable_addresses_are_refused(cloud: Cloud) -> None:
    network, subnet = await cloud.inside("10.0.0.0/29")

    async def refused(*fixed: dict[str, str]) -> tuple[int, str, str]:
        body = {"network_id": network["id"]} | ({"fixed_ips": list(fixed)} if fixed else {})
        return await cloud.refused("POST", "/ports", {"port": body})

    on = {"subnet_id": subnet["id"]}
    for ip in ("192.0.2.1", "10.0.0.7", "10.0.0.0"):
        text = f"IP address {ip} is not a valid IP for the specified subnet."
        assert await refused(on | {"ip_address": ip}) == (400, "InvalidIpForSubnet", text)
    text = "IP address 192.0.2.1 is not a valid IP for any of the subnets on the specified network."
    assert await refused({"ip_address": "192.0.2.1"}) == (400, "InvalidIpForNetwork", text)
    assert (await refused({"subnet_id": network["id"]}))[:2] == (400, "InvalidInput")
    assert (await refused({}))[:2] == (400, "InvalidInput")
    assert (await refused({"ip_address": "ten"}))[:2] == (400, "HTTPBadRequest")
    for _ in range(5):
        await cloud.make("/ports", network_id=network["id"])
    text = f"IP address 10.0.0.2 already allocated in subnet {subnet['id']}"
    assert await refused(on | {"ip_address": "10.0.0.2"}) == (409, "IpAddressAlreadyAllocated", text)
    text = f"No more IP addresses available on network {network['id']}."
    assert await refused() == (409, "IpAddressGenerationFailure", text)
    assert await refused(on) == (409, "IpAddressGenerationFailure", text)
    assert len(await cloud.names("/ports")) == 5
    await cloud.make("/ports", network_id=network["id"], fixed_ips=[])


async def test_a_mac_address_is_unique_on_a_network(cloud: Cloud) -> None:
    network, _ = await cloud.inside()
    await cloud.make("/ports", network_id=network["id"], mac_address="FA:16:3E:00:00:01")
    body = {"port": {"network_id": network["id"], "mac_address": "fa:16:3e:00:00:01"}}
    assert (await cloud.refused("POST", "/ports", body))[:2] == (409, "MacAddressInUse")
    body["port"]["mac_address"] = "01:00:5e:00:00:01"
    assert (await cloud.refused("POST", "/ports", body))[:2] == (400, "HTTPBadRequest")


async def test_a_port_changes_its_addresses(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"])
    path = f"/ports/{port['id']}"
    fixed = [{"ip_address": "10.0.0.2"}, {"ip_address": "10.0.0.9"}]
    changed = (await cloud.put(path, {"port": {"fixed_ips": fixed}}))["port"]
    assert [each["ip_address"] for each in changed["fixed_ips"]] == ["10.0.0.2", "10.0.0.9"]
    assert changed["revision_number"] > port["revision_number"]
    changed = (await cloud.put(path, {"port": {"fixed_ips": [{"subnet_id": subnet["id"]}], "name": "x"}}))["port"]
    assert [each["ip_address"] for each in changed["fixed_ips"]] == ["10.0.0.2"]
    other = await cloud.make("/ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    answer = await cloud.refused("PUT", path, {"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}]}})
    assert answer[:2] == (409, "IpAddressAlreadyAllocated")
    assert (await cloud.get(path))["port"] == changed
    await cloud.delete(f"/ports/{other['id']}")


async def test_security_groups_need_port_security(cloud: Cloud) -> None:
    network, _ = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"])
    path = f"/ports/{port['id']}"
    answer = await cloud.refused("PUT", path, {"port": {"port_security_enabled": False}})
    assert answer[:2] == (409, "PortSecurityPortHasSecurityGroup")
    await cloud.put(path, {"port": {"port_security_enabled": False, "security_groups": []}})
    await cloud.put(f"/networks/{network['id']}", {"network": {"port_security_enabled": False}})
    bare = await cloud.make("/ports", network_id=network["id"])
    assert (bare["port_security_enabled"], bare["security_groups"]) == (False, [])
    pairs = {"network_id": network["id"], "allowed_address_pairs": [{"ip_address": "10.0.0.77"}]}
    answer = await cloud.refused("POST", "/ports", {"port": pairs})
    assert answer[:2] == (409, "AddressPairAndPortSecurityRequired")
    made = await cloud.make("/ports", **pairs, port_security_enabled=True)
    assert made["allowed_address_pairs"] == [{"ip_address": "10.0.0.77", "mac_address": made["mac_address"]}]
    answer = await cloud.refused(
        "PUT", path, {"port": {"security_groups": [network["id"]], "port_security_enabled": True}}
    )
    assert answer[:2] == (404, "SecurityGroupNotFound")


async def test_ports_cannot_be_given_a_routers_owner(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    router = await cloud.way_out(subnet)
    (leg,) = (await cloud.get(f"/ports?device_id={router['id']}"))["ports"]
    assert (leg["device_owner"], leg["status"]) == ("network:router_interface", "ACTIVE")
    answer = await cloud.refused("DELETE", f"/ports/{leg['id']}")
    text = f"Port {leg['id']} cannot be deleted directly via the port API: has device owner network:router_interface."
    assert answer == (409, "ServicePortInUse", text)
    for body in ({"device_id": ""}, {"device_owner": ""}, {"fixed_ips": [{"ip_address": "10.0.0.9"}]}):
        answer = await cloud.refused("PUT", f"/ports/{leg['id']}", {"port": body})
        assert answer[:2] == (409, "UnsupportedPortDeviceOwner")
    port = await cloud.make("/ports", network_id=network["id"])
    pose = {"port": {"device_id": router["id"], "device_owner": "network:router_interface"}}
    assert (await cloud.refused("PUT", f"/ports/{port['id']}", pose))[0] == 409
    pose["port"]["network_id"] = network["id"]
    assert (await cloud.refused("POST", "/ports", pose))[0] == 409
    await cloud.put(f"/ports/{leg['id']}", {"port": {"name": "leg"}})


async def test_tenants_do_not_see_gateway_ports(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    await cloud.way_out(subnet)
    await cloud.make("/floatingips", floating_network_id=(await cloud.provider())["id"])
    assert len(await cloud.names("/ports")) == 1
    owners = {port["device_owner"] for port in (await cloud.get("/ports", "admin"))["ports"]}
    assert owners == {"network:router_interface", "network:router_gateway", "network:floatingip"}


@pytest.mark.parametrize(
    ("attributes", "status", "text"),
    [
        ({"binding:host_id": "h"}, 403, "binding:host_id"),
        ({"binding:vnic_type": "direct"}, 400, "binding:vnic_type 'direct' not supported"),
        ({"fixed_ips": {}}, 400, "'{}' is not a list"),
        ({"fixed_ips": [{"ip": "10.0.0.9"}]}, 400, "Unexpected keys supplied: ip"),
        ({"mac_address": "nonsense"}, 400, "'nonsense' is not a valid MAC address"),
        ({"colour": "red"}, 400, "Unrecognized attribute(s) 'colour'"),
        ({"network_id": "c62b50a4-6d50-4dbb-a0ee-95b03a4da0ef"}, 404, "could not be found"),
    ],
)
async def test_bad_ports_are_refused(cloud: Cloud, attributes: dict[str, object], status: int, text: str) -> None:
    network, _ = await cloud.inside()
    answer = await cloud.refused("POST", "/ports", {"port": {"network_id": network["id"]} | attributes})
    assert answer[0] == status
    assert text in answer[2]


async def test_attributes_reserved_to_the_networks_owner(cloud: Cloud) -> None:
    network, _ = await cloud.inside(who="admin")
    await cloud.put(f"/networks/{network['id']}", {"network": {"shared": True}}, "admin")
    for body in (
        {"fixed_ips": [{"ip_address": "10.0.0.9"}]},
        {"mac_address": "fa:16:3e:00:00:09"},
        {"device_owner": "network:dhcp"},
        {"port_security_enabled": False},
    ):
        answer = await cloud.refused("POST", "/ports", {"port": {"network_id": network["id"]} | body})
        assert answer[:2] == (403, "PolicyNotAuthorized")
