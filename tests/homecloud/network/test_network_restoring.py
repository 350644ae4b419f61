"""Adoption of orphans: an empty home cloud restores what a host has, so that its next orders change nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hydria.contract import FirewallRule, Interface
from hydria.homecloud.network import HomeTopologies
from hydria.model.network import Device
from tests.homecloud.network.neutron import DEMO, Cloud

VIP = Device(id="lb-1", owner="Octavia")
RULES: tuple[dict[str, Any], ...] = (
    {"protocol": "tcp", "port_range_min": 80, "port_range_max": 90, "remote_ip_prefix": "192.0.2.0/24"},
    {"protocol": "tcp", "port_range_min": 443, "port_range_max": 443},
    {"protocol": "icmp", "port_range_min": 8},
    {"ethertype": "IPv6", "protocol": "udp", "remote_ip_prefix": "2001:db8::/32"},
    {"ethertype": "IPv6"},
)


@pytest.fixture
async def lost(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A home cloud with a new database."""
    (tmp_path / "new").mkdir()
    made = Cloud(tmp_path / "new")
    yield made
    await made.close()


async def dual_stack_vip(cloud: Cloud, groups: list[str]) -> tuple[Interface, list[str]]:
    """Return a port with an IPv4 and an IPv6 address as its host has it, and its subnets."""
    network, subnet = await cloud.inside(gateway_ip="10.0.0.254", host_routes=[ROUTE])
    six = {"network_id": network["id"], "ip_version": 6, "cidr": "fd00:1::/64", "gateway_ip": "fd00:1::fe"}
    subnets = [subnet["id"], (await cloud.make("/subnets", **six))["id"]]
    addresses = [
        {"subnet_id": key, "ip_address": ip} for key, ip in zip(subnets, ("10.0.0.7", "fd00:1::7"), strict=True)
    ]
    port = await cloud.make("/ports", network_id=network["id"], fixed_ips=addresses, security_groups=groups)
    interface = cloud.networking(lambda networking: networking.interface(port["id"]))
    assert interface is not None
    return structs.replace(interface, guard=cloud.networking(lambda each: each.guard(groups))), subnets


ROUTE = {"destination": "198.51.100.0/24", "nexthop": "10.0.0.9"}


def restore(cloud: Cloud, interface: Interface, subnets: list[str], groups: list[str]) -> Interface:
    """Restore a port, and return the interface that its host would be ordered to make now."""
    cloud.networking(lambda each: each.restore_port(interface, subnets, (DEMO, "octavia-lb-1"), VIP, groups))
    restored = cloud.networking(lambda each: each.interface(interface.port_id))
    assert restored is not None
    return structs.replace(restored, guard=cloud.networking(lambda each: each.guard(groups)))


def by_text(rules: tuple[FirewallRule, ...] | None) -> list[str]:
    return sorted(map(str, rules or ()))


async def test_a_dual_stack_port_with_security_group_rules_is_restored_as_its_host_has_it(
    cloud: Cloud, lost: Cloud
) -> None:
    group = (await cloud.make("/security-groups", name="vip"))["id"]
    for rule in RULES:
        await cloud.make("/security-group-rules", security_group_id=group, direction="ingress", **rule)
    wanted, subnets = await dual_stack_vip(cloud, [group])
    assert len(wanted.guard or ()) == len(RULES)
    assert len(wanted.addresses) == 2
    restored = restore(lost, wanted, subnets, [group])
    assert by_text(restored.guard) == by_text(wanted.guard)
    assert structs.replace(restored, guard=None) == structs.replace(wanted, guard=None)
    shown = (await lost.get(f"/ports/{wanted.port_id}"))["port"]
    assert (shown["device_owner"], shown["security_groups"]) == ("Octavia", [group])


async def test_the_first_of_several_security_groups_gets_all_rules(cloud: Cloud, lost: Cloud) -> None:
    groups = [(await cloud.make("/security-groups", name=name))["id"] for name in ("one", "two")]
    for group, rule in zip(groups, RULES, strict=False):
        await cloud.make("/security-group-rules", security_group_id=group, direction="ingress", **rule)
    wanted, subnets = await dual_stack_vip(cloud, groups)
    restored = restore(lost, wanted, subnets, groups)
    assert by_text(restored.guard) == by_text(wanted.guard)
    assert lost.networking(lambda each: each.guard(groups[1:])) == ()


async def test_a_restored_port_is_not_restored_twice(cloud: Cloud, lost: Cloud) -> None:
    wanted, subnets = await dual_stack_vip(cloud, [])
    assert restore(lost, wanted, subnets, []) == restore(lost, wanted, subnets, [])
    assert len((await lost.get(f"/subnets?network_id={wanted.network_id}"))["subnets"]) == 2


async def test_a_flat_network_is_restored_with_its_bridge(cloud: Cloud, lost: Cloud) -> None:
    provider = {"provider__network_type": "flat", "provider__physical_network": "br-lan"}
    made = await cloud.make("/networks", "admin", name="lan", **provider)
    (wanted,) = (each for each in cloud.topology().networks if each.id == made["id"])
    assert wanted.physical == "br-lan"
    assert lost.work(lambda transaction: HomeTopologies(transaction).adopt(wanted)) == []
    assert wanted in lost.topology().networks
    shown = (await lost.get(f"/networks/{made['id']}", "admin"))["network"]
    assert (shown["provider:network_type"], shown["provider:physical_network"]) == ("flat", "br-lan")
