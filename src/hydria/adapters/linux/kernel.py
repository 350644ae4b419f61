"""Links by netlink: an interface is a veth pair between a bridge in the switch and a namespace. No process is started.

Every function may be called from several threads at once, and repairs an existing state.
"""

import errno
import os
import socket
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from typing import Any, Unpack

from pyroute2.netlink.exceptions import NetlinkError

from hydria.adapters.linux.bandwidth import ensure_limits
from hydria.adapters.linux.names import Names, bridge, switch_end
from hydria.adapters.linux.netns import (
    ensure_namespace,
    exists,
    held,
    inside,
    netlink,
    opened,
    reporting,
)
from hydria.adapters.linux.port_filters import ensure_filter, rename_filter
from hydria.adapters.linux.rtnetlink import LinkValues, Netlink, Row, State
from hydria.contract import Interface, Route
from hydria.model.addresses import link_local
from hydria.render.port_filter import Forward

# The link group of all veth ends in the switch, so that one request removes them all.
PORTS = 1

_FORWARDING = 3
_FORWARDING_WAIT = 0.5
_MAIN_TABLE, _BY_KERNEL, _STATIC, _UNICAST = 254, 2, 4, 1
_SCOPE_LINK = 253
# IFA_F_SECONDARY: an IPv4 address that is not the first of its subnet.
_SECONDARY = 0x01

_Address = IPv4Interface | IPv6Interface
# Destination and gateway; None for a route without one.
_Hop = tuple[IPv4Network | IPv6Network, str | None]


def ensure_switch(names: Names) -> bool:
    """Make the namespace of the bridges; return True when there was none. Raises HostError."""
    # The switch itself has no addresses.
    silent = {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"}
    # iptables is not used here, and passing it costs time for each packet.
    silent |= {f"net.bridge.bridge-nf-call-{tables}": "0" for tables in ("iptables", "ip6tables", "arptables")}
    return ensure_namespace(names.switch, silent)


def ensure_bridge(switch: Netlink, network_id: str) -> tuple[int, bool]:
    """Return the index of a network's bridge in the switch, and whether it had to be made or brought up.

    A caller holds the switch until the bridge has its port, because others may remove a bridge without ports.
    """
    name = bridge(network_id)
    found = switch.find(name)
    if found is None:
        try:
            # Without STP a delay has no use, but the kernel would say after it that each port has changed.
            switch.link("add", ifname=name, kind="bridge", state="up", br_mcast_snooping=0, br_forward_delay=0)
        except NetlinkError as error:
            # Another thread has made it.
            if error.code != errno.EEXIST:
                raise
        return int(get_link(switch, name)["index"]), True
    if found["state"] != "up":
        switch.set_link(found["index"], state="up")
        return int(found["index"]), True
    return int(found["index"]), False


def ensure_interface(
    names: Names,
    namespace: str,
    link: str,
    interface: Interface,
    *,
    others: Collection[str] = (),
    forwards: Collection[Forward] = (),
) -> bool:
    """Attach a namespace to a network: a link with the port's MAC, MTU, addresses and routes, up.

    Makes the switch and the bridge where they are missing; returns whether anything was changed. When it returns,
    packets pass, and new addresses were announced to neighbours. `others` are IP addresses that the link may have
    besides, which somebody else adds and removes; `forwards` is what port security lets pass besides. Raises HostError.
    """
    with reporting(f"The link {link} cannot be attached to the network namespace {namespace}"):
        changed = ensure_switch(names)
        with netlink(namespace) as here, netlink(names.switch) as switch:
            with held(names.switch):
                near, end, repaired = _ensure_pair(names, here, switch, namespace, link, interface)
                # Before the link is up.
                secured = ensure_filter(names.switch, switch, end, interface, forwards)
                repaired |= ensure_state(switch, end, "up" if interface.admin_state_up else "down")
            fresh, readdressed = ensure_addresses(here, near["index"], interface, others)
            raised = ensure_state(here, near, "up")
            fresh |= ensure_connected(here, near["index"], interface)
            fresh |= ensure_link_local(here, near["index"], interface)
            if (repaired or raised) and interface.admin_state_up:
                _await_forwarding(switch, switch_end(interface.port_id))
            if repaired or raised or fresh:
                announce(here, namespace, link, near["index"], interface.mac)
            rerouted = ensure_routes(here, near["index"], interface.routes)
            shaped = ensure_limits(here, near, switch, end, interface)
        return changed or repaired or secured or fresh or readdressed or raised or rerouted or shaped


def remove_interface(names: Names, namespace: str, link: str) -> bool:
    """Delete a link with its other end in the switch; False when there was none. Raises HostError."""
    if not exists(namespace):
        return False
    failure = f"The link {link} of the network namespace {namespace} cannot be removed"
    with reporting(failure), netlink(namespace) as here:
        return delete_link(here, here.find(link))


def remove_all_interfaces(names: Names) -> None:
    """Delete every interface of every namespace at once, because each takes 20 ms by itself. Raises HostError."""
    if not exists(names.switch):
        return
    with reporting("The ports of the switch cannot be removed"), netlink(names.switch) as switch, _none_if_absent():
        switch.delete_links(PORTS)


def links(namespace: str) -> list[str]:
    """Return the names of a namespace's links but `lo`. Raises HostError."""
    with reporting(f"The links of the network namespace {namespace} cannot be read"), netlink(namespace) as here:
        return [str(link.get("ifname")) for link in here.get_links() if link["index"] != 1]


def get_link(socket: Netlink, name: str) -> Row:
    """Return a link by its name. Raises OSError (ENODEV) when there is none."""
    link = socket.find(name)
    if link is None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    return link


@contextmanager
def _none_if_absent() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


def _ensure_pair(
    names: Names, here: Netlink, switch: Netlink, namespace: str, link: str, interface: Interface
) -> tuple[Row, Row, bool]:
    """Make or mend the veth pair; returns its ends here and in the switch, and whether anything changed."""
    master, changed = ensure_bridge(switch, interface.network_id)
    near, end = here.find(link), switch.find(switch_end(interface.port_id))
    if near is not None and end is None and _take_over(names, here, switch, near, interface):
        changed, end = True, switch.find(switch_end(interface.port_id))
    if near is None or end is None or near.get("link") != end["index"] or end.get("link") != near["index"]:
        delete_link(here, near)
        delete_link(switch, end)
        make_pair(switch, namespace, link, interface, ifname=switch_end(interface.port_id), master=master, group=PORTS)
        return get_link(here, link), get_link(switch, switch_end(interface.port_id)), True
    changed |= repair_link(here, near, {"address": interface.mac.lower(), "mtu": interface.mtu})
    changed |= repair_link(switch, end, {"mtu": interface.mtu, "master": master})
    return near, end, changed


def _take_over(names: Names, here: Netlink, switch: Netlink, near: Row, interface: Interface) -> bool:
    """Make the link of another port this port's, so that its connections lose no packet.

    An amphora whose first interface was the VIP's port gets a base port of its own in this way. Returns whether it was
    done; otherwise the link has to be replaced.
    """
    peer = int(near.get("link") or 0)
    before = next((each for each in switch.get_links() if each["index"] == peer), None)
    if before is None or before.get("link") != near["index"] or before.get("group") != PORTS:
        return False
    try:
        switch.set_link(peer, ifname=switch_end(interface.port_id))
    except OSError as error:
        # Older kernels do not rename a link that is up.
        if error.errno != errno.EBUSY:
            raise
        return False
    rename_filter(names.switch, before, str(near.get("address")), interface)
    _set_mac(here, near, interface.mac.lower())
    near["address"] = interface.mac.lower()
    return True


def _set_mac(here: Netlink, near: Row, mac: str) -> None:
    """Change a link's MAC; its link-local address follows. The kernel announces its addresses, where it has been up."""
    index, before = near["index"], link_local(str(near.get("address")))
    there = [each for each in here.get_addr(index=index, family=socket.AF_INET6) if each["scope"] == _SCOPE_LINK]
    here.set_link(index, address=mac)
    if any(each.get("address") == str(before) for each in there):
        _add_addresses(here, index, [IPv6Interface((link_local(mac), 64))])
        _remove_addresses(here, index, [IPv6Interface((before, 64))])


def make_pair(other: Netlink, namespace: str, link: str, interface: Interface, **values: Unpack[LinkValues]) -> None:
    """Make a link in a namespace with the MAC and MTU of an interface; `values` are those of its other end."""
    values["mtu"] = interface.mtu
    # Both ends are made in their namespaces, because moving one takes milliseconds.
    with opened(namespace) as descriptor:
        peer: LinkValues = {"ifname": link, "net_ns_fd": descriptor, "address": interface.mac, "mtu": interface.mtu}
        other.add_veth(peer, **values)


def delete_link(socket: Netlink, link: Row | None) -> bool:
    """Delete a link; return whether there was one."""
    if link is None:
        return False
    with _none_if_absent():
        socket.delete_link(link["index"])
        return True
    return False


def repair_link(socket: Netlink, link: Row, wanted: LinkValues) -> bool:
    """Set what differs of a link's attributes; return whether anything did."""
    wrong: Any = {key: value for key, value in wanted.items() if link.get(key) != value}
    if wrong:
        socket.set_link(link["index"], **wrong)
    return bool(wrong)


def ensure_state(socket: Netlink, link: Row, state: State) -> bool:
    """Bring a link `up` or `down`; return whether it was not."""
    if link["state"] == state:
        return False
    socket.set_link(link["index"], state=state)
    return True


def announce(here: Netlink, namespace: str, link: str, index: int, mac: str) -> None:
    """Have the kernel announce the link's addresses, so that neighbours update their caches."""
    with inside(namespace), open(f"/proc/sys/net/ipv4/conf/{link}/arp_notify", "w") as file:
        file.write("1")
    # Setting the MAC, even to the same value, causes gratuitous ARP. Closing a packet socket would take 13 ms.
    here.set_link(index, address=mac)


def _await_forwarding(switch: Netlink, name: str) -> None:
    """Wait until the bridge forwards a port's packets: a lost ARP request is repeated only after a second."""
    deadline = time.monotonic() + _FORWARDING_WAIT
    while time.monotonic() < deadline:
        end = switch.find(name)
        if end is not None and end.get("port_state") == _FORWARDING:
            return
        time.sleep(0.0005)


def _wanted_addresses(interface: Interface) -> list[_Address]:
    return [ip_interface(f"{address.ip}/{address.prefix}") for address in interface.addresses]


def ensure_addresses(here: Netlink, index: int, interface: Interface, others: Collection[str]) -> tuple[bool, bool]:
    """Make the addresses what they should be; returns whether some are new and whether anything changed."""
    wanted = _wanted_addresses(interface)
    there = {
        ip_interface(f"{address.get('address')}/{address['prefixlen']}"): int(address["flags"])
        for address in here.get_addr(index=index)
        if address["scope"] != _SCOPE_LINK
    }
    misordered = _misordered(wanted, there)
    _remove_addresses(here, index, misordered)
    new = [each for each in wanted if each not in there or each in misordered]
    _add_addresses(here, index, new)
    stale = {each for each in there if each not in wanted and str(each.ip) not in others}
    _remove_addresses(here, index, stale)
    return bool(new), bool(new or stale)


def _misordered(wanted: list[_Address], there: Mapping[_Address, int]) -> list[_Address]:
    """Return the addresses of IPv4 subnets where the kernel does not send from the first wanted address.

    The kernel sends from the address that was added first, so all of them have to be removed and added again.
    """
    first: dict[object, _Address] = {}
    for each in wanted:
        first.setdefault(each.network, each)
    wrong = {each.network for each in first.values() if each.version == 4 and there.get(each, _SECONDARY) & _SECONDARY}
    return [each for each in wanted if each in there and each.network in wrong]


def _add_addresses(here: Netlink, index: int, addresses: Iterable[_Address]) -> None:
    for address in addresses:
        here.add_address(index, address)


def _remove_addresses(here: Netlink, index: int, addresses: Iterable[_Address]) -> None:
    for address in addresses:
        here.delete_address(index, address)


def ensure_connected(here: Netlink, index: int, interface: Interface) -> bool:
    """Have the kernel make the routes to the subnets of a link's addresses again, where they are missing."""
    there = {
        ip_network(f"{route.get('dst')}/{route['dst_len']}")
        for route in here.get_routes(table=_MAIN_TABLE)
        if route.get("oif") == index and route["proto"] == _BY_KERNEL and route.get("dst")
    }
    wanted = _wanted_addresses(interface)
    missing = [each for each in wanted if each.network.num_addresses > 1 and each.network not in there]
    _remove_addresses(here, index, missing)
    _add_addresses(here, index, missing)
    return bool(missing)


def ensure_link_local(here: Netlink, index: int, interface: Interface) -> bool:
    """Add the link-local address of a link with IPv6 addresses; returns whether it was missing."""
    if all(address.version == 4 for address in _wanted_addresses(interface)):
        return False
    if any(address["scope"] == _SCOPE_LINK for address in here.get_addr(index=index, family=socket.AF_INET6)):
        return False
    try:
        _add_addresses(here, index, [IPv6Interface((link_local(interface.mac), 64))])
    except OSError as error:
        # The kernel has added it meanwhile, in a namespace that an earlier version made.
        if error.errno != errno.EEXIST:
            raise
    return True


def ensure_routes(here: Netlink, index: int, routes: tuple[Route, ...], table: int = _MAIN_TABLE) -> bool:
    """Make the static routes of a link in a table as wanted; return True when anything was changed."""
    wanted = {(ip_network(route.destination), route.via) for route in routes}
    there = {
        _hop(route)
        for route in here.get_routes(table=table)
        if route.get("oif") == index and route["proto"] == _STATIC and route["type"] == _UNICAST
    }
    for hop in there - wanted:
        here.delete_route(index, *hop, table)
    # Routes without a gateway first, because gateways may need them.
    for hop in sorted(wanted - there, key=lambda hop: (hop[1] is not None, hop[0].version, hop)):
        here.replace_route(index, *hop, table)
    return wanted != there


def routing_rules(here: Netlink, family: int) -> list[Row]:
    """Return the rules of policy routing of an address family; none where the kernel does not have it."""
    try:
        return list(here.get_rules(family=family))
    except NetlinkError as error:
        if error.code in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            return []
        raise


def _hop(route: Any) -> _Hop:
    anywhere = "0.0.0.0" if route["family"] == 2 else "::"  # noqa: S104
    return ip_network(f"{route.get('dst') or anywhere}/{route['dst_len']}"), route.get("gateway")
