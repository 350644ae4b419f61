"""Rules that limit the rate of new flows in a namespace when it comes near the limit of its flows. Pure."""

TABLE = "hydria_flow_limit"

# New flows are limited from the first part of the limit on, until there are fewer than the second.
_CLOSE, _OPEN = 0.8, 0.7

# The intervals of counting flows: from an eighth of the limit on, and below it (seconds).
_SHORT, _LONG = 0.25, 1.0


def pause(count: int, most: int) -> float:
    """Return how long to wait before the flows are counted again (seconds)."""
    return _SHORT if count >= most / 8 else _LONG


def admitted(count: int, most: int, before: int | None) -> int | None:
    """Return the rate of new flows (per second) at `count` of `most`; None is no limit.

    `before` is the rate until now. A rate is a power of two, so that rules change seldom. It is at most the number of
    flows that are left, and its burst a quarter of it, so that the limit holds even when three counts are missed.
    """
    if count < most * (_CLOSE if before is None else _OPEN):
        return None
    return 1 << (most - count).bit_length() - 1 if count < most else 1


def burst(rate: int) -> int:
    """Return the number of flows that may begin at once at a rate."""
    return max(1, rate // 4)


def render_flow_limit(rate: int | None) -> str:
    """Return the transaction that limits new flows to a rate, or removes the limit."""
    begin = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"
    if rate is None:
        return begin
    # After conntrack has searched for the flow (-200), and before it stores a new one.
    hooks = "".join(
        f"    chain {hook} {{\n        type filter hook {hook} priority -160; policy accept;\n"
        "        ct state new jump new\n    }\n"
        for hook in ("prerouting", "output")
    )
    limit = f"    chain new {{\n        limit rate over {rate}/second burst {burst(rate)} packets drop\n    }}\n"
    return f"{begin}table inet {TABLE} {{\n{limit}{hooks}}}\n"
