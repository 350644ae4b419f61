"""The VIPs of an amphora on its links: with the prefix of a single address, and never as a source that was not chosen.

An address that moves between links is added before it is removed, so that connections go on.
"""

from collections.abc import Collection, Iterable
from ipaddress import ip_address, ip_interface

from hydria.adapters.linux.kernel import get_link
from hydria.adapters.linux.netns import netlink, reporting
from hydria.adapters.linux.rtnetlink import Netlink

# Addresses with their prefix lengths.
_Held = dict[str, set[int]]


def carried(namespace: str, link: str, vips: Collection[str]) -> bool:
    """Say whether a link has all these addresses. Raises HostError."""
    with reporting(f"The addresses of {link} in {namespace} cannot be read"), netlink(namespace) as here:
        return set(vips) <= _held(here, link).keys()


def take(namespace: str, link: str, vips: Collection[str]) -> list[str]:
    """Add VIPs to a link; return those that it did not have. Raises HostError.

    One that the link has with the prefix of its subnet, as the VIP's port itself has it, gets the prefix of a single
    address; connections go on.
    """
    with reporting(f"The VIPs cannot be added to {link} in {namespace}"), netlink(namespace) as here:
        there = _held(here, link)
        for vip in vips:
            wider = there.get(vip, set()) - {_whole(vip)}
            if wider and ":" in vip:
                # A link has an IPv6 address only once.
                _add(here, "lo", vip)
                _remove(here, link, vip, wider)
                _add(here, link, vip)
                _remove(here, "lo", vip, {_whole(vip)})
                continue
            if _whole(vip) not in there.get(vip, set()):
                _add(here, link, vip)
            _remove(here, link, vip, wider)
        return [vip for vip in vips if vip not in there]


def give_up(namespace: str, link: str, vips: Iterable[str], *, wider: bool = False) -> bool:
    """Remove VIPs from a link; `wider` removes only those with the prefix of their subnet. Raises HostError.

    Returns whether it had any.
    """
    with reporting(f"The VIPs cannot be removed from {link} in {namespace}"), netlink(namespace) as here:
        there = _held(here, link)
        found = {vip: there[vip] - ({_whole(vip)} if wider else set()) for vip in vips if vip in there}
        for vip, prefixes in found.items():
            _remove(here, link, vip, prefixes)
        return any(found.values())


def _held(here: Netlink, link: str) -> _Held:
    found, held = here.find(link), _Held()
    for address in here.get_addr(index=found["index"]) if found is not None else ():
        held.setdefault(str(address["address"]), set()).add(address["prefixlen"])
    return held


def _whole(vip: str) -> int:
    return ip_address(vip).max_prefixlen


def _add(here: Netlink, link: str, vip: str) -> None:
    here.replace_address(get_link(here, link)["index"], ip_interface(vip), deprecated=":" in vip)


def _remove(here: Netlink, link: str, vip: str, prefixes: Iterable[int]) -> None:
    for prefix in prefixes:
        here.delete_address(get_link(here, link)["index"], ip_interface(f"{vip}/{prefix}"))
