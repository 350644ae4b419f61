"""The network service as the load balancers' side uses it."""

import random
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from hydria.contract import Address, Route
from hydria.errors import Conflict, Invalid
from hydria.homecloud.network import HomeNetworking
from hydria.model.network import Device, Port
from tests.homecloud.network.neutron import DEMO, OTHER, Cloud

VIP = Device(id="lb-1", owner="Octavia")


async def _vip(cloud: Cloud, subnet_id: str, address: str | None = None) -> Port:
    def work(networking: HomeNetworking) -> Port:
        subnet = networking.subnet(subnet_id, None)
        assert subnet is not None
        return networking.create_port("octavia-lb-1", DEMO, subnet, address, VIP)

    return cloud.networking(work)


async def test_a_port_is_created_for_a_vip(cloud: Cloud) -> None:
    network, subnet = await cloud.inside(allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.250"}])
    for ip in ("10.0.0.11", "10.0.0.12"):
        await cloud.make("/ports", network_id=network["id"], fixed_ips=[{"ip_address": ip}])
    port = await _vip(cloud, subnet["id"])
    assert port.fixed_ips == ((subnet["id"], "10.0.0.10"),)
    assert cloud.networking(lambda networking: networking.ports_of("lb-1")) == (port,)
    shown = (await cloud.get(f"/ports/{port.id}"))["port"]
    assert (shown["name"], shown["device_owner"], shown["project_id"]) == ("octavia-lb-1", "Octavia", DEMO)
    assert (await _vip(cloud, subnet["id"])).fixed_ips[0][1] == "10.0.0.13"


async def test_unavailable_addresses_are_refused_in_neutrons_words(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    await _vip(cloud, subnet["id"], "10.0.0.77")
    with pytest.raises(Conflict, match="already allocated"):
        await _vip(cloud, subnet["id"], "10.0.0.77")
    with pytest.raises(Invalid, match="not a valid IP"):
        await _vip(cloud, subnet["id"], "192.0.2.1")


async def test_a_port_costs_few_statements(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    await _vip(cloud, subnet["id"])
    statements: list[str] = []
    event.listen(cloud.database.engines[0], "before_cursor_execute", lambda *args: statements.append(args[2]))
    await _vip(cloud, subnet["id"])
    assert len([each for each in statements if not each.startswith("BEGIN")]) <= 4


@pytest.mark.parametrize("seed", range(4))
async def test_ports_get_the_lowest_free_address_after_deletions(cloud: Cloud, seed: int) -> None:
    pools = [{"start": "10.0.0.10", "end": "10.0.0.17"}, {"start": "10.0.0.20", "end": "10.0.0.24"}]
    _, subnet = await cloud.inside(allocation_pools=pools)
    offered = [*range(10, 18), *range(20, 25)]
    chance, taken = random.Random(seed), dict[int, str]()  # noqa: S311 - the same every time
    for _ in range(150):
        free = [number for number in offered if number not in taken]
        match chance.choice(("give", "give", "ask", "free", "free")):
            case "give" if free:
                port = await _vip(cloud, subnet["id"])
                assert port.fixed_ips[0][1] == f"10.0.0.{free[0]}"
                taken[free[0]] = port.id
            case "give":
                with pytest.raises(Conflict, match="No more IP addresses"):
                    await _vip(cloud, subnet["id"])
            case "ask":
                number = chance.choice([each for each in range(5, 90) if each not in taken])
                taken[number] = (await _vip(cloud, subnet["id"], f"10.0.0.{number}")).id
            case "free" if taken:
                gone = taken.pop(chance.choice(sorted(taken)))
                cloud.networking(partial(HomeNetworking.delete_port, port_id=gone))


async def test_the_cost_of_allocation_does_not_grow_with_taken_addresses(cloud: Cloud) -> None:
    _, subnet = await cloud.inside()
    await _vip(cloud, subnet["id"])
    plans: list[str] = []

    def explain(connection: Any, _: Any, statement: str, parameters: Any, *__: Any) -> None:
        if "network_addresses" in statement and not statement.startswith("EXPLAIN"):
            rows = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in rows)

    event.listen(cloud.database.engines[0], "before_cursor_execute", explain)
    await _vip(cloud, subnet["id"])
    assert any("ix_network_addresses_subnet_id_next" in each for each in plans)
    assert not any("SCAN network_addresses" in each or "B-TREE" in each for each in plans)


async def test_free_addresses_are_counted(cloud: Cloud) -> None:
    pools = [{"start": "10.0.0.10", "end": "10.0.0.12"}, {"start": "10.0.0.20", "end": "10.0.0.20"}]
    network, subnet = await cloud.inside(allocation_pools=pools)

    def free(networking: HomeNetworking) -> int:
        (known,) = networking.network_subnets(network["id"], DEMO) or ()
        return networking.free_addresses(known)

    assert cloud.networking(free) == 4
    # One outside of the pools does not count.
    await cloud.make("/ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.99"}])
    assert cloud.networking(free) == 4
    for left in (3, 2, 1, 0):
        await _vip(cloud, subnet["id"])
        assert cloud.networking(free) == left


async def test_look_ups_are_limited_to_the_project(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    port = await _vip(cloud, subnet["id"])

    def seen(project_id: str | None) -> tuple[bool, bool, bool]:
        return cloud.networking(
            lambda networking: (
                networking.subnet(subnet["id"], project_id) is not None,
                networking.network_subnets(network["id"], project_id) is not None,
                networking.port(port.id, project_id) is not None,
            )
        )

    assert seen(DEMO) == seen(None) == (True, True, True)
    assert seen(OTHER) == (False, False, False)


async def test_an_interface_carries_addresses_and_routes(cloud: Cloud) -> None:
    routes = [{"destination": "198.51.100.0/24", "nexthop": "10.0.0.5"}]
    network, subnet = await cloud.inside(host_routes=routes)
    port = await _vip(cloud, subnet["id"])
    interface = cloud.networking(lambda networking: networking.interface(port.id))
    assert interface is not None
    assert (interface.network_id, interface.mac, interface.mtu) == (network["id"], port.mac, 1500)
    assert interface.addresses == (Address(ip="10.0.0.2", prefix=24),)
    assert interface.routes == (
        Route(destination="198.51.100.0/24", via="10.0.0.5"),
        Route(destination="0.0.0.0/0", via="10.0.0.1"),
    )
    assert cloud.networking(lambda networking: networking.interface("gone")) is None


async def test_a_port_is_bound_freed_and_deleted_with_its_floating_ip(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    await cloud.way_out(subnet)
    port = await cloud.make("/ports", network_id=network["id"])
    cloud.networking(lambda networking: networking.bind_port(port["id"], VIP))
    assert (await cloud.get(f"/ports/{port['id']}"))["port"]["device_id"] == "lb-1"
    cloud.networking(lambda networking: networking.bind_port(port["id"], None))
    assert (await cloud.get(f"/ports/{port['id']}"))["port"]["device_owner"] == ""
    external = await cloud.provider()
    floating = await cloud.make("/floatingips", floating_network_id=external["id"], port_id=port["id"])
    for _ in range(2):
        cloud.networking(lambda networking: networking.delete_port(port["id"]))
    left = (await cloud.get(f"/floatingips/{floating['id']}"))["floatingip"]
    assert (left["port_id"], left["status"]) == (None, "DOWN")
    assert (await cloud.refused("GET", f"/ports/{port['id']}"))[0] == 404


async def test_a_network_without_port_security_refuses_ports_that_need_it(cloud: Cloud) -> None:
    network, _ = await cloud.inside()
    assert cloud.networking(lambda networking: networking.refuses_secured_ports(network["id"])) is None
    await cloud.put(f"/networks/{network['id']}", {"network": {"port_security_enabled": False}})
    reason = cloud.networking(lambda networking: networking.refuses_secured_ports(network["id"]))
    assert reason is not None
    assert "port security" in reason.lower()
    assert network["id"] in reason


async def test_a_hint_is_sent_after_commit(cloud: Cloud) -> None:
    heard: list[str] = []
    cloud.database.subscribe(heard.extend)
    network = await cloud.make("/networks")
    assert heard == ["topology"]
    await cloud.make("/subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    assert heard == ["topology"]


async def test_add_address(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    other = await cloud.make("/subnets", network_id=network["id"], cidr="198.51.100.0/24", ip_version=4)
    port = await _vip(cloud, subnet["id"], "10.0.0.77")

    def give(address: str | None) -> Port:
        def work(networking: HomeNetworking) -> Port:
            found = networking.subnet(other["id"], None)
            assert found is not None
            return networking.add_address(port.id, found, address)

        return cloud.networking(work)

    given = give("198.51.100.9")
    assert given.fixed_ips == (*port.fixed_ips, (other["id"], "198.51.100.9"))
    assert cloud.networking(lambda networking: networking.port(port.id, None)) == given
    interface = cloud.networking(lambda networking: networking.interface(port.id))
    assert interface is not None
    assert [each.ip for each in interface.addresses] == ["10.0.0.77", "198.51.100.9"]
    with pytest.raises(Conflict, match="already allocated"):
        give("198.51.100.9")


async def test_security_groups_are_seen_by_their_project(cloud: Cloud) -> None:
    group = await cloud.make("/security-groups", name="web")
    for project, seen in ((None, True), (group["project_id"], True), (OTHER, False)):
        found = cloud.networking(
            lambda networking, project=project: networking.has_security_group(group["id"], project)  # type: ignore[misc]
        )
        assert found is seen
