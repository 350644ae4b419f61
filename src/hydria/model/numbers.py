"""What listeners and members did, as hosts count it: the numbers behind the graphs. Pure."""

from msgspec import Struct


class Count(Struct, frozen=True, array_like=True):
    """What one listener or member did since its amphora was made, for graphs. An array in messages: append only.

    `requests` are connections where HAProxy reads no HTTP. `errors` are requests that the load balancer or a member
    answered with 5xx or not at all. `open` is the current number of connections. `response_ms` is the mean time to
    the response over the last 1024 requests, `response_ms_max` the longest (milliseconds, 0 for unknown). Within
    `response_p50`, `response_p95` and `response_p99` that share of a member's successful responses came during the last
    two minutes, as far as they were logged (milliseconds, 0 for unknown).
    """

    requests: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    open: int = 0
    response_ms: int = 0
    response_ms_max: int = 0
    responses_2xx: int = 0
    responses_3xx: int = 0
    responses_4xx: int = 0
    responses_5xx: int = 0
    retries: int = 0
    response_p50: int = 0
    response_p95: int = 0
    response_p99: int = 0


class Numbers(Struct, frozen=True, kw_only=True):
    """What the listeners and members of one amphora did, by id: all listeners, and its busiest members.

    `log` are the last lines of its access log: requests, TCP connections, changes of members' health.
    """

    listeners: dict[str, Count] = {}
    members: dict[str, Count] = {}
    log: tuple[str, ...] = ()
