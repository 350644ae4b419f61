"""Bandwidth limits of links: a token bucket (tbf) at a link's root, which can change while traffic flows.

Packets from a namespace are limited on its own link, packets to it on the link's other end in the switch.
"""

from typing import Any

from pyroute2.netlink.rtnl import TC_H_ROOT

from hydria.adapters.linux.rtnetlink import Netlink
from hydria.contract import Interface, Limit

_KIND = "tbf"
# The queue disciplines of a link by default, and while it is down.
_NONE = (None, "noqueue", "noop")
_HANDLE = 0x10000
# How long a packet may wait before it is dropped (seconds).
_LONGEST_WAIT = 0.05
# A bucket must hold one packet with its headers, and the kernel allows at most this many seconds in it.
_HEADERS = 64
_LONGEST = 200
# The field has 32 bits.
_MOST = 2**32 - 1


def ensure_limits(here: Netlink, near: dict[str, Any], switch: Netlink, end: dict[str, Any], wanted: Interface) -> bool:
    """Hold a veth pair to the limits of its interface, both ways; True when anything was changed."""
    sends = ensure_limit(here, near, wanted.egress, wanted.mtu)
    return ensure_limit(switch, end, wanted.ingress, wanted.mtu) or sends


def ensure_limit(socket: Netlink, link: dict[str, Any], limit: Limit | None, mtu: int) -> bool:
    """Hold what leaves by a link to a limit, or to none; True when anything was changed."""
    index, limited = link["index"], link.get("qdisc") == _KIND
    if limit is None:
        # By default a link has no queue, so any queue was added.
        foreign = link.get("qdisc") not in _NONE
        if foreign:
            socket.tc("del", index=index, parent=TC_H_ROOT)
        return foreign
    rate = min(max(limit.kbps * 1000 // 8, 1), _MOST)
    burst = min(max(limit.burst_kbit * 1000 // 8, mtu + _HEADERS), max(rate * _LONGEST, mtu + _HEADERS))
    # Rate and queue length identify the bucket.
    queue = min(burst + int(rate * _LONGEST_WAIT), _MOST)
    if limited and _there(socket, index) == (rate, queue):
        return False
    socket.tc("replace", _KIND, index=index, parent=TC_H_ROOT, handle=_HANDLE, rate=rate, burst=burst, limit=queue)
    return True


def _there(socket: Netlink, index: int) -> tuple[int, int] | None:
    for found in socket.get_qdiscs(index=index):
        if found["index"] == index and found.get("kind") == _KIND:
            parameters = found.get("options").get("TCA_TBF_PARMS")
            return parameters["rate"], parameters["limit"]
    return None
