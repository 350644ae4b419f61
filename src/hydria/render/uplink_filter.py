"""The machine's filter of packets from the external network as nftables text: only answers come in. Pure.

The machine's address there is the gateway of tenants' routers, which would otherwise reach every program that listens
on all addresses. The filter does not use the kernel's connection tracking, which would then track all traffic of the
machine.
"""

# How long an answer to a datagram may take (seconds), and the most datagrams that are remembered.
_SECONDS, _MOST = 120, 65535

# Answers, errors, and neighbour discovery.
_ICMP = "icmp type { echo-reply, destination-unreachable, time-exceeded, parameter-problem } accept"
_ICMPV6 = (
    "icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem, "
    "nd-neighbor-solicit, nd-neighbor-advert } accept"
)


def render_uplink_filter(link: str) -> str:
    """Return the text for `nft -f` in the machine's namespace. Loading it again forgets no datagram."""
    into = [
        "type filter hook input priority filter - 10; policy accept;",
        f'iifname != "{link}" accept',
        # A segment that begins no connection gets no more than a reset where there is none.
        "meta l4proto tcp tcp flags & (syn | ack) != syn accept",
        "ip saddr . udp sport . udp dport @asked4 accept",
        "ip6 saddr . udp sport . udp dport @asked6 accept",
        _ICMP,
        _ICMPV6,
        "drop",
    ]
    out = [
        "type filter hook output priority filter - 10; policy accept;",
        f'oifname "{link}" update @asked4 {{ ip daddr . udp dport . udp sport }}',
        f'oifname "{link}" update @asked6 {{ ip6 daddr . udp dport . udp sport }}',
    ]
    return "\n".join(
        [
            f"table inet {link} {{",
            *_set("asked4", "ipv4_addr"),
            *_set("asked6", "ipv6_addr"),
            *_chain("into", into[:1]),
            *_chain("out", out[:1]),
            "}",
            f"flush chain inet {link} into",
            f"flush chain inet {link} out",
            f"table inet {link} {{",
            *_chain("into", into[1:]),
            *_chain("out", out[1:]),
            "}",
            "",
        ]
    )


def render_no_uplink_filter(link: str) -> str:
    """Return the text that removes the rules, if there are any."""
    # The first line makes the deletion succeed when there is no table.
    return f"table inet {link}\ndelete table inet {link}\n"


def _set(name: str, address: str) -> list[str]:
    return [
        f"    set {name} {{",
        f"        type {address} . inet_service . inet_service",
        f"        flags dynamic, timeout; timeout {_SECONDS}s; size {_MOST}",
        "    }",
    ]


def _chain(name: str, lines: list[str]) -> list[str]:
    return [f"    chain {name} {{", *(f"        {line}" for line in lines), "    }"]
