"""Policy routing of an amphora with several interfaces: packets from a VIP leave by the VIP's interface.

A routing table has that interface's subnets and routes. Rules select it: one for each address of the interface, and
one for packets with the mark `BACK`, which nftables forwards to clients and which get the VIP as their source only
after routing.
"""

import socket
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

from pyroute2 import IPRoute

from hydria.adapters.linux.kernel import ensure_routes, find, routing_rules
from hydria.adapters.linux.netns import netlink, reporting
from hydria.contract import Interface, Route
from hydria.render.datagram import BACK

# The number of the table in Octavia's amphorae.
_TABLE = 1
# Between the rules of the tables `local` (0) and `main`.
_PRIORITY = 100
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# IP version, source and mark of packets that use the table.
_Rule = tuple[int, str | None, int | None]


def ensure_policy_routing(namespace: str, link: str, interface: Interface) -> bool:
    """Have packets from an interface's addresses leave by it; return True when anything changed. Raises HostError."""
    subnets = [ip_interface(f"{address.ip}/{address.prefix}").network for address in interface.addresses]
    routes = [*(Route(destination=str(each), via=None) for each in subnets), *interface.routes]
    failure = f"The routes of {link} in the network namespace {namespace} cannot be made"
    with reporting(failure), netlink(namespace) as here:
        found = find(here, link)
        rerouted = found is not None and ensure_routes(here, found["index"], tuple(routes), _TABLE)
        return _ensure_rules(here, set(_rules(interface))) or rerouted


def remove_policy_routing(namespace: str) -> None:
    """Remove the rules and routes, if there are any. Raises HostError."""
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
