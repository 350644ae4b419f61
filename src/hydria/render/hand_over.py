"""The rules by which an amphora forwards the connections of another one to it, while VIPs move. Pure."""

from collections.abc import Collection
from ipaddress import ip_address

from msgspec import Struct

TABLE = "hydria_hand_over"

_FAMILIES = {4: "ip", 6: "ip6"}


class Connection(Struct, frozen=True, order=True):
    """A TCP connection of the amphora's own: client, its port, VIP, its port."""

    client: str
    client_port: int
    vip: str
    port: int


def render_hand_over(
    vips: Collection[str],
    to: Collection[str],
    link: str,
    macs: Collection[str],
    own: Collection[Connection] | None = None,
) -> str:
    """Return the text for `nft -f`. It forwards TCP packets to VIPs, of connections that did not begin here.

    `to` are the addresses of the other's base port, on the link's network. What comes from `macs`, the MACs of the
    others, was forwarded already, and goes no further. `own` are connections that began here before
    the rules were loaded; None loads rules that only have the kernel remember what begins from now on. Without `to`
    the rules are removed. Raises ValueError for a text that is no address.
    """
    return "".join(_table(version, vips, to, link, macs, own) for version in _FAMILIES)


def _table(
    version: int,
    vips: Collection[str],
    to: Collection[str],
    link: str,
    macs: Collection[str],
    own: Collection[Connection] | None,
) -> str:
    family = _FAMILIES[version]
    # The first line makes the deletion succeed when there is no table.
    begin = f"table {family} {TABLE}\ndelete table {family} {TABLE}\n"
    mine = [str(vip) for vip in map(ip_address, vips) if vip.version == version]
    target = next((str(each) for each in map(ip_address, to) if each.version == version), None)
    if not mine or target is None:
        return begin
    elements = [
        f"{ip_address(each.client)} . {each.client_port:d} . {ip_address(each.vip)} . {each.port:d}"
        for each in sorted(own or ())
        if ip_address(each.vip).version == version
    ]
    key = f"{family} saddr . tcp sport . {family} daddr . tcp dport"
    known = [
        "    set own {",
        f"        typeof {key}",
        *([f"        elements = {{ {', '.join(elements)} }}"] if elements else []),
        "    }",
    ]
    lines = [
        # After the kernel has looked for the connection.
        "type filter hook prerouting priority mangle; policy accept;",
        f"{family} daddr != {{ {', '.join(mine)} }} accept",
        "meta l4proto != tcp accept",
        f"ether saddr {{ {', '.join(sorted(macs))} }} accept",
        "tcp flags & syn != 0 accept",
        "ct state { established, related } accept",
        f"{key} @own accept",
        # Its answers go from there to the client.
        *([f'dup to {target} device "{link}" drop'] if own is not None else []),
    ]
    chain = ["    chain forward {", *(f"        {line}" for line in lines), "    }"]
    return "\n".join([f"{begin}table {family} {TABLE} {{", *known, *chain, "}"]) + "\n"
