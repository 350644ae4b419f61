"""Changes in Neutron behind our back: ports, MTUs, gateways and routes are compared with the rows now and then."""

from collections.abc import Iterable, Iterator, Sequence

import structlog
from msgspec import structs

from hydria.model.neutron import NeutronNetwork, NeutronPort, NeutronSubnet
from hydria.neutron.calls import Calls
from hydria.neutron.rows import KnownSubnet, WantedPort
from hydria.store import Database, Transaction, columns

log = structlog.get_logger(__name__)

# How many ids one request names: addresses have a limit of length.
_TOGETHER = 50


async def follow(neutron: Calls, database: Database) -> None:
    """Read what the rows are about, and store what differs. Raises a Refusal."""
    rows, known = await database.run(_read, writing=False)
    if not rows:
        return
    ports = [port for ids in _batches(each.port_id or "" for each in rows) for port in await neutron.ports(id=ids)]
    subnets = [each for ids in _batches(each.id for each in known) for each in await neutron.subnets(ids)]
    used = sorted({each.network_id for each in rows})
    networks = [each for ids in _batches(used) for each in await neutron.networks(ids)]
    found_ports = {each.id: each for each in ports}
    found_subnets = {each.id: each for each in subnets}
    mtus = {each.id: each.mtu for each in networks}
    if any(_changed(rows, known, found_ports, found_subnets, networks)):
        await database.run(
            lambda tx: _store(tx, found_ports, found_subnets, mtus, {row.id for row in rows}), writing=True
        )


def _read(transaction: Transaction) -> tuple[list[WantedPort], list[KnownSubnet]]:
    c = columns(WantedPort)
    rows = transaction.find(WantedPort, c.port_id.is_not(None), ~c.leaving)
    used = {key for row in rows for key, _ in row.fixed_ips}
    return rows, transaction.among(KnownSubnet, sorted(used))


def _changed(
    rows: Sequence[WantedPort],
    known: Sequence[KnownSubnet],
    ports: dict[str, NeutronPort],
    subnets: dict[str, NeutronSubnet],
    networks: Sequence[NeutronNetwork],
) -> Iterator[bool]:
    mtus = {each.id: each.mtu for each in networks}
    for row in rows:
        yield _as_found(row, ports.get(row.port_id or ""), mtus) != row
    for each in known:
        yield each.id in subnets and KnownSubnet.of(subnets[each.id]) != each


def _store(
    transaction: Transaction,
    ports: dict[str, NeutronPort],
    subnets: dict[str, NeutronSubnet],
    mtus: dict[str, int],
    looked_at: set[str],
) -> None:
    """Store what differs by now. Rows that are newer than the look are left to the next one."""
    rows, known = _read(transaction)
    moved = {each.id for each in known if each.id in subnets and KnownSubnet.of(subnets[each.id]) != each}
    for key in moved:
        log.info("subnet_changed", subnet=key)
        transaction.update(KnownSubnet.of(subnets[key]))
    for row in rows:
        if row.id not in looked_at:
            continue
        after = _as_found(row, ports.get(row.port_id or ""), mtus)
        if any(key in moved for key, _ in row.fixed_ips):
            after = structs.replace(after, altered=True)
        if after != row:
            log.info("port_changed", port=row.port_id, device=row.device_id, gone=after.port_id is None)
            transaction.update(after)
            transaction.hint("ports")


def _as_found(row: WantedPort, port: NeutronPort | None, mtus: dict[str, int]) -> WantedPort:
    """Return a row as Neutron has the port. The port of an amphora that is gone is made again."""
    if port is None:
        # A VIP's port is not made again: its address may be another's by now.
        missing = "The port does not exist any more in Neutron." if row.kind == "vip" else None
        return structs.replace(row, port_id=None, plug=None, altered=True, reason=missing)
    after = structs.replace(row, fixed_ips=port.addresses, mac=port.mac_address)
    if row.kind != "vip":
        after = structs.replace(after, mtu=mtus.get(row.network_id, row.mtu))
    return after if after == row else structs.replace(after, altered=True)


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    every = sorted(ids)
    for first in range(0, len(every), _TOGETHER):
        yield every[first : first + _TOGETHER]
