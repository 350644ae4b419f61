"""Rules that let only so many new flows a second into a namespace, as it nears the bound of its flows. Pure."""

TABLE = "hydria_flow_limit"

# From this part of the bound on new flows are limited, until there are fewer than the second part.
_CLOSE, _OPEN = 0.8, 0.7

# The pauses between two looks: from an eighth of the bound on, and below it (seconds).
_SHORT, _LONG = 0.25, 1.0


def pause(count: int, most: int) -> float:
    """Return how long to wait before the flows are counted again (seconds)."""
    return _SHORT if count >= most / 8 else _LONG


def admitted(count: int, most: int, before: int | None) -> int | None:
    """Return how many new flows a second may begin while there are `count` of `most`; None is without limit.

    `before` is what was admitted until now. A rate is a power of two, so that rules change seldom. It is at most what
    is left, and its burst a quarter of that: the bound holds, however many come, while three looks are missed.
    """
    if count < most * (_CLOSE if before is None else _OPEN):
        return None
    return 1 << (most - count).bit_length() - 1 if count < most else 1


def burst(rate: int) -> int:
    """Return how many flows may begin at once at a rate."""
    return max(1, rate // 4)


def render_flow_limit(rate: int | None) -> str:
    """Return the transaction that limits new flows to a rate, or lifts the limit."""
    begin = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"
    if rate is None:
        return begin
    # After conntrack has looked for the flow (-200), and before a new one is written down.
    hooks = "".join(
        f"    chain {hook} {{\n        type filter hook {hook} priority -160; policy accept;\n"
        "        ct state new jump new\n    }\n"
        for hook in ("prerouting", "output")
    )
    limit = f"    chain new {{\n        limit rate over {rate}/second burst {burst(rate)} packets drop\n    }}\n"
    return f"{begin}table inet {TABLE} {{\n{limit}{hooks}}}\n"
