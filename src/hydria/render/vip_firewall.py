"""A VIP's security groups as nftables text: one transaction that replaces the table. Pure."""

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network

from msgspec import Struct

from hydria.contract import FirewallRule
from hydria.render.haproxy.peers import PEERS_PORT

TABLE = "hydria_guard"

# IANA's numbers of Neutron's protocol names.
_NUMBERS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4,
    "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
    "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
_WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_ICMP, _ICMPV6 = 1, 58
# The first packet of a connection.
_SYN = "tcp flags & (syn | ack) == syn"


class Pair(Struct, frozen=True, kw_only=True):
    """The addresses of a base port and of its siblings, which alone may send it VRRP and the state of connections."""

    base: tuple[str, ...]
    siblings: tuple[str, ...]


def render_vip_firewall(
    rules: tuple[FirewallRule, ...] | None, link: str, ports: Collection[int], pair: Pair | None = None
) -> str:
    """Return the text for `nft -f` in the amphora's namespace; without rules (None), everything may come in.

    Answers and neighbour discovery always pass. `ports` are the TCP ports of the listeners, `pair` is set for an
    amphora of a pair. The rules are evaluated before addresses are translated. Raises ValueError for a text that is no
    address or protocol.
    """
    # The first line makes the deletion succeed when there is no table.
    begin = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    between = [] if pair is None else _between(pair)
    if rules is None and not between:
        return begin
    lines = [
        "type filter hook prerouting priority mangle; policy accept;",
        f'iifname != "{link}" accept',
        *between,
        *([] if rules is None else _filter(rules, ports)),
    ]
    body = "".join(f"        {line}\n" for line in lines)
    return f"{begin}table inet {TABLE} {{\n    chain guard {{\n{body}    }}\n}}\n"


def _between(pair: Pair) -> list[str]:
    """Return the lines about packets between the amphorae of a pair: theirs pass, those of others do not."""
    lines = []
    for version, family in ((4, "ip"), (6, "ip6")):
        siblings = ", ".join(str(each) for each in map(ip_address, pair.siblings) if each.version == version)
        base = ", ".join(str(each) for each in map(ip_address, pair.base) if each.version == version)
        ways = ["meta l4proto vrrp", f"tcp dport {PEERS_PORT}"]
        lines += [f"{family} daddr {{ {base} }} {family} saddr {{ {siblings} }} {way} accept" for way in ways] * bool(
            siblings and base
        )
        lines += [f"{family} daddr {{ {base} }} tcp dport {PEERS_PORT} {_SYN} drop"] * bool(base)
    return [*lines, "meta l4proto vrrp drop"]


def _filter(rules: tuple[FirewallRule, ...], ports: Collection[int]) -> list[str]:
    return [
        # The amphora's own connections, which use other ports. Connection tracking would not do: it does not know
        # connections from before the rules.
        f"{_other_ports(ports)}tcp flags & (syn | ack) != syn accept",
        # Packets of clients are judged one by one, so that a connection ends as soon as no rule allows it any more.
        "meta l4proto != tcp ct direction reply accept",
        "ct state related accept",
        "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
        *dict.fromkeys(line for rule in rules for line in _lines(rule)),
        "drop",
    ]


def _other_ports(ports: Collection[int]) -> str:
    return f"tcp dport != {{ {', '.join(map(str, sorted(ports)))} }} " if ports else ""


def _lines(rule: FirewallRule) -> list[str]:
    """Return the line of a rule, or no line where it allows no source."""
    family = "ip" if rule.ethertype == "IPv4" else "ip6"
    words = [f"meta nfproto {'ipv4' if family == 'ip' else 'ipv6'}"]
    if rule.sources is not None:
        sources = _sources(rule.sources, family)
        if not sources:
            return []
        words.append(f"{family} saddr {{ {', '.join(sources)} }}")
    return [" ".join([*words, *_protocol(rule, family), "accept"])]


def _sources(cidrs: tuple[str, ...], family: str) -> list[str]:
    networks = [ip_network(cidr) for cidr in cidrs]
    if family == "ip":
        return [str(each) for each in collapse_addresses(each for each in networks if isinstance(each, IPv4Network))]
    return [str(each) for each in collapse_addresses(each for each in networks if isinstance(each, IPv6Network))]


def _protocol(rule: FirewallRule, family: str) -> list[str]:
    if rule.protocol is None:
        return []
    number = _NUMBERS[rule.protocol] if rule.protocol in _NUMBERS else int(rule.protocol)
    if number == _ICMP and family == "ip6":
        number = _ICMPV6
    low, high = rule.port_min, rule.port_max
    if number in (_ICMP, _ICMPV6) and low is not None:
        name = "icmp" if number == _ICMP else "icmpv6"
        return [f"{name} type {low:d}"] + ([f"{name} code {high:d}"] if high is not None else [])
    if number in _WITH_PORTS and low is not None and high is not None:
        return [f"{_WITH_PORTS[number]} dport {low:d}-{high:d}"]
    return [f"meta l4proto {number:d}"]
