"""Checks that the external network's range hides no address that the machine has or uses."""

import ipaddress
import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import OWN, netlink
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.settings import Settings

RESOLVER = Path("/etc/resolv.conf")
_ESTABLISHED = "01"
_MEND = "set homecloud.external_cidr to a range that this machine does not use, before the first hydria up"


def external_network(settings: Settings, resolver: Path = RESOLVER) -> Iterator[Finding]:
    """Check the machine's addresses, name servers, routes and connections for addresses in the external network."""
    cidr, own = IPv4Network(settings.homecloud.external_cidr, strict=False), Names(settings.agent.prefix).uplink
    with netlink(OWN) as here:
        names = {link["index"]: str(link.get("ifname")) for link in here.get_links()}
        addresses = {
            IPv4Interface(f"{entry.get('address')}/{entry['prefixlen']}"): names.get(entry["index"], "")
            for entry in here.get_addr(family=socket.AF_INET)
        }
        routes = list(_routes(here, {index for index, name in names.items() if name != own}, cidr))
    for address, link in addresses.items():
        if link != own and address.network.overlaps(cidr):
            yield bad("external network", f"{link} has {address} already", _MEND)
            return
    own_ips = {address.ip for address, link in addresses.items() if link == own}
    hidden = [*_name_servers(resolver, cidr), *routes, *_connections(cidr, own_ips)]
    for seen in dict.fromkeys(hidden):
        yield odd("external network", f"{cidr} hides {seen}", _MEND)
    if not hidden:
        yield fine("external network", str(cidr))


def _name_servers(resolver: Path, cidr: IPv4Network) -> Iterator[str]:
    try:
        lines = resolver.read_text(errors="replace").splitlines()
    except OSError:
        return
    for words in map(str.split, lines):
        if len(words) > 1 and words[0] == "nameserver" and _within(words[1], cidr):
            yield f"the name server {words[1]} ({resolver})"


def _routes(here: Netlink, links: set[int], cidr: IPv4Network) -> Iterator[str]:
    """Describe the routes over other links that lead into the range, or through a gateway in it."""
    for route in here.get_routes(family=socket.AF_INET, table=254):
        if route.get("oif") not in links:
            continue
        destination = IPv4Network(f"{route.get('dst') or '0.0.0.0'}/{route['dst_len']}")  # noqa: S104
        via = str(route.get("gateway") or "")
        if via and _within(via, cidr):
            yield f"the gateway {via} of the route to {destination}"
        elif destination.prefixlen and destination.overlaps(cidr):
            yield f"the route to {destination}"


def _connections(cidr: IPv4Network, own: set[IPv4Address]) -> Iterator[str]:
    """Describe connections to addresses in the range, except those that go over the external network itself."""
    for table in ("tcp", "tcp6"):
        try:
            rows = Path("/proc/thread-self/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            _, local, peer, state = row.split()[:4]
            ip = _ipv4(peer)
            if state == _ESTABLISHED and ip is not None and ip in cidr and _ipv4(local) not in own:
                yield f"{ip}, to which the machine has a connection"


def _ipv4(text: str) -> IPv4Address | None:
    """Parse an address as /proc prints it, in 32-bit words of the machine's byte order; None for IPv6."""
    digits = text.partition(":")[0]
    words = b"".join(int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    if len(words) == 4:
        return IPv4Address(words)
    return ipaddress.IPv6Address(words).ipv4_mapped


def _within(text: str, cidr: IPv4Network) -> bool:
    try:
        return ipaddress.ip_address(text) in cidr
    except ValueError:
        return False
