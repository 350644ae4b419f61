"""The cables between the nodes and the wire, and what is wrong with them.

All cables end at bridges in the node `wire`: `wire` is the layer 2 of the hosts' bridges, members and the client, and
`management` joins servers and hosts. A cable is unplugged by its link, and disturbed by nftables rules of the bridges.
"""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from cluster.nodes import Node
from cluster.plan import BRIDGE, PREFIX_LENGTH
from cluster.plan import Node as Planned
from hydria.adapters.linux.netns import inside, netlink, reporting
from hydria.errors import HostError

Bridge = Literal["wire", "management"]
WIRE: Bridge = "wire"
MANAGEMENT: Bridge = "management"


class Fault(Struct, frozen=True, kw_only=True):
    """A fault of a node's cables.

    `bridges` are the cables that have it. `peers` limits it to frames from and to these nodes. Without peers, one_way
    and loss the cable is unplugged. With `one_way` only frames from the node are lost, and with `loss` so many percent.
    """

    node: str
    bridges: tuple[Bridge, ...] = (WIRE, MANAGEMENT)
    peers: tuple[str, ...] = ()
    one_way: bool = False
    loss: int = 100

    @property
    def unplugs(self) -> bool:
        """Whether the links go down."""
        return not self.peers and not self.one_way and self.loss == 100

    def __str__(self) -> str:
        """Describe it in a few words."""
        what = "cut" if self.loss == 100 else f"loses {self.loss} %"
        of = f" of {' and '.join(self.bridges)}" if len(self.bridges) == 1 else ""
        where = f" from {', '.join(self.peers)}" if self.peers else ""
        return f"{what}{of}{where}{' (one way)' if self.one_way else ''}"


class Cables:
    """All cables of a cluster. The faults are in a file, so that they outlive a node's power cut."""

    def __init__(self, wire: Node) -> None:
        self._wire = wire
        self._file = wire.home / "faults.json"

    def make_bridges(self) -> None:
        """Make the bridges."""
        with reporting("The wire cannot be made"), netlink(self._wire.network) as wire:
            for name in (WIRE, MANAGEMENT):
                wire.link("add", ifname=name, kind="bridge", state="up")

    def plug(self, node: Node, planned: Planned) -> None:
        """Join a node with its bridges, and give it its addresses. Raises HostError."""
        with reporting(f"The cables of {node.name} cannot be made"):
            if planned.management is not None:
                self._join(node, MANAGEMENT, "mgmt0", planned.management)
            if planned.wire is not None:
                self._join(node, WIRE, "eth0", planned.wire)
            if planned.kind == "host":
                self._join(node, WIRE, "eth0", None)
                _bridge(node)
        self._apply(self.faults())

    def unplug(self, name: str) -> None:
        """Remove the cables of a node. Raises HostError."""
        with reporting(f"The cables of {name} cannot be removed"), netlink(self._wire.network) as wire:
            for bridge in (WIRE, MANAGEMENT):
                link = wire.find(end(bridge, name))
                if link is not None:
                    wire.link("del", index=link["index"])

    def faults(self) -> list[Fault]:
        """Return what is wrong now."""
        return msgspec.json.decode(self._file.read_bytes(), type=list[Fault]) if self._file.exists() else []

    def disturb(self, fault: Fault) -> None:
        """Add a fault. Raises HostError."""
        self._set([*self.faults(), fault])

    def heal(self, name: str | None) -> None:
        """End the faults of a node, also those of other nodes from it; None ends all. Raises HostError."""
        self._set([fault for fault in self.faults() if name is not None and name not in (fault.node, *fault.peers)])

    def _set(self, faults: list[Fault]) -> None:
        self._file.write_bytes(msgspec.json.encode(faults))
        self._apply(faults)

    def _apply(self, faults: Sequence[Fault]) -> None:
        down = {end(bridge, fault.node) for fault in faults if fault.unplugs for bridge in fault.bridges}
        with reporting("The cables cannot be changed"), netlink(self._wire.network) as wire:
            ends = {str(link.get("ifname")): link for link in wire.get_links()}
            for name, link in ends.items():
                state = "down" if name in down else "up"
                if name[:2] in ("w-", "m-") and link["state"] != state:
                    wire.link("set", index=link["index"], state=state)
        self._load(render(faults, ends))

    def _load(self, text: str) -> None:
        with inside(self._wire.network):
            done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HostError(f"The faults cannot be set: {done.stderr.strip()}")

    def _join(self, node: Node, bridge: Bridge, inner: str, address: str | None) -> None:
        with netlink(self._wire.network) as wire, netlink(node.network) as there:
            peer = {"ifname": inner, "net_ns_pid": node.running}
            outer = end(bridge, node.name)
            wire.link("add", ifname=outer, kind="veth", peer=peer)
            master = wire.link_lookup(ifname=bridge)[0]
            wire.link("set", index=wire.link_lookup(ifname=outer)[0], master=master, state="up")
            index = there.link_lookup(ifname=inner)[0]
            if address is not None:
                there.addr("add", index=index, address=address, prefixlen=PREFIX_LENGTH)
            there.link("set", index=index, state="up")


def end(bridge: Bridge, name: str) -> str:
    """Return the end of a node's cable at a bridge."""
    return f"{bridge[0]}-{name}"


def render(faults: Iterable[Fault], ends: Iterable[str]) -> str:
    """Return the nftables rules for what is disturbed without being unplugged; rules need links that exist."""
    known, rules = set(ends), []
    for fault in faults:
        if fault.unplugs:
            continue
        chance = "" if fault.loss == 100 else f"numgen random mod 100 < {fault.loss} "
        for bridge in fault.bridges:
            own = end(bridge, fault.node)
            peers = [name for peer in fault.peers if (name := end(bridge, peer)) in known]
            if own not in known or (fault.peers and not peers):
                continue
            others = f" {{ {', '.join(peers)} }}" if peers else ""
            rules.append(f"iifname {own}{f' oifname{others}' if others else ''} {chance}drop")
            if not fault.one_way:
                rules.append(f"{f'iifname{others} ' if others else ''}oifname {own} {chance}drop")
    body = "\n".join(f"        {rule}" for rule in rules)
    chain = f"    chain forward {{\n        type filter hook forward priority 0;\n{body}\n    }}\n"
    return f"table bridge faults {{}}\ndelete table bridge faults\ntable bridge faults {{\n{chain}}}\n"


def _bridge(node: Node) -> None:
    """Make a host's own bridge on its cable to the wire."""
    with netlink(node.network) as here:
        here.link("add", ifname=BRIDGE, kind="bridge", state="up")
        bridge = here.link_lookup(ifname=BRIDGE)[0]
        here.link("set", index=here.link_lookup(ifname="eth0")[0], master=bridge)


def carrier(root: Path, link: str) -> bool:
    """Return whether a node's link has a carrier, by its own /sys."""
    try:
        return (root / "sys/class/net" / link / "carrier").read_text().strip() == "1"
    except OSError:
        return False
