"""Floating IPs, as the tutorial and `openstack floating ip` ask for them."""

from typing import Any

from hydria.contract import FloatingIp
from tests.homecloud.network.neutron import DEMO, Cloud


async def _port(cloud: Cloud, network: Any, **more: Any) -> Any:
    return await cloud.make("/ports", network_id=network["id"], name="P", **more)


async def test_a_new_floating_ip_has_neutrons_body(cloud: Cloud) -> None:
    external = await cloud.provider()
    floating = await cloud.make("/floatingips", floating_network_id=external["id"])
    assert floating | {"id": ""} == {
        "id": "",
        "created_at": "2026-03-01T09:00:00Z",
        "updated_at": "2026-03-01T09:00:00Z",
        "description": "",
        "fixed_ip_address": None,
        "floating_ip_address": "203.0.113.10",
        "floating_network_id": external["id"],
        "port_details": None,
        "port_id": None,
        "port_forwardings": [],
        "project_id": DEMO,
        "tenant_id": DEMO,
        "qos_policy_id": None,
        "revision_number": 0,
        "router_id": None,
        "status": "DOWN",
        "tags": [],
    }
    assert (await cloud.refused("GET", "/floatingips/203.0.113.10"))[:2] == (404, "FloatingIPNotFound")
    (found,) = (await cloud.get("/floatingips?floating_ip_address=203.0.113.10"))["floatingips"]
    assert found == floating
    await cloud.delete(f"/floatingips/{floating['id']}")
    again = await cloud.make("/floatingips", floating_network_id=external["id"])
    assert again["floating_ip_address"] == "203.0.113.10"


async def test_a_floating_ip_is_associated_and_disassociated(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    router = await cloud.way_out(subnet)
    port = await _port(cloud, network)
    floating = await cloud.make("/floatingips", floating_network_id=(await cloud.provider())["id"])
    path = f"/floatingips/{floating['id']}"
    led = (await cloud.put(path, {"floatingip": {"port_id": port["id"]}}))["floatingip"]
    assert (led["status"], led["router_id"], led["fixed_ip_address"]) == ("ACTIVE", router["id"], "10.0.0.2")
    assert led["port_details"] == {
        "name": "P",
        "network_id": network["id"],
        "mac_address": port["mac_address"],
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
    }
    assert cloud.topology().routers[0].floating_ips == (
        FloatingIp(id=floating["id"], floating_ip=floating["floating_ip_address"], fixed_ip="10.0.0.2"),
    )
    (found,) = (await cloud.get(f"/floatingips?port_id={port['id']}&status=ACTIVE"))["floatingips"]
    assert found["id"] == floating["id"]
    off = (await cloud.put(path, {"floatingip": {"port_id": None}}))["floatingip"]
    assert (off["status"], off["router_id"], off["fixed_ip_address"], off["port_id"]) == ("DOWN", None, None, None)
    assert cloud.topology().routers[0].floating_ips == ()


async def test_association_needs_a_router(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    port, external = await _port(cloud, network), await cloud.provider()
    floating = await cloud.make("/floatingips", floating_network_id=external["id"])
    text = (
        f"External network {external['id']} is not reachable from subnet {subnet['id']}. Therefore, cannot associate "
        f"Port {port['id']} with a Floating IP."
    )
    expected = (404, "ExternalGatewayForFloatingIPNotFound", text)
    path, body = f"/floatingips/{floating['id']}", {"floatingip": {"port_id": port["id"]}}
    assert await cloud.refused("PUT", path, body) == expected
    # A router without a gateway is no way out either.
    router = await cloud.make("/routers")
    await cloud.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    assert await cloud.refused("PUT", path, body) == expected
    new = {"floatingip": {"floating_network_id": external["id"], "port_id": port["id"]}}
    assert await cloud.refused("POST", "/floatingips", new) == expected
    assert len((await cloud.get("/floatingips"))["floatingips"]) == 1
    await cloud.put(f"/routers/{router['id']}", {"router": {"external_gateway_info": {"network_id": external["id"]}}})
    assert (await cloud.put(path, body))["floatingip"]["status"] == "ACTIVE"


async def test_what_a_floating_ip_uses_cannot_be_removed(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    router, port = await cloud.way_out(subnet), await _port(cloud, network)
    external = await cloud.provider()
    await cloud.make("/floatingips", floating_network_id=external["id"], port_id=port["id"])
    path = f"/routers/{router['id']}"
    answer = await cloud.refused("PUT", f"{path}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert answer[:2] == (409, "RouterInterfaceInUseByFloatingIP")
    answer = await cloud.refused("PUT", path, {"router": {"external_gateway_info": {}}})
    assert answer[:2] == (409, "RouterExternalGatewayInUseByFloatingIp")
    move = {"port": {"fixed_ips": [{"ip_address": "10.0.0.99"}]}}
    assert (await cloud.refused("PUT", f"/ports/{port['id']}", move))[:2] == (409, "FipAssociated")
    answer = await cloud.refused(
        "PUT", f"/networks/{external['id']}", {"network": {"router:external": False}}, who="admin"
    )
    assert answer[:2] == (409, "ExternalNetworkInUse")


async def test_deleting_a_port_disassociates_its_floating_ip(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    await cloud.way_out(subnet)
    port = await _port(cloud, network)
    external = await cloud.provider()
    floating = await cloud.make("/floatingips", floating_network_id=external["id"], port_id=port["id"])
    assert floating["status"] == "ACTIVE"
    assert floating["revision_number"] == 0
    await cloud.delete(f"/ports/{port['id']}")
    left = (await cloud.get(f"/floatingips/{floating['id']}"))["floatingip"]
    assert (left["port_id"], left["router_id"], left["status"]) == (None, None, "DOWN")
    assert cloud.topology().routers[0].floating_ips == ()


async def test_impossible_associations_are_refused(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    await cloud.way_out(subnet)
    external = await cloud.provider()
    two = await _port(cloud, network, fixed_ips=[{"ip_address": "10.0.0.20"}, {"ip_address": "10.0.0.21"}])
    bare = await _port(cloud, network, fixed_ips=[])
    foreign_network, _ = await cloud.inside("10.7.0.0/24", who="other")
    foreign = await cloud.make("/ports", "other", network_id=foreign_network["id"])

    async def refused(who: str = "demo", **attributes: Any) -> tuple[int, str, str]:
        body = {"floating_network_id": external["id"]} | attributes
        return await cloud.refused("POST", "/floatingips", {"floatingip": body}, who=who)

    assert "has multiple fixed IPv4 addresses" in (await refused(port_id=two["id"]))[2]
    text = f"Bad floatingip request: Cannot add floating IP to port {bare['id']} that has no fixed IPv4 addresses."
    assert await refused(port_id=bare["id"]) == (400, "BadRequest", text)
    assert "does not have fixed ip" in (await refused(port_id=two["id"], fixed_ip_address="10.0.0.22"))[2]
    assert "without a port_id" in (await refused(fixed_ip_address="10.0.0.22"))[2]
    assert (await refused(port_id=foreign["id"]))[:2] == (404, "PortNotFound")
    assert "is not a valid external network" in (await refused(floating_network_id=network["id"]))[2]
    assert (await refused(floating_network_id=foreign_network["id"]))[:2] == (404, "NetworkNotFound")
    assert (await refused(floating_ip_address="203.0.113.77"))[0] == 403
    assert (await refused(status="ACTIVE"))[2] == "Attribute 'status' not allowed in POST"
    made = await cloud.make(
        "/floatingips", floating_network_id=external["id"], port_id=two["id"], fixed_ip_address="10.0.0.21"
    )
    assert made["fixed_ip_address"] == "10.0.0.21"
    answer = await refused(port_id=two["id"], fixed_ip_address="10.0.0.21")
    assert answer[:2] == (409, "FloatingIPPortAlreadyAssociated")
    assert (await cloud.refused("DELETE", f"/floatingips/{made['id']}", who="other"))[0] == 404
    chosen = await cloud.make(
        "/floatingips", "admin", floating_network_id=external["id"], floating_ip_address="203.0.113.77"
    )
    assert chosen["floating_ip_address"] == "203.0.113.77"


async def test_an_exhausted_external_network_is_reported(cloud: Cloud) -> None:
    external = await cloud.provider()
    path = f"/subnets/{external['subnets'][0]}"
    pools = {"subnet": {"allocation_pools": [{"start": "203.0.113.10", "end": "203.0.113.11"}]}}
    await cloud.put(path, pools, "admin")
    for _ in range(2):
        await cloud.make("/floatingips", floating_network_id=external["id"])
    answer = await cloud.refused("POST", "/floatingips", {"floatingip": {"floating_network_id": external["id"]}})
    text = f"No more IP addresses available on network {external['id']}."
    assert answer == (409, "IpAddressGenerationFailure", text)
