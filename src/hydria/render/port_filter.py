"""Port security as nftables text, applied where a port's packets enter the switch. Pure.

As in Neutron, a port sends only from its own MAC and addresses and its allowed address pairs, in Ethernet, ARP, IP and
neighbour discovery, and never as a DHCP server or a router.
"""

import re
from collections import defaultdict
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

from hydria.contract import Interface

# One table for all ports, because a call of nft takes time for each table.
TABLE = "hydria_ports"

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_NEVER = (
    # The kernel takes no address or route from these, but other systems do.
    "icmpv6 type { nd-router-advert, nd-redirect } drop",
    "udp sport 67 udp dport 68 drop",
    "udp sport 547 udp dport 546 drop",
)
# A host sends these before it has an address: multicast reports, and the detection of duplicate addresses.
_UNSPECIFIED = "ip6 saddr :: ip6 daddr ff02::/16 icmpv6 type { mld-listener-report, nd-neighbor-solicit, 143 } accept"
_DHCP_CLIENT = "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept"


def render_port_filter(interface: Interface, link: str) -> str | None:
    """Return the text for `nft -f` in the switch, or None where port security is off.

    `link` is the port's end in the switch, and the name of the chain. Raises ValueError for a text that is no address.
    """
    if not interface.port_security:
        return None
    senders = _senders(interface)
    targets = sorted({each for _, networks in senders.values() for each in networks})
    lines = [f'type filter hook ingress device "{link}" priority filter; policy drop;', *_NEVER]
    if not any(each.prefixlen == 0 for each in targets):
        # The target of an advertisement counts, whatever its source is.
        lines.append(f"icmpv6 type nd-neighbor-advert @th,64,128 != {_ranges(targets)} drop")
    for mac, (four, six) in senders.items():
        by = f"ether saddr {mac}"
        lines += [
            f"{by} {_from('ip saddr', four)}accept",
            f"{by} arp saddr ether {mac} {_from('arp saddr ip', four)}accept",
        ] * bool(four)
        lines += [f"{by} {_from('ip6 saddr', six)}accept", f"{by} {_UNSPECIFIED}", f"{by} {_DHCP_CLIENT}"]
    hook, *rules = (f"        {line}\n" for line in lines)
    # The first lines make the flush succeed when there is no chain.
    chain = f"table netdev {TABLE} {{\n    chain {link} {{\n"
    return f"{chain}{hook}    }}\n}}\nflush chain netdev {TABLE} {link}\n{chain}{''.join(rules)}    }}\n}}\n"


def render_no_filter(*links: str) -> str:
    """Return the text that removes the filters of links, where they have any."""
    # The first lines make the deletion succeed when there is no chain.
    naming, deletion = "table netdev {} {{\n    chain {} {{\n    }}\n}}\n", "delete chain netdev {} {}\n"
    return "".join((naming + deletion).format(TABLE, link, TABLE, link) for link in links)


def _senders(interface: Interface) -> dict[str, tuple[list[IPv4Network], list[IPv6Network]]]:
    """Return the source networks of IPv4 and IPv6 that are allowed, by MAC, with link-local addresses."""
    own = _mac(interface.mac)
    found: dict[str, list[IPv4Network | IPv6Network]] = defaultdict(list)
    found[own] = [ip_network(address.ip) for address in interface.addresses]
    for pair in interface.address_pairs:
        found[_mac(pair.mac)].append(ip_network(pair.cidr))
    return {
        mac: (
            list(collapse_addresses(each for each in networks if isinstance(each, IPv4Network))),
            list(
                collapse_addresses(
                    [_link_local(mac), *(each for each in networks if isinstance(each, IPv6Network))],
                )
            ),
        )
        for mac, networks in found.items()
    }


def _from(field: str, networks: list[IPv4Network] | list[IPv6Network]) -> str:
    if any(each.prefixlen == 0 for each in networks):
        # All addresses of the IP version: the rule matches the protocol instead of the address.
        return {"ip saddr": "meta protocol ip ", "ip6 saddr": "meta protocol ip6 "}.get(field, "")
    return f"{field} {{ {', '.join(map(str, networks))} }} "


def _ranges(networks: list[IPv6Network]) -> str:
    ends = ((int(each.network_address), int(each.broadcast_address)) for each in networks)
    return "{ " + ", ".join(f"{low:#034x}" if low == high else f"{low:#034x}-{high:#034x}" for low, high in ends) + " }"


def _link_local(mac: str) -> IPv6Network:
    """Return the link-local address that the kernel derives from a MAC (EUI-64)."""
    parts = bytes.fromhex(mac.replace(":", ""))
    interface_id = bytes([parts[0] ^ 2]) + parts[1:3] + b"\xff\xfe" + parts[3:]
    return IPv6Network(IPv6Address(b"\xfe\x80" + bytes(6) + interface_id))


def _mac(text: str) -> str:
    """Return a MAC in its canonical form, so that the text cannot contain anything else."""
    mac = text.lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{text} is not a MAC address")
    return mac
