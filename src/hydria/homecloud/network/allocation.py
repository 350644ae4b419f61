"""Allocates addresses of subnets and frees them, in a number of steps that does not depend on how many are taken.

The lowest free address of a pool is its first one or the successor of a taken one. Each row says whether its successor
is free (`Address.next`); taking or freeing an address updates the row before it.
"""

from functools import cache
from typing import Any

from sqlalchemy import Insert, Select, Text, Update, bindparam, case, exists, func, insert, null, or_, select, update

from hydria.homecloud.network.addresses import from_key, key_of
from hydria.homecloud.network.rows import Address, Port, Subnet
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of


def has_free(transaction: Transaction, subnet: Subnet) -> bool:
    """Return whether the subnet's pools have a free address."""
    return any(transaction.execute(_has_free(), ends).scalar_one() for ends in _ends(subnet))


def count_free(transaction: Transaction, subnet: Subnet) -> int:
    """Return the number of free addresses in the subnet's pools."""
    c, free = columns(Address), 0
    for ends in _ends(subnet):
        within = select(func.count()).where(c.subnet_id == subnet.id, c.key.between(ends["first"], ends["last"]))
        taken = int(transaction.execute(within).scalar_one())
        free += int(ends["last"], 16) - int(ends["first"], 16) + 1 - taken
    return free


def take_lowest(transaction: Transaction, subnet: Subnet, port: Port, position: int) -> Address | None:
    """Give a port the lowest free address of the pools and return it, or None when there is none left."""
    for ends in _ends(subnet):
        # Concurrent transactions serialise here, on one row.
        before = transaction.execute(_taking(), ends).scalar_one_or_none()
        if before is not None:
            return _insert(transaction, subnet, _neighbour(before, 1), port, position)
        if not transaction.execute(_is_taken(), ends).scalar_one():
            return take(transaction, subnet, from_key(ends["first"], subnet.ip_version), port, position)
    return None


def take(transaction: Transaction, subnet: Subnet, ip: str, port: Port, position: int) -> Address:
    """Give a port this address, which must be free."""
    key = key_of(ip)
    _set_next(transaction, subnet.id, _neighbour(key, -1), None)
    return _insert(transaction, subnet, key, port, position)


def free(transaction: Transaction, *addresses: Address) -> None:
    """Free addresses."""
    c = columns(Address)
    for address in addresses:
        transaction.delete(Address, c.subnet_id == address.subnet_id, c.key == address.key)
        _set_next(transaction, address.subnet_id, _neighbour(address.key, -1), address.key)


def _insert(transaction: Transaction, subnet: Subnet, key: str, port: Port, position: int) -> Address:
    address = Address(
        subnet_id=subnet.id,
        key=key,
        next=_neighbour(key, 1),
        ip_address=from_key(key, subnet.ip_version),
        port_id=port.id,
        position=position,
    )
    row = rows_of(Address).dump(address)
    transaction.execute(_inserting(), {f"new_{name}": value for name, value in row.items()})
    return address


def _set_next(transaction: Transaction, subnet_id: str, key: str, following: str | None) -> None:
    """Set the successor of an address, None when that is taken."""
    c = columns(Address)
    it = (c.subnet_id == subnet_id) & (c.key == key)
    transaction.execute(update(rows_of(Address).table).where(it).values(next=following))


def _neighbour(key: str, steps: int) -> str:
    return f"{int(key, 16) + steps:032x}"


def _ends(subnet: Subnet) -> list[dict[str, Any]]:
    return [
        {"of_subnet": subnet.id, "first": key_of(pool.start), "last": key_of(pool.end)}
        for pool in subnet.allocation_pools
    ]


_SUBNET, _FIRST, _LAST = (bindparam(name, type_=Text) for name in ("of_subnet", "first", "last"))


@cache
def _is_taken() -> Select[Any]:
    c = columns(Address)
    return select(exists().where(c.subnet_id == _SUBNET, c.key == _FIRST))


@cache
def _taking() -> Update:
    """Take the successor of the lowest address that has a free one, if the pool's first is taken; return its key."""
    table = rows_of(Address).table
    other, start = table.alias().c, table.alias().c
    lowest = (
        select(other.key)
        .where(other.subnet_id == _SUBNET, other.next > _FIRST, other.next <= _LAST)
        .order_by(other.next)
        .limit(1)
        .scalar_subquery()
    )
    begun = exists().where(start.subnet_id == _SUBNET, start.key == _FIRST)
    c = table.c
    return update(table).where(c.subnet_id == _SUBNET, c.key == lowest, begun).values(next=None).returning(c.key)


@cache
def _inserting() -> Insert:
    """Insert an address; its `next` is its successor if that is free."""
    table = rows_of(Address).table
    given = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in table.c}
    other = table.alias().c
    taken = exists().where(other.subnet_id == given["subnet_id"], other.key == given["next"])
    return insert(table).values({**given, "next": case((taken, null()), else_=given["next"])})


@cache
def _has_free() -> Select[Any]:
    c, table = columns(Address), rows_of(Address).table
    start = table.alias().c
    first = exists().where(start.subnet_id == _SUBNET, start.key == _FIRST)
    behind = exists().where(c.subnet_id == _SUBNET, c.next > _FIRST, c.next <= _LAST)
    return select(or_(~first, behind))
