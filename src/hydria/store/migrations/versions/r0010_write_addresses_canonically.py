"""Write addresses in their canonical form."""

# Written by hand: no table changes its shape.

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from hydria.model.addresses import canonical_cidr, canonical_ip, canonical_mac

revision = "0010"
down_revision = "0009"

Rewrite = Callable[[Any], Any]


def upgrade() -> None:
    """Go from the revision before to this one."""
    touched = _rewrite_resources()
    touched |= _remove_doubles()
    load_balancers = _table("load_balancers", "id", "generation")
    for key in sorted(touched):
        # The addresses in the hosts' configurations change: a new generation makes the hosts apply them.
        row = load_balancers.c.id == key
        op.execute(load_balancers.update().where(row).values(generation=load_balancers.c.generation + 1))
    _rewrite_networks()


def _rewrite_resources() -> set[str]:
    """Rewrite what belongs to load balancers; return the ids of those where something changed."""
    vip = {"subnet_id": _same, "ip_address": _or_none(_ip), "port_id": _same}
    touched = _rewrite("load_balancers", "id", vip_address=_ip, additional_vips=_packed(_each(_keys(vip))))
    touched |= _rewrite("members", "load_balancer_id", address=_ip, monitor_address=_or_none(_ip))
    touched |= _rewrite("listeners", "load_balancer_id", allowed_cidrs=_packed(_or_none(_each(_cidr))))
    persistence = {"persistence_granularity": _or_none(_ip)}
    touched |= _rewrite("pools", "load_balancer_id", session_persistence=_packed(_or_none(_keys(persistence))))
    return touched


def _rewrite_networks() -> None:
    """Rewrite what the network service stores; `network_addresses` was canonical always."""
    pools, routes = _keys({"start": _ip, "end": _ip}), _keys({"destination": _cidr, "nexthop": _ip})
    _rewrite(
        "network_subnets",
        "id",
        cidr=_cidr,
        gateway_ip=_or_none(_ip),
        allocation_pools=_packed(_each(pools)),
        dns_nameservers=_packed(_each(_ip)),
        host_routes=_packed(_each(routes)),
    )
    pair = _keys({"ip_address": _ip_or_cidr, "mac_address": _mac})
    _rewrite("network_ports", "id", mac_address=_mac, allowed_address_pairs=_packed(_each(pair)))
    _rewrite("network_floating_ips", "id", floating_ip_address=_ip, fixed_ip_address=_or_none(_ip))
    _rewrite("network_security_group_rules", "id", remote_ip_prefix=_or_none(_cidr))


def _rewrite(name: str, owner: str, **rewrites: Rewrite) -> set[str]:
    """Rewrite columns of a table; return the values of `owner` in the rows that changed."""
    table = _table(name, *dict.fromkeys(("id", owner, *rewrites)))
    touched = set()
    for row in op.get_bind().execute(sa.select(table)).mappings().all():
        changed = {column: rewrite(row[column]) for column, rewrite in rewrites.items()}
        changed = {column: value for column, value in changed.items() if value != row[column]}
        if changed:
            op.execute(table.update().where(table.c.id == row["id"]).values(**changed))
            touched.add(row[owner])
    return touched


def _remove_doubles() -> set[str]:
    """Ask members to go that are another one's double now, the younger ones; return their load balancers' ids."""
    table = _table(
        "members", "id", "pool_id", "address", "protocol_port", "load_balancer_id", "created_at", "deleted_in"
    )
    parents = _table("load_balancers", "id", "generation")
    known, touched = set(), set()
    rows = sa.select(table).where(table.c.deleted_in.is_(None)).order_by(table.c.created_at, table.c.id)
    for row in op.get_bind().execute(rows).mappings().all():
        place = (row["pool_id"], row["address"], row["protocol_port"])
        if place in known:
            owner = parents.c.id == row["load_balancer_id"]
            going = sa.select(parents.c.generation + 1).where(owner).scalar_subquery()
            op.execute(table.update().where(table.c.id == row["id"]).values(deleted_in=going))
            touched.add(row["load_balancer_id"])
        known.add(place)
    return touched


def _table(name: str, *columns: str) -> Any:
    return sa.table(name, *(sa.column(column) for column in columns))


def _same(value: Any) -> Any:
    return value


def _tried(canonical: Callable[[str], str]) -> Rewrite:
    def rewrite(value: Any) -> Any:
        try:
            return canonical(value)
        except (ValueError, TypeError):
            # An older version may have accepted something else. A migration must not fail because of it.
            return value

    return rewrite


_ip, _cidr, _mac = _tried(canonical_ip), _tried(canonical_cidr), _tried(canonical_mac)


def _ip_or_cidr(value: Any) -> Any:
    return _cidr(value) if "/" in value else _ip(value)


def _or_none(rewrite: Rewrite) -> Rewrite:
    return lambda value: None if value is None else rewrite(value)


def _each(rewrite: Rewrite) -> Rewrite:
    return lambda values: [rewrite(value) for value in values]


def _keys(rewrites: dict[str, Rewrite]) -> Rewrite:
    """Rewrite the items of a dict that are named and there."""
    return lambda found: {key: rewrites.get(key, _same)(value) for key, value in found.items()}


def _packed(rewrite: Rewrite) -> Rewrite:
    """Rewrite what is stored as JSON; the text stays as it is where nothing changes."""

    def repack(text: str) -> str:
        value = json.loads(text)
        changed = rewrite(value)
        return text if changed == value else json.dumps(changed, separators=(",", ":"), ensure_ascii=False)

    return repack
