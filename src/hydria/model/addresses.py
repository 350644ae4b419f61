"""The one way to write an IP address, a network in CIDR notation and a MAC address. Pure.

Every function takes any usual spelling, returns the canonical one, and raises ValueError for anything else. Two
canonical texts are equal exactly when they name the same address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.5`) is
the IPv4 address, because packets to it go there.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# The prefix that IPv4-mapped addresses share.
_MAPPED = IPv6Network("::ffff:0:0/96")

# Six groups of one byte, three of two, two of three, or twelve digits: the spellings that Neutron takes.
_MAC = re.compile(
    r"(?:[0-9a-f]{1,2}(?P<sep>[:-])(?:[0-9a-f]{1,2}(?P=sep)){4}[0-9a-f]{1,2})"
    r"|(?:[0-9a-f]{4}(?P<sep2>[:.-])[0-9a-f]{4}(?P=sep2)[0-9a-f]{4})"
    r"|(?:[0-9a-f]{6}[:-][0-9a-f]{6})"
    r"|[0-9a-f]{12}",
    re.IGNORECASE | re.ASCII,
)


def canonical_ip(text: str) -> str:
    """Return an address in its canonical form. A zone (`fe80::1%eth0`) is refused: it has a meaning on one machine."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    address = ip_address(text)
    mapped = None if isinstance(address, IPv4Address) else address.ipv4_mapped
    return str(mapped or address)


def canonical_cidr(text: str) -> str:
    """Return a network in its canonical form: without host bits, with a prefix length (that of one host if none)."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        first = int(network.network_address) & 0xFFFFFFFF
        network = IPv4Network((first, network.prefixlen - _MAPPED.prefixlen))
    return network.with_prefixlen


def canonical_mac(text: str) -> str:
    """Return a MAC address as six pairs of small hexadecimal digits with colons."""
    found = _MAC.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a MAC address")
    # Only single bytes may lack their leading zero.
    digits = "".join(group.zfill(2) for group in re.split(r"[:.-]", text.lower()))
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))


def link_local(mac: str) -> IPv6Address:
    """Return the link-local address that the kernel derives from a canonical MAC (EUI-64)."""
    parts = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes((parts[0] ^ 2, *parts[1:3], 0xFF, 0xFE, *parts[3:])))


# The formats of `hydria.model.fields` whose values have several spellings.
CANONICAL: Mapping[str, Callable[[str], str]] = {
    "ipaddress": canonical_ip,
    "cidr": canonical_cidr,
    "mac": canonical_mac,
}
