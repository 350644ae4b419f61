"""Networks of type `flat`: a veth pair joins a network's bridge with a bridge of the machine."""

import os

from pyroute2 import IPRoute

from hydria.adapters.linux.kernel import PORTS, ensure_bridge, find
from hydria.adapters.linux.names import Names, trunk_end
from hydria.adapters.linux.netns import OWN, held, namespace_path, netlink, reporting
from hydria.contract import Network
from hydria.errors import HostError


def ensure_flat_network(names: Names, network: Network) -> bool:
    """Join a network to the machine's bridge that it names; True when anything was changed. Raises HostError."""
    assert network.physical is not None  # noqa: S101 - asked for by the caller
    failure = f"The network {network.id} cannot be joined to the bridge {network.physical}"
    with reporting(failure), held(names.switch), netlink(OWN) as here, netlink(names.switch) as switch:
        there = find(here, network.physical)
        if there is None or (there.get("linkinfo") or {}).get("kind") != "bridge":
            raise HostError(
                f"{failure}: the machine has no such bridge. Make it: ip link add {network.physical} type bridge."
            )
        inner, _ = ensure_bridge(switch, network.id)
        outer, own = find(here, names.trunk(network.id)), find(switch, trunk_end(network.id))
        wanted = {"mtu": network.mtu, "state": "up"}
        if outer is None or own is None or outer.get("link") != own["index"] or own.get("link") != outer["index"]:
            for socket, link in ((here, outer), (switch, own)):
                if link is not None:
                    socket.link("del", index=link["index"])
            _join(names, switch, network)
            outer, own = find(here, names.trunk(network.id)), find(switch, trunk_end(network.id))
        assert outer is not None  # noqa: S101 - just made
        assert own is not None  # noqa: S101 - just made
        changed = False
        for socket, link, master in ((here, outer, there["index"]), (switch, own, inner)):
            state = wanted | {"master": master}
            if {"mtu": link.get("mtu"), "state": link["state"], "master": link.get("master")} != state:
                socket.link("set", index=link["index"], **state)
                changed = True
        return changed


def remove_flat_networks(switch: IPRoute, ends: set[str]) -> None:
    """Remove the veth pairs of networks that are gone, given by their ends in the switch."""
    for link in switch.get_links() if ends else ():
        if str(link.get("ifname")) in ends:
            switch.link("del", index=link["index"])


def _join(names: Names, switch: IPRoute, network: Network) -> None:
    descriptor = os.open(namespace_path(OWN), os.O_RDONLY)
    try:
        peer = {"ifname": names.trunk(network.id), "net_ns_fd": descriptor}
        switch.link("add", ifname=trunk_end(network.id), kind="veth", group=PORTS, peer=peer)
    finally:
        os.close(descriptor)
