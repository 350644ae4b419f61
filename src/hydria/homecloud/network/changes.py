"""All writes of the network service: here it is decided, once, which of them change something on a host."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from msgspec import structs
from sqlalchemy import select, update

from hydria.homecloud.network.rows import (
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Address,
    AlteredPort,
    FloatingIp,
    Network,
    Port,
    QosPolicy,
    RemovedWire,
    Router,
    Row,
    SecurityGroupRule,
    Subnet,
    TopologyCounter,
)
from hydria.model.network import PORT_OWNER
from hydria.store import Transaction, columns
from hydria.store.functions import contains_any, quoted
from hydria.store.generations import new_change_id
from hydria.store.tables import rows_of
from hydria.times import zoned_stamp

R = TypeVar("R", bound=Row)

# The attributes by which networks and routers on a host change.
_WIRED: dict[type[Row], frozenset[str]] = {
    Network: frozenset({"mtu", "external"}),
    Subnet: frozenset({"gateway_ip"}),
    Port: frozenset(
        {"mac_address", "admin_state_up", "binding_host_id", "port_security_enabled", "allowed_address_pairs"}
    ),
    Router: frozenset({"admin_state_up", "enable_snat", "gw_port_id"}),
    FloatingIp: frozenset({"port_id", "fixed_ip_address", "router_id"}),
}


# What an interface on a host is made of.
_INTERFACE: dict[type[Row], frozenset[str]] = {
    Network: frozenset({"mtu"}),
    Subnet: frozenset({"gateway_ip", "host_routes"}),
    Port: frozenset(
        {"mac_address", "qos_policy_id", "admin_state_up", "port_security_enabled", "allowed_address_pairs"}
    ),
    QosPolicy: frozenset({"rules"}),
}


def new(kind: type[R], now: datetime, **values: Any) -> R:
    """Return a new row, not yet stored; it gets an id unless one is given."""
    time = zoned_stamp(now)
    return kind(**{"id": str(uuid.uuid4()), "created_at": time, "updated_at": time, **values})


def add(transaction: Transaction, *rows: Row) -> None:
    """Store new rows."""
    transaction.insert(*rows)
    if any(_wired(transaction, row) for row in rows):
        rewire(transaction)
    for row in rows:
        _alter_guards(transaction, row)


def change(transaction: Transaction, row: R, now: datetime, **values: object) -> R:
    """Store a row with other values, a new revision and time, and return it. Equal values are no change."""
    differing = {name for name, value in values.items() if getattr(row, name) != value}
    if not differing:
        return row
    changed = structs.replace(row, **values, updated_at=zoned_stamp(now), revision_number=row.revision_number + 1)
    transaction.update(changed)
    if not differing.isdisjoint(_WIRED.get(type(row), ())) and (
        _wired(transaction, row) or _wired(transaction, changed)
    ):
        rewire(transaction)
    if "security_groups" in differing:
        _alter_guards(transaction, row, changed)
    if not differing.isdisjoint(_INTERFACE.get(type(row), ())):
        alter(transaction, _ports_of(transaction, row))
    return changed


def remove(transaction: Transaction, row: Row) -> None:
    """Delete a row."""
    wired = _wired(transaction, row)
    transaction.delete(type(row), columns(type(row)).id == row.id)
    if wired:
        generation = rewire(transaction)
        if not isinstance(row, Subnet):
            transaction.ensure(RemovedWire(id=row.id, generation=generation))
    _alter_guards(transaction, row)


def rewire(transaction: Transaction) -> int:
    """Count a change of networks or routers, and wake what tells the hosts; returns the generation."""
    table, change_id = rows_of(TopologyCounter).table, new_change_id()
    changed = update(table).values(generation=table.c.generation + 1, change_id=change_id)
    generation = transaction.execute(changed.returning(table.c.generation)).scalar_one_or_none()
    transaction.hint("topology")
    if generation is None:
        first = TopologyCounter(change_id=change_id)
        transaction.insert(first)
        return first.generation
    return int(generation)


def alter(transaction: Transaction, port_ids: Iterable[str]) -> None:
    """Record which ports of PORT_OWNER have another interface now, and wake what tells their hosts."""
    c = columns(Port)
    found = transaction.find(Port, c.id.in_(set(port_ids)), c.device_owner == PORT_OWNER)
    known = {each.port_id for each in transaction.find(AlteredPort)} if found else set()
    fresh = [AlteredPort(port_id=port.id) for port in found if port.id not in known]
    if fresh:
        transaction.insert(*fresh)
        transaction.hint("ports")


def forget(transaction: Transaction, port_id: str) -> None:
    """Clear a port from the list of altered ones."""
    transaction.delete(AlteredPort, columns(AlteredPort).port_id == port_id)


def alter_guards(transaction: Transaction, port: Port) -> None:
    """Record that a port's addresses changed, because security-group rules may refer to its groups."""
    _alter_guards(transaction, port)


def _alter_guards(transaction: Transaction, *rows: Row) -> None:
    """Record the ports whose security groups let in other addresses after a change of these rows."""
    groups = {row.security_group_id for row in rows if isinstance(row, SecurityGroupRule)}
    members = {group for row in rows if isinstance(row, Port) for group in row.security_groups}
    if members:
        rule = columns(SecurityGroupRule)
        asked = select(rule.security_group_id).where(rule.remote_group_id.in_(members))
        groups |= set(transaction.execute(asked.distinct()).scalars())
    if groups:
        port = columns(Port)
        held = contains_any(port.security_groups, quoted(sorted(groups)))
        users = select(port.id).where(port.device_owner == PORT_OWNER, held)
        alter(transaction, transaction.execute(users).scalars())


def _ports_of(transaction: Transaction, row: Row) -> list[str]:
    """Return the ids of the ports whose interfaces depend on a row."""
    port, address = columns(Port), columns(Address)
    match row:
        case Network():
            statement = select(port.id).where(port.network_id == row.id)
        case Subnet():
            statement = select(address.port_id).where(address.subnet_id == row.id)
        case QosPolicy():
            statement = select(port.id).where(port.qos_policy_id == row.id)
        case _:
            return [row.id]
    return list(transaction.execute(statement).scalars())


def _wired(transaction: Transaction, row: Row) -> bool:
    """Say whether networks and routers on a host depend on this row. Other ports are attached by whoever uses them."""
    match row:
        case Network() | Router():
            return True
        case Subnet():
            # The machine and the routers have addresses and routes of an external network's subnets.
            network = transaction.get(Network, row.network_id)
            return network is not None and network.external
        case Port():
            return row.device_owner in (ROUTER_INTERFACE, ROUTER_GATEWAY) or bool(row.binding_host_id)
        case FloatingIp():
            return row.router_id is not None
    return False
