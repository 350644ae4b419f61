"""The machine's own link to the external network: the one thing in the machine's namespace.

It is closed to transit, and lets nothing in but answers.
"""

import errno
import socket
from uuid import UUID

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hydria.adapters.linux import nft
from hydria.adapters.linux.kernel import ensure_interface, find, remove_interface, routing_rules
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import OWN, netlink, reporting
from hydria.contract import Interface, Network
from hydria.render.uplink_filter import render_no_uplink_filter, render_uplink_filter

# After the table `local` (0) and before all that a machine's own rules are likely to be.
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
    # The rules come first: there is no moment in which the machine would forward.
    with reporting(f"The routing rule for {names.uplink} cannot be made"), netlink(OWN) as here:
        for family in _FAMILIES:
            _close(here, names.uplink, family)
        # Tenants, for whom this is the gateway, reach nothing that listens here.
        nft.load(OWN, render_uplink_filter(names.uplink))
    ensure_interface(names, OWN, names.uplink, link)


def remove_uplink(names: Names) -> None:
    """Remove the link, its routing rules and its filter; nothing there is fine. Raises HostError."""
    with reporting(f"The link {names.uplink} cannot be removed"), netlink(OWN) as here:
        if find(here, names.uplink) is not None:
            remove_interface(names, OWN, names.uplink)
        closed = [family for family in _FAMILIES if _closed(here, names.uplink, family)]
        if closed:
            nft.load(OWN, render_no_uplink_filter(names.uplink))
        # Last: they are what remembers that there is work.
        for family in closed:
            here.rule("del", family=family, **_rule(names.uplink))


def _close(here: IPRoute, link: str, family: int) -> None:
    """Let nothing that comes in by the link go on, whether or not the machine forwards (Docker makes it)."""
    if _closed(here, link, family):
        return
    try:
        here.rule("add", family=family, **_rule(link))
    except NetlinkError as error:
        # A machine without IPv6 forwards none.
        if error.code != errno.EAFNOSUPPORT:
            raise


def _closed(here: IPRoute, link: str, family: int) -> bool:
    return any(rule.get("iifname") == link for rule in routing_rules(here, family))


def _rule(link: str) -> dict[str, object]:
    return {"priority": _PRIORITY, "iifname": link, "action": "FR_ACT_UNREACHABLE"}


def _mac(network_id: str) -> str:
    """Return a locally administered MAC that stays the same."""
    return ":".join(f"{byte:02x}" for byte in (0x02, *UUID(network_id).bytes[:5]))
