"""The memory adapters implement the protocols, and fail on demand."""

import asyncio
from typing import Any

import pytest

from hydria.adapters.memory import Faults, ManualClock, MemoryHost, MemoryNetworking, MemoryTopologies
from hydria.contract import Instance, Network, Topology
from hydria.errors import Conflict, HostError, Invalid
from hydria.model import HealthMonitor, LoadBalancer, Member, Pool, Tree
from hydria.model.network import Device
from hydria.protocols import Clock, Host, Networking, Topologies

NO_DEVICE = Device(id="", owner="")
COMMON: dict[str, Any] = {"project_id": "p", "created_at": "2026-01-01T00:00:00"}


def instance(generation: int = 1) -> Instance:
    root = LoadBalancer(
        id="lb", vip_address="10.0.0.2", vip_port_id="v", vip_subnet_id="s", vip_network_id="n", **COMMON
    )
    pools = tuple(
        Pool(id=key, load_balancer_id="lb", protocol="HTTP", lb_algorithm="ROUND_ROBIN", **COMMON)
        for key in ("checked", "plain")
    )
    members = tuple(
        Member(id=f"m-{pool.id}", load_balancer_id="lb", pool_id=pool.id, address="10.0.0.3", protocol_port=1, **COMMON)
        for pool in pools
    )
    monitor = HealthMonitor(
        id="h", load_balancer_id="lb", pool_id="checked", type="TCP", delay=1, timeout=1, max_retries=1, **COMMON
    )
    tree = Tree(load_balancer=root, pools=pools, members=members, health_monitors=(monitor,))
    return Instance(amphora_id="a", generation=generation, tree=tree, interfaces=())


def test_they_implement_the_protocols() -> None:
    clock: Clock = ManualClock()
    host: Host = MemoryHost()
    networking: Networking = MemoryNetworking()
    topologies: Topologies = MemoryTopologies()
    assert all((clock, host, networking, topologies))


def test_faults() -> None:
    faults = Faults()
    faults.set("serve", HostError("once"), times=1)
    faults.raise_if_set("other")
    faults.raise_if_set("serve", after=True)
    with pytest.raises(HostError, match="once"):
        faults.raise_if_set("serve")
    faults.raise_if_set("serve")
    faults.set("serve", HostError("always"), after=True)
    for _ in range(2):
        faults.raise_if_set("serve")
        with pytest.raises(HostError, match="always"):
            faults.raise_if_set("serve", after=True)
    faults.clear("serve")
    faults.raise_if_set("serve", after=True)


def test_the_clock_is_moved_by_advance() -> None:
    clock = ManualClock()
    before = clock.now()
    clock.advance(1.5)
    assert ((clock.now() - before).total_seconds(), clock.monotonic()) == (1.5, 1.5)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


async def test_a_host() -> None:
    host = MemoryHost()
    with pytest.raises(HostError, match="does not run"):
        await host.observe("a")
    await host.serve(instance())
    assert (await host.observe("a")).servers == {"m-checked": "up", "m-plain": "unchecked"}
    host.take_down("m-checked", "m-plain")
    assert await asyncio.wait_for(host.changed(), 5) == "a"
    assert (await host.observe("a")).servers == {"m-checked": "down", "m-plain": "unchecked"}
    host.bring_up("m-checked")
    assert (await host.observe("a")).servers["m-checked"] == "up"
    host.kill("a")
    with pytest.raises(HostError):
        await host.observe("a")
    await host.withdraw("a")
    await host.withdraw("a")
    assert await host.remembered() == {}
    assert host.calls[:2] == [("observe", "a"), ("serve", "a")]


async def test_a_host_fails_before_or_after_the_effect() -> None:
    host = MemoryHost()
    await host.serve(instance(1))
    host.faults.set("serve", HostError("before"))
    with pytest.raises(HostError):
        await host.serve(instance(2))
    assert (await host.remembered())["a"].generation == 1
    host.faults.set("serve", HostError("after"), after=True)
    with pytest.raises(HostError):
        await host.serve(instance(3))
    assert (await host.remembered())["a"].generation == 3


async def test_a_reboot() -> None:
    host = MemoryHost()
    await host.wire(Topology(generation=1))
    await host.serve(instance())
    host.reboot()
    assert (host.topology, set(await host.remembered()), host.running) == (None, {"a"}, set())


def test_networks() -> None:
    networking = MemoryNetworking()
    own, shared = networking.add_network("red"), networking.add_network("blue", shared=True, refusal="no")
    subnet, other = networking.add_subnet(own, "192.0.2.0/29"), networking.add_subnet(shared, "2001:db8::/64")
    assert networking.subnet(subnet.id, "red") == networking.subnet(subnet.id, None) == subnet
    assert networking.subnet(subnet.id, "blue") is None
    assert networking.subnet(other.id, "red") == other
    assert networking.network_subnets(own, "blue") is None
    assert networking.network_subnets(own, "red") == (subnet,)
    assert networking.refuses_secured_ports(own) is None
    assert networking.refuses_secured_ports(shared) == "no"


def test_ports() -> None:
    networking = MemoryNetworking()
    subnet = networking.add_subnet(networking.add_network("red"), "192.0.2.0/29")
    ports = [networking.create_port("p", "red", subnet, None, Device(id="d", owner="o")) for _ in range(5)]
    assert [port.fixed_ips[0][1] for port in ports] == [f"192.0.2.{number}" for number in range(2, 7)]
    assert len({port.mac for port in ports}) == 5
    with pytest.raises(Conflict, match="No more IP addresses"):
        networking.create_port("p", "red", subnet, None, NO_DEVICE)
    networking.delete_port(ports[1].id)
    networking.delete_port(ports[1].id)
    for address, refusal in (("192.0.2.2", Conflict), ("192.0.2.1", Conflict), ("192.0.2.99", Invalid)):
        with pytest.raises(refusal):
            networking.create_port("p", "red", subnet, address, NO_DEVICE)
    again = networking.create_port("p", "red", subnet, "192.0.2.3", NO_DEVICE)
    assert networking.port(again.id, "red") == again
    assert networking.port(again.id, "blue") is None
    assert len(networking.ports_of("d")) == 4
    networking.bind_port(again.id, Device(id="d", owner="o"))
    assert len(networking.ports_of("d")) == 5
    networking.bind_port(again.id, None)
    assert networking.ports[again.id].device_id == ""
    nic = networking.interface(again.id)
    assert nic is not None
    assert (nic.addresses[0].ip, nic.addresses[0].prefix, nic.routes[0].via) == ("192.0.2.3", 29, "192.0.2.1")
    assert networking.interface("gone") is None


def test_topologies() -> None:
    topologies = MemoryTopologies()
    assert (topologies.version(), topologies.topology()) == ((0, 0), Topology(generation=0))
    topologies.change(networks=(Network(id="n"),))
    assert topologies.topology() == Topology(generation=1, networks=(Network(id="n"),))
