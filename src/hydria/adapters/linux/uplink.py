"""The machine's own interface on the external network, the only link in the machine's namespace.

It forwards nothing, and accepts only answers.
"""

import errno
import socket
from uuid import UUID

from pyroute2.netlink.exceptions import NetlinkError

from hydria.adapters.linux import nft
from hydria.adapters.linux.kernel import ensure_interface, remove_interface, routing_rules
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import OWN, netlink, reporting
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.contract import Interface, Network
from hydria.render.uplink_filter import render_no_uplink_filter, render_uplink_filter

# After the rule of the table `local` (0), and before the machine's own rules, if there are any.
_PRIORITY = 100
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def ensure_uplink(names: Names, network: Network) -> None:
    """Give the machine its addresses on the external network. Raises HostError."""
    link = Interface(
        port_id=network.id,
        network_id=network.id,
        mac=_mac(network.id),
        mtu=network.mtu,
        addresses=network.host_addresses,
    )
    # The rules come first, so that the machine forwards at no moment.
    with reporting(f"The routing rule for {names.uplink} cannot be made"), netlink(OWN) as here:
        for family in _FAMILIES:
            _close(here, names.uplink, family)
        # Tenants, whose gateway this is, reach no program that listens here.
        nft.load(OWN, render_uplink_filter(names.uplink))
    ensure_interface(names, OWN, names.uplink, link)


def remove_uplink(names: Names) -> None:
    """Remove the link, its routing rules and its filter, if there are any. Raises HostError."""
    with reporting(f"The link {names.uplink} cannot be removed"), netlink(OWN) as here:
        if here.find(names.uplink) is not None:
            remove_interface(names, OWN, names.uplink)
        closed = [family for family in _FAMILIES if _closed(here, names.uplink, family)]
        if closed:
            nft.load(OWN, render_no_uplink_filter(names.uplink))
        # Last, so that an interrupted removal is found again.
        for family in closed:
            here.rule("del", family=family, **_rule(names.uplink))


def _close(here: Netlink, link: str, family: int) -> None:
    """Forward no packet from the link, whether or not the machine forwards (with Docker it does)."""
    if _closed(here, link, family):
        return
    try:
        here.rule("add", family=family, **_rule(link))
    except NetlinkError as error:
        # A machine without IPv6 forwards no IPv6.
        if error.code != errno.EAFNOSUPPORT:
            raise


def _closed(here: Netlink, link: str, family: int) -> bool:
    return any(rule.get("iifname") == link for rule in routing_rules(here, family))


def _rule(link: str) -> dict[str, object]:
    return {"priority": _PRIORITY, "iifname": link, "action": "FR_ACT_UNREACHABLE"}


def _mac(network_id: str) -> str:
    """Return a locally administered MAC that is always the same for a network."""
    return ":".join(f"{byte:02x}" for byte in (0x02, *UUID(network_id).bytes[:5]))
