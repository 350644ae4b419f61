"""Networks of type `flat` and `vlan` on bridges of the machine, seen by machines that others attached there."""

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from hydria.adapters.linux.kernel import links
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, inside, netlink, remove_namespace
from hydria.adapters.linux.physical_networks import physical_networks
from hydria.adapters.linux.topology import TopologyWiring, links_of
from hydria.adapters.linux.vlan_tags import ensure_vlan_tags
from hydria.contract import Network, Topology
from hydria.errors import WiringError
from tests.linux.wires import ask, host, interface, server, uuid

OWN_NAMESPACE = "/proc/thread-self/ns/net"
_SOL_PACKET, _PACKET_AUXDATA, _VLAN_VALID = 263, 8, 0x10


def make_bridge(name: str) -> None:
    with netlink(OWN_NAMESPACE) as here:
        here.link("add", ifname=name, kind="bridge", state="up")


@contextmanager
def stranger(namespace: str, bridge: str, address: str, vlan: int | None) -> Iterator[str]:
    """A machine that others attached to the bridge; with `vlan` it sends and takes only tagged frames."""
    ensure_namespace(namespace)
    try:
        with netlink(OWN_NAMESPACE) as here:
            peer = {"ifname": "eth0", "net_ns_fd": namespace}
            here.link("add", ifname=namespace, kind="veth", peer=peer, master=here.link_lookup(ifname=bridge)[0])
            here.link("set", index=here.link_lookup(ifname=namespace)[0], state="up")
        with netlink(namespace) as there:
            (index,) = there.link_lookup(ifname="eth0")
            ensure_vlan_tags(there, index, vlan)
            there.link("set", index=index, state="up")
            there.addr("add", index=index, address=address, prefixlen=24)
        yield namespace
    finally:
        remove_namespace(namespace)


@contextmanager
def sniffed(link: str) -> Iterator[socket.socket]:
    """A socket that receives every frame on a link, with its VLAN tag as auxiliary data."""
    with inside(OWN_NAMESPACE), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as found:
        found.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        found.bind((link, 3))
        found.settimeout(30)
        yield found


def tag_of(sniffer: socket.socket, address: str) -> int | None:
    """Return the VLAN id of the next frame in which an address occurs, None for a frame without a tag."""
    frame = b""
    while socket.inet_aton(address) not in frame:
        frame, auxiliary, _, _ = sniffer.recvmsg(2048, 64)
    for level, kind, data in auxiliary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, tci = struct.unpack("=IIIHHHH", data[:20])[0], struct.unpack("=IIIHHHH", data[:20])[5]
            if status & _VLAN_VALID:
                return int(tci) & 0xFFF
    return int.from_bytes(frame[14:16]) & 0xFFF if frame[12:14] == b"\x81\x00" else None


def test_networks_of_one_physical_network_are_apart_by_their_vlans(names: Names) -> None:
    wiring = TopologyWiring(names, "physnet1:br-real")
    make_bridge("br-real")
    # The same addresses in each VLAN.
    networks = {vlan: Network(id=uuid(), physical="physnet1", vlan=vlan) for vlan in (None, 101, 102)}
    topology = Topology(generation=1, networks=tuple(networks.values()))
    wiring.wire(topology)
    with ExitStack() as stack:
        others = {
            vlan: stack.enter_context(stranger(f"{names.prefix}s{vlan or 0}", "br-real", "198.51.100.7", vlan))
            for vlan in networks
        }
        for vlan, network in networks.items():
            address = f"198.51.100.{(vlan or 0) + 8}"
            ours = host(names, f"ours{vlan or 0}", interface(network.id, f"{address}/24"))
            with server(others[vlan], "198.51.100.7"), sniffed(others[vlan]) as sniffer:
                assert ask(ours, "198.51.100.7", seconds=5) == address
                assert tag_of(sniffer, address) == vlan
        # A frame of another VLAN does not arrive.
        remove_namespace(others[102])
        with server(others[101], "198.51.100.7"):
            ours = host(names, "apart", interface(networks[102].id, "198.51.100.200/24"))
            with pytest.raises(TimeoutError):
                ask(ours, "198.51.100.7", seconds=1)
        before = set(links(names.switch))
        wiring.wire(topology)
        assert set(links(names.switch)) == before
        gone = Topology(generation=2, removed=tuple(each.id for each in networks.values()))
        wiring.wire(gone)
        trunks = links_of(topology) - {f"b{each.id.replace('-', '')[:12]}" for each in networks.values()}
        assert not trunks & set(links(names.switch))


def test_the_physical_networks_of_a_host_are_its_bridges_or_those_of_the_setting(names: Names) -> None:
    make_bridge("br-one")
    assert physical_networks(None) == ("br-one",)
    assert physical_networks("physnet1:br-one,physnet2:br-two") == ("physnet1",)
    wiring = TopologyWiring(names, "physnet1:br-one")
    lost = Network(id=uuid(), physical="physnet7")
    with pytest.raises(WiringError, match=r"physnet7 is not among agent\.bridges") as failed:
        wiring.wire(Topology(generation=1, networks=(lost,)))
    assert failed.value.networks.keys() == {lost.id}
