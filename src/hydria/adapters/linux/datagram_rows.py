"""Datagram listeners as rows of HAProxy's `show stat`. Pure."""

from collections.abc import Iterator, Mapping

from hydria.adapters.linux.prometheus_text import Row
from hydria.contract import Counters
from hydria.model import Member, Tree
from hydria.model.status import ServerState
from hydria.render.haproxy.parts import backend_name

# The number of open flows by listener and member.
Open = Mapping[tuple[str, str], int]


def datagram_rows(
    tree: Tree, states: Mapping[str, ServerState], counters: Mapping[str, Counters], flows: Open
) -> Iterator[Row]:
    """Yield the rows of live listeners, pools and members; `counters` is by listener.

    Columns that the kernel has no counter for are missing.
    """
    live = tree.live()
    for listener in live.datagram_listeners:
        traffic = _traffic(counters.get(listener.id, Counters()))
        limit = {"slim": listener.connection_limit} if listener.connection_limit >= 0 else {}
        yield _row(listener.id, "FRONTEND", "OPEN", conn_tot=traffic["stot"], **traffic, **limit)
        for pool in live.pools[listener.id]:
            name = backend_name(pool, listener)
            members = [(each, _status(each, states)) for each in tree.members_of(pool.id)]
            # All traffic of a datagram listener went to its only pool.
            yield _pool(name, [each.backup for each, status in members if status == "UP"], traffic)
            for each, status in members:
                yield _row(name, each.id, status, weight=each.weight, scur=flows.get((listener.id, each.id), 0))


def _pool(name: str, serving: list[bool], traffic: Mapping[str, int]) -> Row:
    """Return the row of a pool; `serving` says for each working member whether it is a backup."""
    columns = {"act": serving.count(False), "bck": serving.count(True), "lbtot": traffic["stot"]}
    return _row(name, "BACKEND", "UP" if serving else "DOWN", **columns, **traffic)


def _row(proxy: str, server: str, status: str, **columns: int) -> Row:
    return {"pxname": proxy, "svname": server, "status": status} | {name: str(each) for name, each in columns.items()}


def _traffic(counted: Counters) -> Mapping[str, int]:
    return {
        "scur": counted.active_connections,
        "stot": counted.total_connections,
        "bin": counted.bytes_in,
        "bout": counted.bytes_out,
    }


def _status(member: Member, states: Mapping[str, ServerState]) -> str:
    if not member.admin_state_up:
        return "MAINT"
    if states.get(member.id) == "down":
        return "DOWN"
    return "UP" if member.weight else "DRAIN"
