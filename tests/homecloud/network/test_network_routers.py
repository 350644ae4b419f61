"""Routers, as `openstack router` asks for them, and what a host must wire of them."""

from hydria.contract import Address, Route
from tests.homecloud.network.neutron import DEMO, Cloud


async def test_a_router_gets_a_gateway_and_an_interface(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    external = await cloud.provider()
    router = await cloud.make("/routers", name="r1", admin_state_up=True)
    assert (router["external_gateway_info"], router["status"], router["routes"]) == (None, "ACTIVE", [])
    path = f"/routers/{router['id']}"
    body = {"router": {"external_gateway_info": {"network_id": external["id"]}}}
    info = (await cloud.put(path, body))["router"]["external_gateway_info"]
    assert info == {
        "network_id": external["id"],
        "enable_snat": True,
        "external_fixed_ips": [{"subnet_id": external["subnets"][0], "ip_address": "203.0.113.10"}],
    }
    leg = await cloud.put(f"{path}/add_router_interface", {"subnet_id": subnet["id"]})
    (port,) = (await cloud.get(f"/ports?device_id={router['id']}"))["ports"]
    assert leg == {
        "id": router["id"],
        "project_id": DEMO,
        "tenant_id": DEMO,
        "port_id": port["id"],
        "network_id": network["id"],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
        "tags": [],
    }
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.1"}]
    answer = await cloud.refused("DELETE", path)
    assert answer == (409, "RouterInUse", f"Router {router['id']} has ports still attached: {port['id']}")
    assert (await cloud.put(f"{path}/remove_router_interface", {"subnet_id": subnet["id"]})) == leg
    await cloud.put(path, {"router": {"external_gateway_info": {}}})
    assert (await cloud.get(path))["router"]["external_gateway_info"] is None
    await cloud.delete(path)
    assert await cloud.names("/ports", "admin") == []


async def test_a_router_is_created_and_deleted_with_its_gateway(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    router = await cloud.way_out(subnet)
    await cloud.put(f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    await cloud.delete(f"/routers/{router['id']}")
    assert await cloud.names("/ports", "admin") == []


async def test_a_port_becomes_an_interface(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    router = await cloud.make("/routers")
    port = await cloud.make("/ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    path = f"/routers/{router['id']}"
    before = cloud.generation()
    await cloud.put(f"{path}/add_router_interface", {"port_id": port["id"]})
    assert cloud.generation() > before
    (made,) = cloud.topology().routers
    assert [each.addresses for each in made.interfaces] == [(Address(ip="10.0.0.9", prefix=24),)]
    answer = await cloud.refused("PUT", f"{path}/add_router_interface", {"port_id": port["id"]})
    assert answer[:2] == (409, "PortInUse")
    both = {"port_id": port["id"], "subnet_id": network["id"]}
    assert (await cloud.refused("PUT", f"{path}/remove_router_interface", both))[1] == "SubnetMismatchForPort"
    await cloud.put(f"{path}/remove_router_interface", {"port_id": port["id"], "subnet_id": subnet["id"]})
    assert (await cloud.refused("GET", f"/ports/{port['id']}"))[0] == 404


async def test_impossible_interfaces_are_refused(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    _, same = await cloud.inside("10.0.0.0/25")
    _, closed = await cloud.inside("10.1.0.0/24", gateway_ip=None)
    _, outside = await cloud.inside("203.0.113.0/25")
    router = await cloud.way_out(subnet)
    path = f"/routers/{router['id']}/add_router_interface"

    async def refused(body: object, action: str = path) -> tuple[int, str, str]:
        return await cloud.refused("PUT", action, body)

    text = f"Bad router request: Router already has a port on subnet {subnet['id']}."
    assert await refused({"subnet_id": subnet["id"]}) == (400, "BadRequest", text)
    text = f"Cidr 10.0.0.0/25 of subnet {same['id']} overlaps with cidr 10.0.0.0/24 of subnet {subnet['id']}"
    assert text in (await refused({"subnet_id": same["id"]}))[2]
    assert "overlaps with cidr 203.0.113.0/24" in (await refused({"subnet_id": outside["id"]}))[2]
    assert "must have a gateway IP" in (await refused({"subnet_id": closed["id"]}))[2]
    assert "Either subnet_id or port_id" in (await refused({}))[2]
    assert "Cannot specify both" in (await refused({"subnet_id": subnet["id"], "port_id": subnet["id"]}))[2]
    assert (await refused({"subnet_id": network["id"]}))[:2] == (404, "SubnetNotFound")
    assert (await refused({"port_id": network["id"]}))[:2] == (404, "PortNotFound")
    away = path.replace("add_", "remove_")
    assert (await refused({"subnet_id": same["id"]}, away))[:2] == (404, "RouterInterfaceNotFoundForSubnet")
    assert (await refused({"port_id": same["id"]}, away))[:2] == (404, "RouterInterfaceNotFound")
    external = await cloud.provider()
    answer = await refused({"subnet_id": external["subnets"][0]})
    assert "is not owned by project making the request" in answer[2]
    answer = await cloud.refused("PUT", path, {"subnet_id": external["subnets"][0]}, who="admin")
    assert answer[0] == 400


async def test_the_address_of_the_machine_is_not_allocated(cloud: Cloud) -> None:
    external = await cloud.provider()
    router = await cloud.make("/routers", "admin")
    path = f"/routers/{router['id']}/add_router_interface"
    answer = await cloud.refused("PUT", path, {"subnet_id": external["subnets"][0]}, who="admin")
    assert answer[:2] == (409, "IpAddressAlreadyAllocated")


async def test_impossible_gateways_are_refused(cloud: Cloud) -> None:
    network, _ = await cloud.inside()
    foreign, _ = await cloud.inside("10.5.0.0/24", who="other")
    external = await cloud.provider()

    async def refused(info: object, who: str = "demo") -> tuple[int, str, str]:
        return await cloud.refused("POST", "/routers", {"router": {"external_gateway_info": info}}, who=who)

    text = f"Bad router request: Network {network['id']} is not an external network."
    assert await refused({"network_id": network["id"]}) == (400, "BadRequest", text)
    assert (await refused({"network_id": foreign["id"]}))[:2] == (404, "NetworkNotFound")
    assert (await refused({"network_id": external["id"], "enable_snat": False}))[0] == 403
    assert (await refused({"enable_snat": False}, "admin"))[:2] == (400, "BadRequest")
    fixed = {"network_id": external["id"], "external_fixed_ips": [{"ip_address": "203.0.113.99"}]}
    assert (await refused(fixed))[0] == 403
    router = await cloud.make("/routers", "admin", external_gateway_info=fixed | {"enable_snat": False})
    assert router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"] == "203.0.113.99"
    assert await cloud.names("/routers") == []
    assert (await cloud.refused("DELETE", f"/routers/{router['id']}"))[:2] == (404, "RouterNotFound")


async def test_the_topology_has_networks_and_routers(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    router = await cloud.way_out(subnet)
    external = await cloud.provider()
    topology = cloud.topology()
    assert [(each.id, each.external, each.host_addresses) for each in topology.networks] == sorted(
        [
            (external["id"], True, (Address(ip="203.0.113.1", prefix=24),)),
            (network["id"], False, ()),
        ],
        key=lambda each: [net.id for net in topology.networks].index(str(each[0])),
    )
    (made,) = topology.routers
    assert made.id == router["id"]
    assert made.gateway is not None
    assert made.gateway.addresses == (Address(ip="203.0.113.10", prefix=24),)
    assert made.gateway.routes == (Route(destination="0.0.0.0/0", via="203.0.113.1"),)
    assert made.snat_cidrs == ("10.0.0.0/24",)
    (leg,) = made.interfaces
    assert (leg.network_id, leg.addresses, leg.routes) == (network["id"], (Address(ip="10.0.0.1", prefix=24),), ())
    info = {"network_id": external["id"], "enable_snat": False}
    await cloud.put(f"/routers/{router['id']}", {"router": {"external_gateway_info": info}}, "admin")
    assert cloud.topology().routers[0].snat_cidrs == ()
    await cloud.put(f"/routers/{router['id']}", {"router": {"admin_state_up": False}})
    assert cloud.topology().routers == ()


async def test_only_changes_on_hosts_increment_the_generation(cloud: Cloud) -> None:
    counted = cloud.generation()
    assert counted >= 1

    def moved() -> bool:
        nonlocal counted
        before, counted = counted, cloud.generation()
        return counted != before

    network = await cloud.make("/networks", name="n")
    assert moved()
    subnet = await cloud.make("/subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    assert not moved()
    port = await cloud.make("/ports", network_id=network["id"])
    await cloud.put(f"/ports/{port['id']}", {"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}], "name": "p"}})
    await cloud.put(f"/networks/{network['id']}", {"network": {"name": "m", "port_security_enabled": False}})
    await cloud.put(f"/networks/{network['id']}/tags", {"tags": ["x"]})
    await cloud.make("/security-groups", name="g")
    assert not moved()
    router = await cloud.make("/routers")
    assert moved()
    await cloud.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    assert moved()
    external = await cloud.provider()
    gateway = {"router": {"external_gateway_info": {"network_id": external["id"]}}}
    await cloud.put(f"/routers/{router['id']}", gateway)
    assert moved()
    await cloud.put(f"/routers/{router['id']}", gateway)
    assert not moved()
    floating = await cloud.make("/floatingips", floating_network_id=external["id"])
    assert not moved()
    path = f"/floatingips/{floating['id']}"
    await cloud.put(path, {"floatingip": {"port_id": port["id"]}})
    assert moved()
    await cloud.put(path, {"floatingip": {"description": "d"}})
    assert not moved()
    await cloud.delete(f"/ports/{port['id']}")
    assert moved()
    await cloud.put(f"/networks/{network['id']}", {"network": {"mtu": 1400}})
    assert moved()


async def test_a_refusal_changes_nothing(cloud: Cloud) -> None:
    before = cloud.topology()
    body = {"router": {"external_gateway_info": {"network_id": "c62b50a4-6d50-4dbb-a0ee-95b03a4da0ef"}}}
    assert (await cloud.refused("POST", "/routers", body))[0] == 404
    assert cloud.topology() == before
    assert await cloud.names("/routers") == []
