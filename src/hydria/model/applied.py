"""How a host applied a change of a load balancer. Pure."""

from typing import Literal, get_args

from msgspec import Struct

# The way by which a host came to serve a generation, the cheapest one first. `runtime` is HAProxy's runtime socket;
# `reload` is a new process of HAProxy, which takes the listeners over; `start` is the first one.
Way = Literal["nothing", "runtime", "nftables", "reload", "start"]
WAYS: tuple[Way, ...] = get_args(Way)


class Applied(Struct, frozen=True, kw_only=True):
    """How an amphora came to serve a generation, and what broke by that so far.

    `lost_requests` broke in the process that was replaced, and `lost_connections` were cut with it, as HAProxy counts.
    """

    generation: int
    way: Way
    lost_requests: int = 0
    lost_connections: int = 0
