"""Port security as nftables text, applied where a port's packets enter the switch. Pure.

As in Neutron, a port sends only from its own MAC and addresses and its allowed address pairs, in Ethernet, ARP, IP and
neighbour discovery, and never as a DHCP server or a router.
"""

import re
from collections import defaultdict
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network

from msgspec import Struct

from hydria.contract import Interface
from hydria.model.addresses import link_local

# One table for all ports, because a call of nft takes time for each table.
TABLE = "hydria_ports"

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
# So many sources have a rule each, more are a set: nft reads all sets of the table before it changes a chain, and with
# a thousand ports that took half of its time.
_FEW = 4
_NEVER = (
    # The kernel takes no address or route from these, but other systems do.
    "icmpv6 type nd-router-advert drop",
    "icmpv6 type nd-redirect drop",
    "udp sport 67 udp dport 68 drop",
    "udp sport 547 udp dport 546 drop",
)
# A host sends these before it has an address: multicast reports, and the detection of duplicate addresses.
_UNSPECIFIED = tuple(
    f"ip6 saddr :: ip6 daddr ff02::/16 icmpv6 type {kind} accept"
    for kind in ("mld-listener-report", "nd-neighbor-solicit", "143")
)
_DHCP_CLIENT = "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept"


class Forward(Struct, frozen=True):
    """TCP packets to an address, whoever sent them, that a port may pass on to a MAC: handed over connections."""

    mac: str
    address: str


def render_port_filter(interface: Interface, link: str, forwards: Collection[Forward] = ()) -> str | None:
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
        lines += [f"{by} {source}accept" for source in _from("ip saddr", four)]
        lines += [f"{by} arp saddr ether {mac} {source}accept" for source in _from("arp saddr ip", four)]
        lines += [f"{by} {source}accept" for source in _from("ip6 saddr", six)]
        lines += [f"{by} {rule}" for rule in (*_UNSPECIFIED, _DHCP_CLIENT)]
    own = f"ether saddr {_mac(interface.mac)}"
    for forward in forwards:
        target = ip_address(forward.address)
        family = "ip" if target.version == 4 else "ip6"
        lines.append(f"{own} ether daddr {_mac(forward.mac)} {family} daddr {target} meta l4proto tcp accept")
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
                    [IPv6Network(link_local(mac)), *(each for each in networks if isinstance(each, IPv6Network))],
                )
            ),
        )
        for mac, networks in found.items()
    }


def _from(field: str, networks: list[IPv4Network] | list[IPv6Network]) -> list[str]:
    """Return what matches a source in any of the networks."""
    if any(each.prefixlen == 0 for each in networks):
        # All addresses of the IP version: the rule matches the protocol instead of the address.
        return [{"ip saddr": "meta protocol ip ", "ip6 saddr": "meta protocol ip6 "}.get(field, "")]
    if len(networks) > _FEW:
        return [f"{field} {{ {', '.join(map(str, networks))} }} "]
    return [f"{field} {each} " for each in networks]


def _ranges(networks: list[IPv6Network]) -> str:
    ends = ((int(each.network_address), int(each.broadcast_address)) for each in networks)
    found = [f"{low:#034x}" if low == high else f"{low:#034x}-{high:#034x}" for low, high in ends]
    return found[0] if len(found) == 1 else f"{{ {', '.join(found)} }}"


def _mac(text: str) -> str:
    """Return a MAC in its canonical form, so that the text cannot contain anything else."""
    mac = text.lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{text} is not a MAC address")
    return mac
