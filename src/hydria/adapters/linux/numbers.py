"""What listeners and members did, for graphs: from the rows of `show stat` that are read anyway."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import structs

from hydria.adapters.linux.prometheus_text import Row
from hydria.contract import Counters
from hydria.model.numbers import Count, Numbers

# How many members of one amphora are reported, the busiest ones: a report must not grow without a limit.
_MOST = 1000


def numbers_of(rows: Iterable[Row], others: Mapping[str, Counters]) -> Numbers:
    """Return the numbers of rows that are already added over processes.

    `others` are the counters of all listeners: those that HAProxy does not serve have only these.
    """
    listeners: dict[str, Count] = {}
    members: dict[str, Count] = {}
    failed: dict[str, int] = defaultdict(int)
    for row in rows:
        proxy, server = row["pxname"], row["svname"]
        if server == "FRONTEND":
            listeners[proxy] = _count(row)
        elif server == "BACKEND":
            failed[proxy.rpartition(":")[2]] += _number(row, "econ") + _number(row, "eresp")
        else:
            # A pool behind several listeners has a row for each.
            members[server] = _sum(members.get(server), _count(row))
    for key, counters in others.items():
        known = listeners.get(key)
        if known is None:
            listeners[key] = _of_counters(counters)
        else:
            # HAProxy counts no response where it reads no HTTP.
            errors = known.responses_5xx if _reads_http(known) else failed[key]
            listeners[key] = structs.replace(known, errors=errors, open=counters.active_connections)
    busiest = sorted(members.items(), key=lambda item: -item[1].requests)[:_MOST]
    return Numbers(listeners={key: listeners[key] for key in others}, members=dict(busiest))


def _count(row: Row) -> Count:
    return Count(
        requests=_number(row, "req_tot") or _number(row, "stot"),
        errors=_number(row, "econ") + _number(row, "eresp") + _number(row, "hrsp_5xx"),
        bytes_in=_number(row, "bin"),
        bytes_out=_number(row, "bout"),
        open=_number(row, "scur"),
        response_ms=_number(row, "rtime"),
        response_ms_max=_number(row, "rtime_max"),
        responses_2xx=_number(row, "hrsp_2xx"),
        responses_3xx=_number(row, "hrsp_3xx"),
        responses_4xx=_number(row, "hrsp_4xx"),
        responses_5xx=_number(row, "hrsp_5xx"),
        retries=_number(row, "wretr") + _number(row, "wredis"),
    )


def _of_counters(counters: Counters) -> Count:
    return Count(
        requests=counters.total_connections,
        errors=counters.request_errors,
        bytes_in=counters.bytes_in,
        bytes_out=counters.bytes_out,
        open=counters.active_connections,
    )


def _reads_http(count: Count) -> bool:
    return bool(count.responses_2xx or count.responses_3xx or count.responses_4xx or count.responses_5xx)


def _sum(one: Count | None, other: Count) -> Count:
    if one is None:
        return other
    added = {name: getattr(one, name) + getattr(other, name) for name in Count.__struct_fields__}
    # Times are no sums: the one with more requests says how long a response takes.
    busier = one if one.requests >= other.requests else other
    return Count(
        **{
            **added,
            "response_ms": busier.response_ms,
            "response_ms_max": max(one.response_ms_max, other.response_ms_max),
        }
    )


def _number(row: Row, column: str) -> int:
    return int(row.get(column) or 0)
