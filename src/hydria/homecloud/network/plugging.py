"""Creates and deletes ports, with their MAC addresses, addresses and floating IPs."""

import ipaddress
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET

from hydria.homecloud.network import allocation, changes, released
from hydria.homecloud.network.addresses import is_usable, key_of
from hydria.homecloud.network.faults import fault, invalid_input, still_on_a_host
from hydria.homecloud.network.forms import FixedIp
from hydria.homecloud.network.rows import (
    PORTS_OF_TOPOLOGY,
    ROUTER_INTERFACE,
    Address,
    FloatingIp,
    Network,
    Port,
    Subnet,
)
from hydria.model.network import Device
from hydria.store import Transaction, columns

# A requested address: of this subnet, this one or any.
Wish = tuple[Subnet, str | None]

_MAX_FIXED_IPS = 5

_random = random.SystemRandom()


def new_port(now: datetime, network_id: str, project_id: str, **values: Any) -> Port:
    """Return a new port, not yet stored; it gets an id and a MAC address unless they are given."""
    return changes.new(Port, now, network_id=network_id, project_id=project_id, **{"mac_address": new_mac(), **values})


def service_port(now: datetime, network_id: str, project_id: str, device: Device) -> Port:
    """Return a new port of a router or floating IP, which no security group guards."""
    owned = {"device_id": device.id, "device_owner": device.owner, "port_security_enabled": False}
    return new_port(now, network_id, project_id, **owned)


def plug(transaction: Transaction, port: Port, wishes: Sequence[Wish]) -> tuple[Address, ...]:
    """Store a new port with its addresses and return them. Raises a Refusal when they are not available."""
    addresses = give(transaction, port, wishes)
    changes.add(transaction, port)
    return addresses


def unplug(transaction: Transaction, port: Port, now: datetime) -> None:
    """Delete a port, free its addresses and disassociate its floating IPs.

    Addresses of routers and floating IPs become free when the hosts have removed them.
    """
    for floating_ip in transaction.find(FloatingIp, columns(FloatingIp).port_id == port.id):
        changes.change(transaction, floating_ip, now, port_id=None, fixed_ip_address=None, router_id=None)
    addresses = addresses_of(transaction, port.id)[port.id]
    changes.forget(transaction, port.id)
    changes.remove(transaction, port)
    if port.device_owner in PORTS_OF_TOPOLOGY:
        released.release(transaction, port, *addresses)
    else:
        allocation.free(transaction, *addresses)


def give(transaction: Transaction, port: Port, wishes: Sequence[Wish], first: int = 0) -> tuple[Address, ...]:
    """Give a port addresses, the first of them at this position. Raises a Refusal when they are not available."""
    given: list[Address] = []
    for position, (subnet, wanted) in enumerate(wishes, start=first):
        if wanted is None:
            address = allocation.take_lowest(transaction, subnet, port, position)
        else:
            ip = _checked(transaction, subnet, wanted, port)
            address = allocation.take(transaction, subnet, ip, port, position)
        if address is None:
            raise fault("IpAddressGenerationFailure", id=port.network_id)
        given.append(address)
    return tuple(given)


def addresses_of(transaction: Transaction, *port_ids: str) -> dict[str, list[Address]]:
    """Return the addresses of ports, in order, by the port's id."""
    found: dict[str, list[Address]] = {port_id: [] for port_id in port_ids}
    for address in transaction.among(Address, port_ids, column="port_id"):
        found[address.port_id].append(address)
    for addresses in found.values():
        addresses.sort(key=lambda address: address.position)
    return found


def wishes_of(
    transaction: Transaction, network_id: str, subnets: Sequence[Subnet], asked: Sequence[FixedIp] | None
) -> list[Wish]:
    """Return what a form's `fixed_ips` ask for; without any, one address of each version that the network has."""
    if asked is None:
        return _unasked(transaction, network_id, subnets)
    if len(asked) > _MAX_FIXED_IPS:
        raise invalid_input("Exceeded maximum amount of fixed ips per port")
    return [_wish(network_id, subnets, each) for each in asked]


def subnets_of(transaction: Transaction, network_id: str) -> list[Subnet]:
    """Return a network's subnets, the oldest first."""
    c = columns(Subnet)
    return transaction.find(Subnet, c.network_id == network_id, order_by=(c.created_at, c.id))


def new_mac() -> str:
    """Return a random MAC address.

    When a port of the network has it already, the database refuses the row and the transaction runs again.
    """
    return "fa:16:3e:" + _random.randbytes(3).hex(":")


def check_mac(transaction: Transaction, network_id: str, mac: str) -> str:
    """Return the MAC address, or refuse one that is taken on the network or is a group address."""
    c = columns(Port)
    # The lowest bit of the first byte marks groups.
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise fault("HTTPBadRequest", msg=f"Invalid input for mac_address. Reason: '{mac}' is not a valid MAC address.")
    if transaction.find(Port, c.network_id == network_id, c.mac_address == mac):
        raise fault("MacAddressInUse", network=network_id, mac=mac)
    return mac


def _checked(transaction: Transaction, subnet: Subnet, ip: str, port: Port) -> str:
    """Return the address if it is usable and free; the gateway's is for a router's port only.

    A router may have an address again that hosts still have on it.
    """
    if not is_usable(ipaddress.ip_network(subnet.cidr), ip):
        raise fault("InvalidIpForSubnet", ip=ip)
    c = columns(Address)
    taken = transaction.find(Address, c.subnet_id == subnet.id, c.key == key_of(ip))
    routed = port.device_owner == ROUTER_INTERFACE
    reserved = ip == subnet.gateway_ip and (not routed or _is_external(transaction, subnet))
    if reserved or (taken and not released.is_released(taken[0])):
        raise fault("IpAddressAlreadyAllocated", ip=ip, subnet=subnet.id)
    if taken and not released.take_back(transaction, taken[0], port.device_id):
        raise still_on_a_host(ip, subnet.id)
    return ip


def _is_external(transaction: Transaction, subnet: Subnet) -> bool:
    """Return whether the subnet is external: the machine itself has its gateway address."""
    network = transaction.get(Network, subnet.network_id)
    return network is not None and network.external


def _unasked(transaction: Transaction, network_id: str, subnets: Sequence[Subnet]) -> list[Wish]:
    wishes: list[Wish] = []
    for version in (4, 6):
        candidates = [subnet for subnet in subnets if subnet.ip_version == version]
        if len(candidates) == 1:
            wishes.append((candidates[0], None))
        elif candidates:
            subnet = next((each for each in candidates if allocation.has_free(transaction, each)), None)
            if subnet is None:
                raise fault("IpAddressGenerationFailure", id=network_id)
            wishes.append((subnet, None))
    return wishes


def _wish(network_id: str, subnets: Sequence[Subnet], asked: FixedIp) -> Wish:
    ip = None if asked.ip_address is UNSET else asked.ip_address
    if asked.subnet_id is not UNSET:
        for subnet in subnets:
            if subnet.id == asked.subnet_id:
                return subnet, ip
        raise invalid_input(
            f"Failed to create port on network {network_id}, because fixed_ips included invalid subnet "
            f"{asked.subnet_id}"
        )
    if ip is None:
        raise invalid_input("IP allocation requires subnet_id or ip_address")
    for subnet in subnets:
        if is_usable(ipaddress.ip_network(subnet.cidr), ip):
            return subnet, ip
    raise fault("InvalidIpForNetwork", ip=ip)
