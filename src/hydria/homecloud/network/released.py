"""Addresses of routers and floating IPs that were released while a host still has them.

Their `Address` rows stay, without a port, until every host has made a topology without them. So neither automatic
allocation nor an explicit request gives them to another device before.
"""

import ipaddress

from sqlalchemy import update

from hydria.homecloud.network import allocation
from hydria.homecloud.network.addresses import key_of
from hydria.homecloud.network.rows import Address, Port, ReleasedAddress, Subnet, TopologyCounter
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of

_NO_PORT = ""


def is_released(address: Address) -> bool:
    """Return whether no port has the address any more, but a host may still have it."""
    return address.port_id == _NO_PORT


def in_use(transaction: Transaction, subnet_id: str) -> bool:
    """Return whether a port has an address of the subnet."""
    c = columns(Address)
    return bool(transaction.find(Address, c.subnet_id == subnet_id, c.port_id != _NO_PORT))


def release(transaction: Transaction, port: Port, *addresses: Address) -> None:
    """Free addresses of a deleted port of the topology as soon as all hosts have removed them.

    The topology's generation must count the deletion already.
    """
    counter = transaction.get(TopologyCounter, TopologyCounter().id)
    if counter is None or counter.wired is None or counter.wired >= counter.generation:
        allocation.free(transaction, *addresses)
        return
    c, table = columns(Address), rows_of(Address).table
    for address in addresses:
        own = (c.subnet_id == address.subnet_id) & (c.key == address.key)
        transaction.execute(update(table).where(own).values(port_id=_NO_PORT))
    transaction.insert(
        *(
            ReleasedAddress(
                subnet_id=address.subnet_id,
                ip_address=address.ip_address,
                network_id=port.network_id,
                device_id=port.device_id,
                generation=counter.generation,
            )
            for address in addresses
        )
    )


def take_back(transaction: Transaction, address: Address, device_id: str) -> bool:
    """Free a released address for the device that had it, and return whether it was this device."""
    c = columns(ReleasedAddress)
    own = (c.subnet_id == address.subnet_id, c.ip_address == address.ip_address, c.device_id == device_id)
    if not device_id or not transaction.delete(ReleasedAddress, *own):
        return False
    allocation.free(transaction, address)
    return True


def free_removed(transaction: Transaction, generation: int) -> None:
    """Free the addresses that were released up to a generation, which all hosts have made."""
    c = columns(ReleasedAddress)
    due = {(each.subnet_id, each.ip_address) for each in transaction.find(ReleasedAddress, c.generation <= generation)}
    if not due:
        return
    transaction.delete(ReleasedAddress, c.generation <= generation)
    without_port = transaction.find(Address, columns(Address).port_id == _NO_PORT)
    allocation.free(transaction, *(each for each in without_port if (each.subnet_id, each.ip_address) in due))


def move_to(transaction: Transaction, subnet: Subnet) -> None:
    """Move the released addresses of a deleted subnet to a new one that has the same addresses on the network."""
    c, a = columns(ReleasedAddress), columns(Address)
    cidr = ipaddress.ip_network(subnet.cidr)
    for each in transaction.find(ReleasedAddress, c.network_id == subnet.network_id):
        if ipaddress.ip_address(each.ip_address) not in cidr:
            continue
        row = (a.subnet_id == each.subnet_id) & (a.key == key_of(each.ip_address))
        transaction.execute(update(rows_of(Address).table).where(row).values(subnet_id=subnet.id))
        own = (c.subnet_id == each.subnet_id) & (c.ip_address == each.ip_address)
        transaction.execute(update(rows_of(ReleasedAddress).table).where(own).values(subnet_id=subnet.id))
