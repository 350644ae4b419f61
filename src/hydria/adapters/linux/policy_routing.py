"""Policy routing of an amphora with several interfaces: packets from a VIP leave by the VIP's interface.

A routing table has that interface's subnets and routes. Rules select it: one for each address of the interface and
each VIP, and one for packets with the mark `BACK`, which nftables forwards to clients and which get the VIP as their
source only after routing.
"""

import socket
from collections.abc import Collection, Iterator
from ipaddress import ip_address, ip_interface

from hydria.adapters.linux.kernel import ensure_routes, routing_rules
from hydria.adapters.linux.netns import netlink, reporting
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.contract import Interface, Route
from hydria.render.datagram import BACK

# The number of the table in Octavia's amphorae.
_TABLE = 1
# Between the rules of the tables `local` (0) and `main`.
_PRIORITY = 100
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# IP version, source and mark of packets that use the table.
_Rule = tuple[int, str | None, int | None]


def ensure_policy_routing(namespace: str, link: str, interface: Interface, vips: Collection[str] = ()) -> bool:
    """Have packets from an interface's addresses, and from VIPs, leave by it. Raises HostError.

    Returns True when anything changed.
    """
    subnets = [ip_interface(f"{address.ip}/{address.prefix}").network for address in interface.addresses]
    routes = [*(Route(destination=str(each), via=None) for each in subnets), *interface.routes]
    failure = f"The routes of {link} in the network namespace {namespace} cannot be made"
    with reporting(failure), netlink(namespace) as here:
        found = here.find(link)
        rerouted = found is not None and ensure_routes(here, found["index"], tuple(routes), _TABLE)
        return _ensure_rules(here, set(_rules([*(each.ip for each in interface.addresses), *vips]))) or rerouted


def remove_policy_routing(namespace: str) -> None:
    """Remove the rules and routes, if there are any. Raises HostError."""
    failure = f"The routing rules of the network namespace {namespace} cannot be removed"
    with reporting(failure), netlink(namespace) as here:
        _ensure_rules(here, set())


def _rules(sources: Collection[str]) -> Iterator[_Rule]:
    for source in map(ip_address, sources):
        yield source.version, str(source), None
        yield source.version, None, BACK


def _ensure_rules(here: Netlink, wanted: set[_Rule]) -> bool:
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
