"""Ports and addresses that a host has are not taken away by hand, and gateways' addresses are given to nobody."""

from typing import Any

import pytest

from hydria.contract import AddressPair, Interface
from hydria.errors import Conflict
from hydria.homecloud.network import HomeNetworking
from hydria.model.network import Device, Port
from tests.homecloud.network.neutron import DEMO, Cloud


async def _vip(cloud: Cloud, subnet_id: str, address: str | None = None) -> Port:
    def work(networking: HomeNetworking) -> Port:
        subnet = networking.subnet(subnet_id, None)
        assert subnet is not None
        return networking.create_port("vip", DEMO, subnet, address, Device(id="lb-1", owner="Octavia"))

    return cloud.networking(work)


@pytest.mark.parametrize("who", ["demo", "admin"])
async def test_the_port_of_a_load_balancer_cannot_be_deleted(cloud: Cloud, who: str) -> None:
    network, subnet = await cloud.inside()
    port = await _vip(cloud, subnet["id"])
    text = f"Port {port.id} cannot be deleted directly via the port API: has device owner Octavia."
    assert await cloud.refused("DELETE", f"/ports/{port.id}", who=who) == (409, "ServicePortInUse", text)
    assert (await cloud.refused("DELETE", f"/subnets/{subnet['id']}", who=who))[:2] == (409, "SubnetInUse")
    assert (await cloud.refused("DELETE", f"/networks/{network['id']}", who=who))[:2] == (409, "NetworkInUse")
    cloud.networking(lambda networking: networking.delete_port(port.id))
    await cloud.delete(f"/networks/{network['id']}", who)


@pytest.mark.parametrize(
    "change",
    [
        {"device_id": ""},
        {"device_id": "", "device_owner": ""},
        {"device_owner": "compute:nova"},
        {"fixed_ips": []},
        {"fixed_ips": [{"ip_address": "10.0.0.99"}]},
        {"fixed_ips": [{"ip_address": "10.0.0.2"}, {"ip_address": "10.0.0.99"}]},
        {"mac_address": "fa:16:3e:11:22:33"},
        {"binding:host_id": "elsewhere"},
    ],
)
async def test_fixed_attributes_of_a_load_balancers_port_cannot_change(cloud: Cloud, change: dict[str, Any]) -> None:
    _, subnet = await cloud.inside()
    port = await _vip(cloud, subnet["id"])
    before = (await cloud.get(f"/ports/{port.id}", "admin"))["port"]
    answer = await cloud.refused("PUT", f"/ports/{port.id}", {"port": change}, who="admin")
    assert answer[:2] == (409, "UnsupportedPortDeviceOwner")
    assert answer[2].endswith(f"is not supported for device_owner Octavia on port {port.id}.")
    assert (await cloud.get(f"/ports/{port.id}", "admin"))["port"] == before


async def test_equal_values_are_accepted(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    port = await _vip(cloud, subnet["id"])
    same = {
        "name": "mine",
        "device_id": "lb-1",
        "device_owner": "Octavia",
        "mac_address": port.mac.upper(),
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}],
    }
    assert (await cloud.put(f"/ports/{port.id}", {"port": same}))["port"]["name"] == "mine"


async def test_ports_cannot_be_given_a_load_balancers_owner(cloud: Cloud) -> None:
    network, _ = await cloud.inside()
    pose = {"network_id": network["id"], "device_owner": "Octavia"}
    assert (await cloud.refused("POST", "/ports", {"port": pose}))[:2] == (409, "UnsupportedPortDeviceOwner")
    port = await cloud.make("/ports", network_id=network["id"])
    answer = await cloud.refused("PUT", f"/ports/{port['id']}", {"port": {"device_owner": "Octavia"}})
    assert answer[:2] == (409, "UnsupportedPortDeviceOwner")


async def test_a_plugged_port_keeps_its_addresses_until_it_is_unplugged(cloud: Cloud) -> None:
    network, _ = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"])
    path = f"/ports/{port['id']}"
    await cloud.put(path, {"port": {"binding:host_id": "one"}}, "admin")
    changes: tuple[dict[str, Any], ...] = ({"fixed_ips": []}, {"mac_address": "fa:16:3e:11:22:33"})
    for change in changes:
        assert (await cloud.refused("PUT", path, {"port": change}))[:2] == (409, "PortInUse")
    answer = await cloud.refused("DELETE", path)
    assert answer[:2] == (409, "ServicePortInUse")
    assert "hydria unplug" in answer[2]
    router = await cloud.make("/routers")
    add = f"/routers/{router['id']}/add_router_interface"
    assert (await cloud.refused("PUT", add, {"port_id": port["id"]}))[:2] == (409, "PortInUse")
    await cloud.put(path, {"port": {"name": "renamed", "fixed_ips": [{"ip_address": "10.0.0.2"}]}})
    await cloud.put(path, {"port": {"binding:host_id": ""}}, "admin")
    await cloud.delete(path)


@pytest.mark.parametrize("version", [4, 6])
async def test_the_gateways_address_is_not_allocated(cloud: Cloud, version: int) -> None:
    cidr, gateway, free = (
        ("10.0.0.0/24", "10.0.0.254", "10.0.0.1") if version == 4 else ("2001:db8::/64", "2001:db8::fe", "2001:db8::1")
    )
    network = await cloud.make("/networks")
    subnet = await cloud.make("/subnets", network_id=network["id"], ip_version=version, cidr=cidr, gateway_ip=gateway)
    text = f"IP address {gateway} already allocated in subnet {subnet['id']}"
    fixed = {"network_id": network["id"], "fixed_ips": [{"ip_address": gateway}]}
    for who in ("demo", "admin"):
        answer = await cloud.refused("POST", "/ports", {"port": fixed}, who=who)
        assert answer == (409, "IpAddressAlreadyAllocated", text)
    port = await cloud.make("/ports", network_id=network["id"], fixed_ips=[{"ip_address": free}])
    answer = await cloud.refused("PUT", f"/ports/{port['id']}", {"port": {"fixed_ips": [{"ip_address": gateway}]}})
    assert answer[:2] == (409, "IpAddressAlreadyAllocated")
    with pytest.raises(Conflict, match="already allocated"):
        await _vip(cloud, subnet["id"], gateway)
    vip = await _vip(cloud, subnet["id"])
    # Neither does a gateway move to where a port is.
    for taken in (free, vip.fixed_ips[0][1]):
        change = {"subnet": {"gateway_ip": taken, "allocation_pools": []}}
        answer = await cloud.refused("PUT", f"/subnets/{subnet['id']}", change)
        assert answer[:2] == (409, "GatewayIpInUse")
    router = await cloud.make("/routers")
    await cloud.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})


async def test_port_security_of_a_load_balancers_port_reaches_its_host(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    port = await _vip(cloud, subnet["id"])
    path = f"/ports/{port.id}"

    def told() -> Interface:
        interface = cloud.networking(lambda networking: networking.interface(port.id))
        assert interface is not None
        return interface

    def altered() -> bool:
        found = cloud.networking(lambda networking: networking.altered_ports())
        cloud.networking(lambda networking: networking.forget_altered_ports())
        return [each.id for each in found] == [port.id]

    assert (told().port_security, told().address_pairs, told().admin_state_up) == (True, (), True)
    assert not altered()
    changes: tuple[dict[str, Any], ...] = (
        {"allowed_address_pairs": [{"ip_address": "10.0.0.200/29"}]},
        {"allowed_address_pairs": []},
        {"port_security_enabled": False},
        {"admin_state_up": False},
    )
    for change in changes:
        before = told()
        await cloud.put(path, {"port": change})
        assert altered()
        assert told() != before
    assert (told().port_security, told().admin_state_up) == (False, False)


async def test_the_topology_has_plugged_ports_and_trusts_routers(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"])
    await cloud.way_out(subnet)
    before = cloud.generation()
    assert cloud.topology().plugged == ()
    path = f"/ports/{port['id']}"
    await cloud.put(path, {"port": {"name": "no matter"}})
    assert cloud.generation() == before
    await cloud.put(path, {"port": {"binding:host_id": "one"}}, "admin")
    for up, status in ((True, "ACTIVE"), (False, "DOWN"), (True, "ACTIVE")):
        shown = (await cloud.put(path, {"port": {"admin_state_up": up}}))["port"]
        assert shown["status"] == status
        listed = (await cloud.get(f"/ports?status={status}&id={port['id']}"))["ports"]
        assert [each["id"] for each in listed] == [port["id"]]
    (plugged,) = cloud.topology().plugged
    assert (plugged.port_id, plugged.port_security) == (port["id"], True)
    assert [each.ip for each in plugged.addresses] == ["10.0.0.2"]
    pairs = [{"ip_address": "10.0.0.99", "mac_address": "fa:16:3e:00:00:99"}]
    await cloud.put(path, {"port": {"allowed_address_pairs": pairs}})
    (plugged,) = cloud.topology().plugged
    assert plugged.address_pairs == (AddressPair(mac="fa:16:3e:00:00:99", cidr="10.0.0.99"),)
    assert cloud.generation() == before + 4
    (router,) = cloud.topology().routers
    assert router.gateway is not None
    assert not any(each.port_security for each in (*router.interfaces, router.gateway))
    await cloud.put(path, {"port": {"binding:host_id": ""}}, "admin")
    assert cloud.topology().plugged == ()
