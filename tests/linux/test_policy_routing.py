"""Policy routing with clients on the members' subnet: answers leave by the VIP's interface (port security)."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from msgspec import structs

from hydria.adapters.linux import kernel, netns, nft
from hydria.adapters.linux.names import switch_end
from hydria.adapters.linux.policy_routing import ensure_policy_routing
from hydria.contract import Instance, Interface, Route
from hydria.model.load_balancer import AdditionalVip
from tests.linux import datagrams
from tests.linux.datagrams import Echo
from tests.linux.haproxies import Web, get
from tests.linux.machines import VIP, Machine
from tests.linux.wires import host, interface
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, load_balancer, member, monitor, pool
from tests.support.waiting import eventually

FAR = "aaaaaaaa-0000-4000-8000-000000000002"
VIP6 = "2001:db8::10"
NIC = interface(FAR, "192.0.2.2/24", "2001:db8:f::2/64")
ROOT = load_balancer(additional_vips=(AdditionalVip(subnet_id=key("d", 3), ip_address=VIP6),))
FAST = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}


def gateways(nic: Interface, *vias: str) -> Interface:
    return structs.replace(
        nic, routes=tuple(Route(destination="::/0" if ":" in via else "0.0.0.0/0", via=via) for via in vias)
    )


@dataclass
class Far:
    """A client on the members' subnet, members on both subnets, and the router between them."""

    client: str
    web: Web
    echo: Echo
    near_echo: Echo


@pytest.fixture
def far(machine: Machine) -> Iterator[Far]:
    names = machine.names
    router = host(names, "router", interface(NETWORK, "10.0.0.1/24", "2001:db8::1/64"))
    kernel.ensure_interface(names, router, "eth1", interface(FAR, "192.0.2.1/24", "2001:db8:f::1/64"))
    for family in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        netns.sysctl(router, f"net.{family}", "1")
    vias = ("192.0.2.1", "2001:db8:f::1")
    client = host(names, "far", gateways(interface(FAR, "192.0.2.50/24", "2001:db8:f::50/64"), *vias))
    web = Web(names, FAR, "web1", "192.0.2.11")
    echo = Echo(host(names, "echo1", interface(FAR, "192.0.2.21/24")), "echo1", "192.0.2.21")
    near_echo = Echo(host(names, "echo2", interface(NETWORK, "10.0.0.21/24")), "echo2", "10.0.0.21")
    yield Far(client, web, echo, near_echo)
    for each in (web, echo, near_echo):
        each.stop()


def served(*nics: Interface, generation: int = 1) -> Instance:
    """HTTP to a member on the other subnet, UDP to one on each subnet."""
    pools = [key("2", number) for number in (1, 2)]
    tree = (
        listener(),
        pool(),
        member(1, address="192.0.2.11"),
        monitor(type="PING", **FAST),
        listener(2, protocol="UDP", protocol_port=53, default_pool_id=pools[1]),
        pool(2, protocol="UDP"),
        member(2, pool_id=pools[1], address="192.0.2.21", protocol_port=5353),
        member(3, pool_id=pools[1], address="10.0.0.21", protocol_port=5353),
        monitor(2, pool_id=pools[1], type="UDP-CONNECT", **FAST),
    )
    made = instance(*tree, root=ROOT, generation=generation)
    first = gateways(made.interfaces[0], "10.0.0.1", "2001:db8::1")
    return structs.replace(made, interfaces=(first, *nics))


def demand_sources(machine: Machine) -> None:
    """Drop packets that leave an interface of the amphora with a foreign source, as Neutron's port security does."""
    vip = served().interfaces[0]
    chains = ""
    for number, nic in enumerate((vip, NIC)):
        four = ", ".join(each.ip for each in nic.addresses if ":" not in each.ip)
        six = ", ".join(each.ip for each in nic.addresses if ":" in each.ip)
        chains += f"""chain nic{number} {{
            type filter hook ingress device {switch_end(nic.port_id)} priority 0; policy accept;
            ip saddr != {{ {four} }} drop
            ip6 saddr != {{ fe80::/10, ::, {six} }} drop
        }}
        """
    nft.load(machine.names.switch, f"table netdev sources {{ {chains} }}")


async def test_answers_leave_by_the_vips_interface(machine: Machine, far: Far) -> None:
    await machine.host.serve(served(NIC))
    demand_sources(machine)

    async def all_up() -> bool:
        # Members are still checked and reached by the interface on their own subnet.
        return set((await machine.host.observe(AMPHORA)).servers.values()) == {"up"}

    await eventually(all_up)
    for client in (far.client, machine.client):
        assert get(client, VIP) == (200, "you hit: web1\n")
        assert datagrams.shares(client, VIP, 4) == {"echo1": 2, "echo2": 2}
    assert get(far.client, VIP6) == (200, "you hit: web1\n")
    assert (far.web.peer, set(far.echo.askers), set(far.near_echo.askers)) == ("192.0.2.2", {"192.0.2.2"}, {VIP})


def rules(machine: Machine) -> int:
    """Return the number of policy rules without the kernel's own."""
    with netns.netlink(machine.names.amphora(AMPHORA)) as here:
        listed = [rule for family in (socket.AF_INET, socket.AF_INET6) for rule in kernel.routing_rules(here, family)]
    return len(listed) - 5


@pytest.fixture
def ruled(machine: Machine) -> Instance:
    """An amphora's interfaces without its other parts."""
    wanted = served(NIC)
    namespace = machine.names.amphora(AMPHORA)
    netns.ensure_namespace(namespace)
    for index, nic in enumerate(wanted.interfaces):
        kernel.ensure_interface(machine.names, namespace, f"eth{index}", nic)
    return wanted


def test_policy_routing_is_made_once_and_repaired(machine: Machine, ruled: Instance) -> None:
    namespace, nic = machine.names.amphora(AMPHORA), ruled.interfaces[0]
    assert ensure_policy_routing(namespace, "eth0", nic)
    assert not ensure_policy_routing(namespace, "eth0", nic)
    # One for each VIP, and one for forwarded packets in each IP version.
    assert rules(machine) == 4
    with netns.netlink(namespace) as here:
        here.flush_rules(family=socket.AF_INET, priority=100)
        here.flush_routes(table=1)
    assert rules(machine) == 2
    assert ensure_policy_routing(namespace, "eth0", nic)
    assert not ensure_policy_routing(namespace, "eth0", nic)
    # A new interface has no routes.
    kernel.remove_interface(machine.names, namespace, "eth0")
    kernel.ensure_interface(machine.names, namespace, "eth0", nic)
    assert ensure_policy_routing(namespace, "eth0", nic)
    moved = gateways(structs.replace(nic, addresses=nic.addresses[:1]), "10.0.0.254")
    kernel.ensure_interface(machine.names, namespace, "eth0", moved)
    assert ensure_policy_routing(namespace, "eth0", moved)
    assert rules(machine) == 2
    with netns.netlink(namespace) as here:
        assert {route.get("gateway") for route in here.get_routes(table=1)} == {None, "10.0.0.254"}


async def test_policy_routing_is_removed_with_the_last_member_interface(machine: Machine) -> None:
    await machine.host.serve(served(NIC))
    assert await asyncio.to_thread(rules, machine) == 4
    await machine.restart()
    await machine.host.serve(served(generation=2))
    assert await asyncio.to_thread(rules, machine) == 0
