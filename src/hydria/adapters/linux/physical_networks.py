"""Networks of type `flat` and `vlan`: a veth pair, the trunk, joins a network's bridge with a bridge of the machine.

Each network has a trunk of its own, so several may be on one physical network. The frames of a network of type `vlan`
are tagged on its trunk.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from hydria.adapters.linux.kernel import PORTS, ensure_bridge, repair_link
from hydria.adapters.linux.names import Names, trunk_end
from hydria.adapters.linux.netns import OWN, held, netlink, opened, reporting
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.adapters.linux.vlan_tags import ensure_vlan_tags
from hydria.contract import Network
from hydria.errors import HostError


@cache
def _mapping(setting: str) -> Mapping[str, str]:
    return dict(pair.split(":", 1) for pair in setting.split(","))


def bridge_of(physical_network: str, setting: str | None) -> str:
    """Return the machine's bridge of a physical network by the setting `agent.bridges`. Raises HostError."""
    if setting is None:
        return physical_network
    found = _mapping(setting).get(physical_network)
    if found is None:
        raise HostError(
            f"The physical network {physical_network} is not among agent.bridges of this host ({setting}). Add it: "
            f"{physical_network}:BRIDGE."
        )
    return found


def physical_networks(setting: str | None) -> tuple[str, ...]:
    """Return the physical networks whose bridges the machine has now. Raises HostError."""
    with reporting("The machine's bridges cannot be listed"), netlink(OWN) as here:
        bridges = {str(link.get("ifname")) for link in here.get_links() if link.get("kind") == "bridge"}
    if setting is None:
        return tuple(sorted(bridges))
    return tuple(sorted(name for name, bridge in _mapping(setting).items() if bridge in bridges))


def ensure_physical_network(names: Names, network: Network, bridge: str) -> bool:
    """Join a network to a bridge of the machine; True when anything was changed. Raises HostError."""
    failure = f"The network {network.id} cannot be joined to the bridge {bridge}"
    with reporting(failure), held(names.switch), netlink(OWN) as here, netlink(names.switch) as switch:
        there = here.find(bridge)
        if there is None or there.get("kind") != "bridge":
            raise HostError(f"{failure}: the machine has no such bridge. Make it: ip link add {bridge} type bridge.")
        inner, _ = ensure_bridge(switch, network.id)
        outer, own = here.find(names.trunk(network.id)), switch.find(trunk_end(network.id))
        if outer is None or own is None or outer.get("link") != own["index"] or own.get("link") != outer["index"]:
            for socket, link in ((here, outer), (switch, own)):
                if link is not None:
                    socket.delete_link(link["index"])
            _join(names, switch, network)
            outer, own = here.find(names.trunk(network.id)), switch.find(trunk_end(network.id))
        assert outer is not None  # noqa: S101 - just made
        assert own is not None  # noqa: S101 - just made
        # Tagged before it is up.
        changed = ensure_vlan_tags(switch, own["index"], network.vlan)
        for socket, link, master in ((here, outer, there["index"]), (switch, own, inner)):
            changed |= repair_link(socket, link, {"mtu": network.mtu, "state": "up", "master": master})
        if network.vlan is not None:
            _ensure_membership(here, there, outer["index"], network.vlan)
        return changed


def remove_trunks(switch: Netlink, ends: set[str]) -> None:
    """Remove the trunks of networks that are gone, given by their ends in the switch."""
    for link in switch.get_links() if ends else ():
        if str(link.get("ifname")) in ends:
            switch.delete_link(link["index"])


def _ensure_membership(here: Netlink, bridge: dict[str, Any], port: int, vlan: int) -> None:
    """Let the VLAN through a bridge that filters VLANs. The bridge's other ports are the operator's to set."""
    if bridge.get("vlan_filtering"):
        here.vlan_filter("add", index=port, vlan_info={"vid": vlan})


def _join(names: Names, switch: Netlink, network: Network) -> None:
    with opened(OWN) as descriptor:
        switch.add_veth(
            {"ifname": names.trunk(network.id), "net_ns_fd": descriptor}, ifname=trunk_end(network.id), group=PORTS
        )
