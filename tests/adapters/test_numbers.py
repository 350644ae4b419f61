"""The numbers behind the graphs, from rows of `show stat`."""

from hydria.adapters.linux.numbers import numbers_of
from hydria.contract import Counters


def row(proxy: str, server: str, **columns: int) -> dict[str, str]:
    return {"pxname": proxy, "svname": server} | {name: str(value) for name, value in columns.items()}


def test_a_member_behind_two_listeners_is_one() -> None:
    rows = [
        row("web", "FRONTEND", req_tot=30, stot=9, hrsp_2xx=28, hrsp_5xx=2, bin=5, bout=6),
        row("tls", "FRONTEND", req_tot=10, stot=9, hrsp_2xx=10),
        row("pool:web", "BACKEND", econ=1),
        row("pool:web", "m", stot=30, rtime=12, rtime_max=90, wretr=1, hrsp_5xx=2),
        row("pool:tls", "m", stot=10, rtime=20, rtime_max=50, eresp=3, scur=4),
    ]
    counters = {"web": Counters(active_connections=7), "tls": Counters()}
    found = numbers_of(rows, counters)
    assert (found.listeners["web"].requests, found.listeners["web"].errors, found.listeners["web"].open) == (30, 2, 7)
    member = found.members["m"]
    assert (member.requests, member.errors, member.retries, member.open) == (40, 5, 1, 4)
    assert (member.response_ms, member.response_ms_max) == (12, 90)


def test_where_no_http_is_read_connections_count_and_failures_of_the_pool() -> None:
    rows = [row("db", "FRONTEND", stot=8), row("pool:db", "BACKEND", econ=2, eresp=1)]
    found = numbers_of(rows, {"db": Counters(total_connections=8)})
    assert (found.listeners["db"].requests, found.listeners["db"].errors) == (8, 3)


def test_listeners_that_haproxy_does_not_serve_have_their_counters() -> None:
    dns = Counters(bytes_in=1, bytes_out=2, active_connections=3, total_connections=4, request_errors=5)
    count = numbers_of([], {"dns": dns}).listeners["dns"]
    assert (count.bytes_in, count.bytes_out, count.open, count.requests, count.errors) == (1, 2, 3, 4, 5)


def test_only_listeners_of_the_load_balancer_are_reported() -> None:
    assert numbers_of([row("internal", "FRONTEND", stot=1)], {}).listeners == {}
