"""Interfaces for hosts, made from ports: addresses with prefix lengths, and routes."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from hydria import contract
from hydria.homecloud.network import plugging
from hydria.homecloud.network.rows import Address, Network, Port, QosPolicy, Subnet
from hydria.store import Transaction, columns

_DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}


def of_port(transaction: Transaction, port: Port) -> contract.Interface:
    """Return an ordinary port's interface: its addresses, its subnets' routes, and the way out."""
    addresses = plugging.addresses_of(transaction, port.id)[port.id]
    network = transaction.get(Network, port.network_id)
    assert network is not None  # noqa: S101 - a network with ports is not deleted
    subnets = subnets_by_id(transaction, addresses)
    routes = routes_of([subnets[address.subnet_id] for address in addresses])
    limits = limits_of(transaction, port)
    return structs.replace(interface(port, network, addresses, subnets, routes), **limits, **security_of(port))


def security_of(port: Port) -> dict[str, Any]:
    """Return what a port may send: as in Neutron, what belongs to the network service itself is trusted."""
    pairs = (contract.AddressPair(mac=pair.mac_address, cidr=pair.ip_address) for pair in port.allowed_address_pairs)
    return {
        "port_security": port.port_security_enabled and not port.device_owner.startswith("network:"),
        "address_pairs": tuple(pairs),
        "admin_state_up": port.admin_state_up,
    }


def limits_of(transaction: Transaction, port: Port) -> dict[str, contract.Limit]:
    """Return the limits of a port's QoS policy, by direction."""
    policy = None if port.qos_policy_id is None else transaction.get(QosPolicy, port.qos_policy_id)
    return (
        {}
        if policy is None
        else {rule.direction: contract.Limit.of(rule.max_kbps, rule.max_burst_kbps) for rule in policy.rules}
    )


def subnets_by_id(transaction: Transaction, addresses: Sequence[Address]) -> dict[str, Subnet]:
    """Return the subnets of addresses by their ids."""
    ids = {address.subnet_id for address in addresses}
    found = transaction.find(Subnet, columns(Subnet).id.in_(ids)) if ids else []
    return {subnet.id: subnet for subnet in found}


def interface(
    port: Port,
    network: Network,
    addresses: Sequence[Address],
    subnets: Mapping[str, Subnet],
    routes: tuple[contract.Route, ...] = (),
) -> contract.Interface:
    """Return the interface of a port."""
    return contract.Interface(
        port_id=port.id,
        network_id=network.id,
        mac=port.mac_address,
        mtu=network.mtu,
        addresses=tuple(
            contract.Address(ip=address.ip_address, prefix=prefix_of(subnets[address.subnet_id]))
            for address in addresses
        ),
        routes=routes,
    )


def prefix_of(subnet: Subnet) -> int:
    """Return a subnet's prefix length."""
    return ipaddress.ip_network(subnet.cidr).prefixlen


def routes_of(subnets: Sequence[Subnet]) -> tuple[contract.Route, ...]:
    """Return the routes of hosts on these subnets, each destination once: the first subnet that has it wins."""
    routes: dict[str, contract.Route] = {}
    for subnet in subnets:
        for route in subnet.host_routes:
            routes.setdefault(route.destination, contract.Route(destination=route.destination, via=route.nexthop))
    for subnet in subnets:
        if subnet.gateway_ip is not None:
            destination = _DEFAULT[subnet.ip_version]
            routes.setdefault(destination, contract.Route(destination=destination, via=subnet.gateway_ip))
    return tuple(routes.values())
