"""The links between the nodes: three bridges in the control node, which all other nodes hang on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.nodes import Node
from hydria.adapters.linux.netns import inside, netlink, reporting
from stack.plan import (
    CONTROL,
    EXTERNAL_GATEWAY,
    MANAGEMENT,
    PROVIDER,
    UNDERLAY,
    management_address,
)


def make_bridges(control: Node) -> None:
    """Make the bridges; the control node has an address on the management network. Raises HostError."""
    with reporting("The bridges cannot be made"), netlink(control.network) as here:
        for name in (MANAGEMENT, UNDERLAY, PROVIDER):
            here.link("add", ifname=name, kind="bridge", state="up")
        index = here.link_lookup(ifname=MANAGEMENT)[0]
        here.addr("add", index=index, address=management_address(CONTROL), prefixlen=24)


def plug_host(control: Node, host: Node) -> None:
    """Join a host with all bridges. Raises HostError."""
    _join(control, host, MANAGEMENT, "mgmt0", management_address(host.name))
    _join(control, host, UNDERLAY, "under0")
    _join(control, host, PROVIDER, "prov0")


def plug_outside(control: Node, outside: Node) -> None:
    """Join the node outside of the cloud, which is the gateway of the external network. Raises HostError."""
    _join(control, outside, PROVIDER, "eth0", EXTERNAL_GATEWAY)


def cut(control: Node, name: str, *, whole: bool = True) -> None:
    """Take the carrier from a node's links (or give it back)."""
    with reporting(f"The links of {name} cannot be changed"), netlink(control.network) as here:
        for bridge in (MANAGEMENT, UNDERLAY, PROVIDER):
            for index in here.link_lookup(ifname=_end(bridge, name)):
                here.link("set", index=index, state="down" if whole else "up")


def _join(control: Node, node: Node, bridge: str, inner: str, address: str | None = None) -> None:
    outer = _end(bridge, node.name)
    with _reporting(node), netlink(control.network) as here, netlink(node.network) as there:
        here.link("add", ifname=outer, kind="veth", peer={"ifname": inner, "net_ns_pid": node.running})
        here.link("set", index=here.link_lookup(ifname=outer)[0], master=here.link_lookup(ifname=bridge)[0], state="up")
        index = there.link_lookup(ifname=inner)[0]
        if address is not None:
            there.addr("add", index=index, address=address, prefixlen=24)
        there.link("set", index=index, state="up")
    if bridge != MANAGEMENT:
        # The userspace datapath fills in no checksums that were left to the hardware.
        for where, link in ((control.network, outer), (node.network, inner)):
            with inside(where):
                words = ("ethtool", "-K", link, "tx", "off", "gso", "off", "tso", "off")
                subprocess.run(words, check=True, capture_output=True)


def _end(bridge: str, name: str) -> str:
    return f"{bridge[:4]}-{name}"


@contextmanager
def _reporting(node: Node) -> Iterator[None]:
    with reporting(f"The links of {node.name} cannot be made"):
        yield
