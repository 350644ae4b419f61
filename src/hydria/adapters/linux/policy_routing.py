"""The way back of an amphora with several legs: what is sent from a VIP leaves by the VIP's leg, wherever it goes.

A routing table of its own has the leg's subnets and routes. Rules lead there: one for each address of the leg, and one
for packets that carry the mark `BACK`, which nftables passes on to clients and which have their VIP for a source only
after they were routed.
"""

import socket
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

from pyroute2 import IPRoute

from hydria.adapters.linux.kernel import ensure_routes, find, routing_rules
from hydria.adapters.linux.netns import netlink, reporting
from hydria.contract import Interface, Route
from hydria.render.datagram import BACK

# The number that Octavia's amphorae use.
_TABLE = 1
# After the table `local` (0), before `main`.
_PRIORITY = 100
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# IP version, source, mark: what of a packet leads to the table.
_Rule = tuple[int, str | None, int | None]


def ensure_policy_routing(namespace: str, link: str, interface: Interface) -> bool:
    """Have answers from the addresses of a leg leave by it; True when anything was changed. Raises HostError."""
    subnets = [ip_interface(f"{address.ip}/{address.prefix}").network for address in interface.addresses]
    routes = [*(Route(destination=str(each), via=None) for each in subnets), *interface.routes]
    failure = f"The routes of {link} in the network namespace {namespace} cannot be made"
    with reporting(failure), netlink(namespace) as here:
        found = find(here, link)
        rerouted = found is not None and ensure_routes(here, found["index"], tuple(routes), _TABLE)
        return _ensure_rules(here, set(_rules(interface))) or rerouted


def remove_policy_routing(namespace: str) -> None:
    """Have everything leave as the main table says; nothing there is fine. Raises HostError."""
    failure = f"The routing rules of the network namespace {namespace} cannot be removed"
    with reporting(failure), netlink(namespace) as here:
        _ensure_rules(here, set())


def _rules(interface: Interface) -> Iterator[_Rule]:
    for address in interface.addresses:
        version = ip_address(address.ip).version
        yield version, str(ip_address(address.ip)), None
        yield version, None, BACK


def _ensure_rules(here: IPRoute, wanted: set[_Rule]) -> bool:
    there = {
        (version, rule.get("src"), rule.get("fwmark"))
        for version, family in _FAMILIES.items()
        for rule in routing_rules(here, family)
        if rule.get("table") == _TABLE
    }
    for rule in there - wanted:
        here.rule("del", **_words(rule))
    for rule in wanted - there:
        here.rule("add", **_words(rule))
    return wanted != there


def _words(rule: _Rule) -> dict[str, object]:
    version, source, mark = rule
    words: dict[str, object] = {"family": _FAMILIES[version], "table": _TABLE, "priority": _PRIORITY}
    if source is not None:
        return {**words, "src": source, "src_len": 32 if version == 4 else 128}
    return {**words, "fwmark": mark}
