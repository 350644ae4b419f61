"""keepalived's configuration for an amphora of a pair. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from hydria.contract import Instance
from hydria.render.quoting import LINE_ENDS

_Ip = IPv4Address | IPv6Address


def render_keepalived(instance: Instance, link: str, failed_file: str) -> str:
    """Return the configuration of an instance with `vrrp`. Raises ValueError when no IP version serves all siblings.

    `link` is the base port's; the file `failed_file` contains 1 while HAProxy cannot serve, else 0.

    One election decides about the VIPs of both IP versions. Its advertisements name the first VIP only, because a
    receiver drops those that name other VIPs than its own, and additional VIPs may change.
    """
    vrrp = instance.vrrp
    if vrrp is None:
        raise ValueError("the amphora is not one of a pair")
    own, peers = _ends(instance)
    vips = [ip_address(address.ip) for address in instance.vips]
    first = next((vip for vip in vips if vip.version == own.version), None)
    advertised = [] if first is None else [first]
    sections = [
        [
            "global_defs",
            # Without one keepalived asks a name server for the host's name, through the network of the VIPs.
            "router_id hydria",
            "vrrp_version 3",
            "vrrp_check_unicast_src",
            # An announcement may be lost, so it is sent again after a second, and then regularly.
            "vrrp_garp_master_repeat 3",
            "vrrp_garp_master_delay 1",
            "vrrp_garp_master_refresh 10",
            # After a cut cable is plugged in again both carry the VIPs. The one that gives way says so, by which the
            # other one announces them: neighbours still know the first one's MAC.
            "vrrp_higher_prio_send_advert true",
            "vrrp_garp_lower_prio_repeat 3",
            "vrrp_garp_lower_prio_delay 1",
        ],
        # Not 0 is a fault, in which the other amphora takes over at once.
        ["track_file haproxy", f"file {_quoted(failed_file)}", "weight 0"],
        [
            "vrrp_instance vips",
            "state BACKUP",
            # The VIPs stay where they are until that amphora fails: each move cuts connections.
            "nopreempt",
            f"interface {link}",
            f"virtual_router_id {vrrp.router_id:d}",
            f"priority {vrrp.priority:d}",
            f"advert_int {vrrp.interval:.2f}",
            f"unicast_src_ip {own}",
            *_block("unicast_peer", map(str, peers)),
            *_block("virtual_ipaddress", (_word(vip, link) for vip in advertised)),
            *_block("virtual_ipaddress_excluded", (_word(vip, link) for vip in vips if vip not in advertised)),
            *_block("track_file", ["haproxy"]),
        ],
    ]
    return "\n".join("\n    ".join((f"{head} {{", *lines)) + "\n}\n" for head, *lines in sections)


def _ends(instance: Instance) -> tuple[_Ip, list[_Ip]]:
    """Return the base port's address for advertisements, and the siblings', all of one IP version."""
    base = [ip_address(address.ip) for address in instance.interfaces[0].addresses]
    siblings = [[ip_address(address) for address in each.addresses] for each in instance.siblings]
    for own in base:
        peers = [next((each for each in there if each.version == own.version), None) for there in siblings]
        found = [each for each in peers if each is not None]
        if len(found) == len(peers):
            return own, found
    raise ValueError("the base ports of the amphorae have no IP version in common")


def _block(name: str, lines: Iterable[str]) -> list[str]:
    found = [f"    {line}" for line in lines]
    return [f"{name} {{", *found, "}"] if found else []


def _quoted(path: str) -> str:
    if any(char in path for char in ('"', "\\", *LINE_ENDS)):
        raise ValueError(f"no configuration of keepalived can hold {path!r}")
    return f'"{path}"'


def _word(vip: _Ip, link: str) -> str:
    # Without the detection of duplicates, which takes a second; the kernel marks the address as deprecated.
    return f"{vip}/{vip.max_prefixlen} dev {link}" + (" -nodad" if vip.version == 6 else "")
