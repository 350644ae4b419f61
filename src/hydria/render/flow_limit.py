"""Rules that let only so many new flows a second into a namespace, as it nears the bound of its flows. Pure."""

TABLE = "hydria_flow_limit"

# From this part of the bound on new flows are counted out, until there are fewer than the second part.
_CLOSE, _OPEN = 0.5, 0.4


def admitted(count: int, most: int, before: int | None) -> int | None:
    """Return how many new flows a second may begin while there are `count` of `most`; None is without limit.

    `before` is what was admitted until now. It is a power of two, so that rules change seldom, and with its burst at
    most what is left: read every second, the bound holds however many come.
    """
    if count < most * (_CLOSE if before is None else _OPEN):
        return None
    return 1 << max(0, (most - count).bit_length() - 2) if count < most else 1


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
    limit = f"    chain new {{\n        limit rate over {rate}/second burst {rate} packets drop\n    }}\n"
    return f"{begin}table inet {TABLE} {{\n{limit}{hooks}}}\n"
