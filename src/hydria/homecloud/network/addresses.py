"""Arithmetic of subnets: their addresses, allocation pools and gateways. Pure."""

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from hydria.homecloud.network.faults import fault, invalid_input
from hydria.homecloud.network.rows import Pool

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

Range: TypeAlias = tuple[int, int]


def key_of(ip: Ip | str) -> str:
    """Return an address as hexadecimal digits of fixed width, which sort as the addresses do."""
    return f"{int(ipaddress.ip_address(ip)):032x}"


def from_key(key: str, ip_version: int) -> str:
    """Return the address whose key this is."""
    number = int(key, 16)
    return str(ipaddress.IPv4Address(number) if ip_version == 4 else ipaddress.IPv6Address(number))


def usable(network: IpNetwork) -> Range:
    """Return the first and the last address that a host may have."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 4:
        return (first, last) if network.prefixlen >= 31 else (first + 1, last - 1)
    # The first address of an IPv6 subnet is the anycast address of its routers.
    return (first, last) if network.prefixlen >= 127 else (first + 1, last)


def is_usable(network: IpNetwork, ip: str) -> bool:
    """Say whether a host on the subnet may have this address."""
    address = ipaddress.ip_address(ip)
    first, last = usable(network)
    return address.version == network.version and first <= int(address) <= last


def default_gateway(network: IpNetwork) -> str:
    """Return the default gateway: the first address."""
    return str(_address(usable(network)[0], network.version))


def default_pools(network: IpNetwork, gateway: str | None) -> tuple[Pool, ...]:
    """Return everything that a host may have but the gateway's address."""
    first, last = usable(network)
    if gateway is None or not is_usable(network, gateway):
        ranges = [(first, last)]
    else:
        middle = int(ipaddress.ip_address(gateway))
        ranges = [(first, middle - 1), (middle + 1, last)]
    return tuple(_pool(each, network.version) for each in ranges if each[0] <= each[1])


def checked_pools(network: IpNetwork, pools: Sequence[tuple[str, str]]) -> tuple[Pool, ...]:
    """Return the pools in order of their addresses. Raises a Refusal where they are not the subnet's or overlap."""
    first, last = usable(network)
    ranges: list[Range] = []
    for start, end in pools:
        low, high = ipaddress.ip_address(start), ipaddress.ip_address(end)
        if not low.version == high.version == network.version or int(high) < int(low):
            raise fault("InvalidAllocationPool", pool=f"{start}-{end}")
        if int(low) < first or int(high) > last:
            raise fault("OutOfBoundsAllocationPool", pool=f"{start}-{end}", cidr=network)
        ranges.append((int(low), int(high)))
    ranges.sort()
    made = tuple(_pool(each, network.version) for each in ranges)
    for index in range(1, len(ranges)):
        if ranges[index][0] <= ranges[index - 1][1]:
            one, other = (f"{pool.start}-{pool.end}" for pool in made[index - 1 : index + 1])
            raise fault("OverlappingAllocationPools", one=one, other=other, cidr=network)
    return made


def check_gateway(network: IpNetwork, gateway: str, pools: Sequence[Pool]) -> None:
    """Refuse a gateway that the subnet's hosts cannot reach, or that is in an allocation pool."""
    if ipaddress.ip_address(gateway).version != network.version:
        raise invalid_input(f"'gateway_ip' '{gateway}' does not match the ip_version '{network.version}'")
    if not is_usable(network, gateway):
        raise invalid_input("Gateway is not valid on subnet")
    for pool in pools:
        if key_of(pool.start) <= key_of(gateway) <= key_of(pool.end):
            raise fault("GatewayConflictWithAllocationPools", ip=gateway, pool=f"{pool.start}-{pool.end}")


def _address(number: int, version: int) -> Ip:
    return ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)


def _pool(ends: Range, version: int) -> Pool:
    return Pool(start=str(_address(ends[0], version)), end=str(_address(ends[1], version)))
