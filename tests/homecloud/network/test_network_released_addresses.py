"""An address of a router or a floating IP is given to another device only when the hosts have removed it."""

from typing import Any

import pytest

from hydria.adapters.memory import MemorySecrets
from hydria.contract import Holding, Reports
from hydria.controller.desired_state import DesiredState
from hydria.errors import Conflict
from hydria.homecloud.network import HomeNetworking, HomeTopologies
from hydria.model.network import Device, Port
from tests.homecloud.network.neutron import DEMO, Cloud

FLOATING, GATEWAY = "203.0.113.50", "203.0.113.60"


class Host:
    """A host's agent: polls, and reports the newest topology when told to."""

    def __init__(self, cloud: Cloud, name: str = "host-1") -> None:
        self._cloud, self._name = cloud, name
        self._desired_state = DesiredState(
            lambda tx: HomeNetworking(tx, cloud.clock.now()), HomeTopologies, lambda _: MemorySecrets()
        )
        self.poll()

    def poll(self) -> None:
        now = self._cloud.clock.now()
        self._cloud.work(lambda tx: self._desired_state.heard_from(tx, Holding(host=self._name), now))

    def wire(self, reason: str | None = None) -> None:
        self.poll()
        newest = self._cloud.topology()
        reports = Reports(
            host=self._name, topology=newest.generation, topology_change=newest.change_id, topology_reason=reason
        )
        self._cloud.work(lambda tx: self._desired_state.wired(tx, reports, self._cloud.clock.now()))


async def _vip(cloud: Cloud, subnet_id: str, address: str | None = None) -> Port:
    def work(networking: HomeNetworking) -> Port:
        subnet = networking.subnet(subnet_id, None)
        assert subnet is not None
        return networking.create_port("vip", DEMO, subnet, address, Device(id="lb-1", owner="Octavia"))

    return cloud.networking(work)


async def _floating_ip(cloud: Cloud, address: str | None = None, **more: Any) -> Any:
    external = await cloud.provider()
    if address is not None:
        more["floating_ip_address"] = address
    return await cloud.make("/floatingips", "admin", floating_network_id=external["id"], **more)


def _wanted(network_id: str) -> Any:
    return {"floatingip": {"floating_network_id": network_id, "floating_ip_address": FLOATING}}


async def _refused(cloud: Cloud, method: str, path: str, body: Any) -> None:
    status, kind, text = await cloud.refused(method, path, body, who="admin")
    assert (status, kind) == (409, "IpAddressAlreadyAllocated")
    assert "a host still has it" in text
    assert "Try again" in text


async def _associated(cloud: Cloud) -> tuple[Any, Any]:
    """Make a router with a gateway and an associated floating IP; return the floating IP and the router."""
    network, subnet = await cloud.inside(who="admin")
    router = await cloud.way_out(subnet, "admin")
    port = await cloud.make("/ports", "admin", network_id=network["id"])
    return await _floating_ip(cloud, FLOATING, port_id=port["id"]), router


@pytest.mark.parametrize("cloud", ["sqlite", "postgresql"], indirect=True)
async def test_a_floating_ips_address_waits_for_the_host(cloud: Cloud) -> None:
    floating_ip, _ = await _associated(cloud)
    external = await cloud.provider()
    host = Host(cloud)
    host.wire()
    await cloud.delete(f"/floatingips/{floating_ip['id']}", "admin")
    wanted = _wanted(external["id"])
    await _refused(cloud, "POST", "/floatingips", wanted)
    fixed = {"port": {"network_id": external["id"], "fixed_ips": [{"ip_address": FLOATING}]}}
    await _refused(cloud, "POST", "/ports", fixed)
    with pytest.raises(Conflict, match="a host still has it"):
        await _vip(cloud, external["subnets"][0], FLOATING)
    assert (await _floating_ip(cloud))["floating_ip_address"] != FLOATING
    # A host that could not make the topology may still have the address.
    host.wire("no nft")
    await _refused(cloud, "POST", "/floatingips", wanted)
    host.wire()
    await _floating_ip(cloud, FLOATING)


async def test_a_floating_ip_that_was_disassociated_before_waits_too(cloud: Cloud) -> None:
    floating_ip, _ = await _associated(cloud)
    host = Host(cloud)
    host.wire()
    await cloud.put(f"/floatingips/{floating_ip['id']}", {"floatingip": {"port_id": None}}, "admin")
    await cloud.delete(f"/floatingips/{floating_ip['id']}", "admin")
    wanted = _wanted(floating_ip["floating_network_id"])
    await _refused(cloud, "POST", "/floatingips", wanted)
    host.wire()
    await _floating_ip(cloud, FLOATING)
    # One that no router translated is nowhere.
    (shown,) = (await cloud.get(f"/floatingips?floating_ip_address={FLOATING}", "admin"))["floatingips"]
    await cloud.delete(f"/floatingips/{shown['id']}", "admin")
    await _floating_ip(cloud, FLOATING)


async def test_automatic_allocation_takes_other_addresses(cloud: Cloud) -> None:
    network, subnet = await cloud.inside(who="admin", allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.11"}])
    port = await cloud.make("/ports", "admin", network_id=network["id"])
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.10"
    router = await cloud.make("/routers", "admin")
    await cloud.put(f"/routers/{router['id']}/add_router_interface", {"port_id": port["id"]}, "admin")
    host = Host(cloud)
    host.wire()
    await cloud.put(f"/routers/{router['id']}/remove_router_interface", {"port_id": port["id"]}, "admin")
    assert (await _vip(cloud, subnet["id"])).fixed_ips[0][1] == "10.0.0.11"
    with pytest.raises(Conflict, match="No more IP addresses"):
        await _vip(cloud, subnet["id"])
    host.wire()
    assert (await _vip(cloud, subnet["id"])).fixed_ips[0][1] == "10.0.0.10"


async def test_a_routers_addresses_wait_for_the_host_except_for_this_router(cloud: Cloud) -> None:
    _, subnet = await cloud.inside(who="admin")
    first, second = [await cloud.make("/routers", "admin", name=name) for name in ("first", "second")]
    external = await cloud.provider()
    gateway = {"network_id": external["id"], "external_fixed_ips": [{"ip_address": GATEWAY}]}
    on, off = "add_router_interface", "remove_router_interface"
    inside = {"subnet_id": subnet["id"]}
    await cloud.put(f"/routers/{first['id']}/{on}", inside, "admin")
    await cloud.put(f"/routers/{first['id']}", {"router": {"external_gateway_info": gateway}}, "admin")
    host = Host(cloud)
    host.wire()
    # The same router gets its addresses again at once, as in Neutron.
    for info in (gateway, {}, gateway, {}):
        await cloud.put(f"/routers/{first['id']}", {"router": {"external_gateway_info": info}}, "admin")
    for verb in (off, on, off):
        await cloud.put(f"/routers/{first['id']}/{verb}", inside, "admin")
    await _refused(cloud, "PUT", f"/routers/{second['id']}/{on}", inside)
    await _refused(cloud, "PUT", f"/routers/{second['id']}", {"router": {"external_gateway_info": gateway}})
    await cloud.delete(f"/routers/{first['id']}", "admin")
    await _refused(cloud, "PUT", f"/routers/{second['id']}/{on}", inside)
    host.wire()
    await cloud.put(f"/routers/{second['id']}/{on}", inside, "admin")
    await cloud.put(f"/routers/{second['id']}", {"router": {"external_gateway_info": gateway}}, "admin")


async def test_deleting_never_waits_and_a_new_subnet_keeps_the_addresses_back(cloud: Cloud) -> None:
    network, subnet = await cloud.inside(who="admin")
    router, other = [await cloud.make("/routers", "admin", name=name) for name in ("router", "other")]
    await cloud.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, "admin")
    host = Host(cloud)
    host.wire()
    inside = {"subnet_id": subnet["id"]}
    await cloud.put(f"/routers/{router['id']}/remove_router_interface", inside, "admin")
    await cloud.delete(f"/subnets/{subnet['id']}", "admin")
    again = await cloud.make("/subnets", "admin", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    path = f"/routers/{other['id']}/add_router_interface"
    await _refused(cloud, "PUT", path, {"subnet_id": again["id"]})
    # Another network with the same addresses has nothing to do with it.
    _, elsewhere = await cloud.inside(who="admin")
    third = await cloud.make("/routers", "admin")
    await cloud.put(f"/routers/{third['id']}/add_router_interface", {"subnet_id": elsewhere["id"]}, "admin")
    host.wire()
    await cloud.put(path, {"subnet_id": again["id"]}, "admin")
    await cloud.put(f"/routers/{other['id']}/remove_router_interface", {"subnet_id": again["id"]}, "admin")
    await cloud.delete(f"/subnets/{again['id']}", "admin")
    await cloud.delete(f"/networks/{network['id']}", "admin")
    host.wire()


async def test_the_machine_waits_for_a_gateways_address_too(cloud: Cloud) -> None:
    floating_ip, _ = await _associated(cloud)
    external = await cloud.provider()
    host = Host(cloud)
    host.wire()
    await cloud.delete(f"/floatingips/{floating_ip['id']}", "admin")
    change = {"subnet": {"gateway_ip": FLOATING, "allocation_pools": []}}
    await _refused(cloud, "PUT", f"/subnets/{external['subnets'][0]}", change)
    host.wire()
    await cloud.put(f"/subnets/{external['subnets'][0]}", change, "admin")


async def test_every_host_must_have_removed_the_address(cloud: Cloud) -> None:
    floating_ip, _ = await _associated(cloud)
    first, second = Host(cloud, "one"), Host(cloud, "two")
    first.wire()
    second.wire()
    await cloud.delete(f"/floatingips/{floating_ip['id']}", "admin")
    wanted = _wanted(floating_ip["floating_network_id"])
    first.wire()
    await _refused(cloud, "POST", "/floatingips", wanted)
    second.wire()
    await _floating_ip(cloud, FLOATING)


async def test_a_host_that_has_polled_and_not_yet_reported_is_waited_for(cloud: Cloud) -> None:
    floating_ip, _ = await _associated(cloud)
    host = Host(cloud)
    await cloud.delete(f"/floatingips/{floating_ip['id']}", "admin")
    wanted = _wanted(floating_ip["floating_network_id"])
    await _refused(cloud, "POST", "/floatingips", wanted)
    host.wire()
    await _floating_ip(cloud, FLOATING)


async def test_nobody_waits_for_hosts_that_do_not_exist_or_are_silent_for_good(cloud: Cloud) -> None:
    floating_ip, _ = await _associated(cloud)
    await cloud.delete(f"/floatingips/{floating_ip['id']}", "admin")
    again = await _floating_ip(cloud, FLOATING)
    lost, host = Host(cloud, "lost"), Host(cloud, "host")
    lost.wire()
    cloud.clock.advance(days=8)
    port = (await cloud.get("/ports?device_owner=", "admin"))["ports"][0]
    await cloud.put(f"/floatingips/{again['id']}", {"floatingip": {"port_id": port["id"]}}, "admin")
    host.wire()
    await cloud.delete(f"/floatingips/{again['id']}", "admin")
    await _refused(cloud, "POST", "/floatingips", _wanted(again["floating_network_id"]))
    host.wire()
    await _floating_ip(cloud, FLOATING)
