"""Port security: a port cannot send in another's name, and passes what Neutron passes."""

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import pytest
from msgspec import structs

from hydria.adapters.linux import nft
from hydria.adapters.linux.kernel import ensure_interface, remove_interface
from hydria.adapters.linux.names import Names, switch_end
from hydria.adapters.linux.netns import inside, netlink
from hydria.adapters.linux.port_filters import drop_filters
from hydria.adapters.linux.topology import TopologyWiring
from hydria.contract import AddressPair, Interface, Network, Topology
from hydria.render.port_filter import TABLE
from tests.linux.wires import ask, host, interface, server, uuid

VIP, VIP6, OWN, OWN6, CLIENT, CLIENT6 = (
    "10.0.0.10", "2001:db8::10", "10.0.0.66", "2001:db8::66", "10.0.0.50", "2001:db8::50",
)  # fmt: skip
MARKER = b"the last of them"
EVERYONE = "ff:ff:ff:ff:ff:ff"
FOREIGN_MAC = "fa:16:3e:99:99:99"


@dataclass
class Segment:
    """A network with a served VIP, a client, and an attacker's port."""

    names: Names
    network: str
    nic: Interface
    victim: str
    client: str
    attacker: str

    def secure(self, **changes: object) -> bool:
        """Change the attacker's port and apply it."""
        self.nic = structs.replace(self.nic, **changes)
        return ensure_interface(self.names, self.attacker, "eth0", self.nic)

    def arrives(self, *frames: bytes) -> list[bool]:
        """Send frames from the attacker's link; return which of them reach the client's link."""
        with _packets(self.client) as seen, _packets(self.attacker) as out:
            for number, frame in enumerate(frames):
                out.send(frame + bytes([number]) * 8)
            mark = _ethernet(self.nic.mac, 0x0800, _ipv4(OWN, CLIENT, 253, MARKER))
            out.send(mark)
            found: list[bytes] = []
            # A link keeps the order: frames that did not arrive before the marker were dropped.
            while not found or MARKER not in found[-1]:
                found.append(seen.recv(4000))
        return [any(got.endswith(bytes([number]) * 8) for got in found) for number in range(len(frames))]

    @property
    def filters(self) -> set[str]:
        return set(nft.rules_by_chain(self.names.switch, "netdev", TABLE))


@pytest.fixture
def segment(names: Names) -> Segment:
    network = uuid()
    nic = structs.replace(interface(network, f"{OWN}/24", f"{OWN6}/64"), port_security=True)
    victim = structs.replace(interface(network, f"{VIP}/24", f"{VIP6}/64"), port_security=True)
    client = structs.replace(interface(network, f"{CLIENT}/24", f"{CLIENT6}/64"), port_security=True)
    return Segment(
        names, network, nic, host(names, "victim", victim), host(names, "client", client), host(names, "evil", nic)
    )


@contextmanager
def _packets(namespace: str) -> Iterator[socket.socket]:
    with inside(namespace):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind(("eth0", 3))
    with made:
        made.settimeout(60)
        yield made


def _ethernet(source: str, kind: int, payload: bytes, to: str = EVERYONE) -> bytes:
    macs = bytes.fromhex((to + source).replace(":", ""))
    return macs + struct.pack("!H", kind) + payload


def _arp(mac: str, sender: str, sender_mac: str | None = None) -> bytes:
    inner = bytes.fromhex((sender_mac or mac).replace(":", ""))
    address = ip_address(sender).packed
    return _ethernet(mac, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + inner + address + b"\xff" * 6 + address)


def _ipv4(source: str, to: str, protocol: int, payload: bytes) -> bytes:
    addresses = ip_address(source).packed + ip_address(to).packed
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + addresses + payload


def _ipv6(source: str, to: str, protocol: int, payload: bytes) -> bytes:
    addresses = ip_address(source).packed + ip_address(to).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + addresses + payload


def _udp(source: int, to: int) -> bytes:
    return struct.pack("!HHHH", source, to, 16, 0) + bytes(8)


def _neighbour(kind: int, target: str) -> bytes:
    return struct.pack("!BBHI", kind, 0, 0, 0x20000000) + ip_address(target).packed


def _claim(segment: Segment, *addresses: str) -> None:
    """Add foreign addresses to the attacker's link, and let its kernel announce them."""
    with inside(segment.attacker):
        for address in addresses:
            flags = ["nodad"] if ":" in address else []
            subprocess.run(["ip", "addr", "add", address, "dev", "eth0", *flags], check=True)
        subprocess.run(["sysctl", "-q", "-w", "net.ipv6.conf.eth0.ndisc_notify=1"], check=True)
        for state in ("down", "up"):
            subprocess.run(["ip", "link", "set", "eth0", state], check=True)
        for address in addresses:
            if ":" in address:
                subprocess.run(["ip", "addr", "replace", address, "dev", "eth0", "nodad"], check=True)


def test_a_claimed_vip_gets_no_clients(segment: Segment) -> None:
    _claim(segment, f"{VIP}/24", f"{VIP6}/64")
    with (
        server(segment.victim, VIP, "right "),
        server(segment.victim, VIP6, "right "),
        server(segment.attacker, VIP, "wrong "),
        server(segment.attacker, VIP6, "wrong "),
    ):
        for _ in range(30):
            # A client that resolves the address again would get both answers.
            with inside(segment.client):
                subprocess.run(["ip", "neigh", "flush", "dev", "eth0"], check=True)
            segment.arrives(_arp(segment.nic.mac, VIP))
            assert ask(segment.client, VIP, seconds=60) == f"right {CLIENT}"
            assert ask(segment.client, VIP6, seconds=60) == f"right {CLIENT6}"


def test_only_what_the_port_may_send_arrives(segment: Segment) -> None:
    mac = segment.nic.mac
    local = str(ip_address(b"\xfe\x80" + bytes(6) + _eui64(mac)))
    good = [
        _arp(mac, OWN),
        _ethernet(mac, 0x0800, _ipv4(OWN, CLIENT, 17, _udp(5000, 53))),
        _ethernet(mac, 0x0800, _ipv4("0.0.0.0", "255.255.255.255", 17, _udp(68, 67))),  # noqa: S104
        _ethernet(mac, 0x86DD, _ipv6(OWN6, CLIENT6, 17, _udp(5000, 53))),
        _ethernet(mac, 0x86DD, _ipv6(local, "ff02::1", 58, _neighbour(136, local))),
        _ethernet(mac, 0x86DD, _ipv6(OWN6, "ff02::1", 58, _neighbour(136, OWN6))),
        _ethernet(mac, 0x86DD, _ipv6("::", "ff02::1:ff00:66", 58, _neighbour(135, OWN6))),
    ]
    bad = [
        _arp(mac, VIP),
        _arp(mac, "0.0.0.0"),  # noqa: S104
        _arp(mac, OWN, FOREIGN_MAC),
        _arp(FOREIGN_MAC, OWN),
        _ethernet(FOREIGN_MAC, 0x0800, _ipv4(OWN, CLIENT, 17, _udp(5000, 53))),
        _ethernet(mac, 0x0800, _ipv4(VIP, CLIENT, 17, _udp(5000, 53))),
        _ethernet(mac, 0x0800, _ipv4(VIP, "255.255.255.255", 17, _udp(68, 67))),
        # Answers of a DHCP server and of a router.
        _ethernet(mac, 0x0800, _ipv4(OWN, "255.255.255.255", 17, _udp(67, 68))),
        _ethernet(mac, 0x86DD, _ipv6(local, "ff02::1:2", 17, _udp(547, 546))),
        _ethernet(mac, 0x86DD, _ipv6(local, "ff02::1", 58, _neighbour(134, OWN6))),
        _ethernet(mac, 0x86DD, _ipv6(local, CLIENT6, 58, _neighbour(137, VIP6))),
        # A neighbour advertisement of a foreign address, from the port's own.
        _ethernet(mac, 0x86DD, _ipv6(OWN6, "ff02::1", 58, _neighbour(136, VIP6))),
        _ethernet(mac, 0x86DD, _ipv6(VIP6, CLIENT6, 17, _udp(5000, 53))),
        _ethernet(mac, 0x86DD, _ipv6("fe80::1", CLIENT6, 17, _udp(5000, 53))),
        _ethernet(mac, 0x86DD, _ipv6("::", "ff02::1", 58, _neighbour(136, VIP6))),
        # Frames in a VLAN, which the bridge does not inspect, and other EtherTypes.
        _ethernet(mac, 0x8100, struct.pack("!HH", 0, 0x0800) + _ipv4(VIP, CLIENT, 17, _udp(5000, 53))),
        _ethernet(mac, 0x8035, bytes(28)),
        _ethernet(mac, 0x88CC, bytes(46)),
    ]
    assert segment.arrives(*good) == [True] * len(good)
    assert segment.arrives(*bad) == [False] * len(bad)
    segment.secure(port_security=False)
    assert segment.arrives(*bad) == [True] * len(bad)
    assert switch_end(segment.nic.port_id) not in segment.filters
    segment.secure(port_security=True)
    assert segment.arrives(*bad) == [False] * len(bad)


def _eui64(mac: str) -> bytes:
    parts = bytes.fromhex(mac.replace(":", ""))
    return bytes([parts[0] ^ 2]) + parts[1:3] + b"\xff\xfe" + parts[3:]


def test_allowed_address_pairs_may_be_sent_from(segment: Segment) -> None:
    mac, other = segment.nic.mac, "fa:16:3e:88:88:88"
    frames = [
        _arp(mac, "10.0.0.200"),
        _ethernet(mac, 0x0800, _ipv4("10.0.0.207", CLIENT, 17, _udp(5000, 53))),
        _ethernet(mac, 0x86DD, _ipv6("2001:db8::2:1", CLIENT6, 17, _udp(5000, 53))),
        _ethernet(mac, 0x86DD, _ipv6(OWN6, "ff02::1", 58, _neighbour(136, "2001:db8::2:1"))),
        _ethernet(other, 0x0800, _ipv4("10.0.0.100", CLIENT, 17, _udp(5000, 53))),
        _arp(other, "10.0.0.100"),
    ]
    wrong = [_arp(mac, "10.0.0.100"), _arp(other, OWN), _arp(mac, "10.0.0.208")]
    assert segment.arrives(*frames) == [False] * len(frames)
    pairs = (
        AddressPair(mac=mac, cidr="10.0.0.200/29"),
        AddressPair(mac=mac, cidr="2001:db8::2:0/112"),
        AddressPair(mac=other, cidr="10.0.0.100"),
    )
    segment.secure(address_pairs=pairs)
    assert segment.arrives(*frames) == [True] * len(frames)
    assert segment.arrives(*wrong) == [False] * len(wrong)
    segment.secure(address_pairs=(AddressPair(mac=mac, cidr="0.0.0.0/0"), AddressPair(mac=mac, cidr="::/0")))
    assert segment.arrives(_arp(mac, VIP), _arp(FOREIGN_MAC, VIP), frames[2]) == [True, False, True]
    segment.secure(address_pairs=())
    assert segment.arrives(*frames) == [False] * len(frames)


def test_wire_repairs_removed_filters(segment: Segment) -> None:
    names, spoofed = segment.names, _arp(segment.nic.mac, VIP)
    wiring = TopologyWiring(names)
    topology = Topology(generation=1, networks=(Network(id=segment.network),))
    for damage in ("flush ruleset", f"flush chain netdev {TABLE} {switch_end(segment.nic.port_id)}"):
        with inside(names.switch):
            subprocess.run(["nft", damage], check=True)
        wiring.wire(topology)
        assert segment.arrives(spoofed) == [False]
        assert len(segment.filters) == 3
    assert not segment.secure()
    # A plugged port gets the changes of its port, and its filter again when it was removed.
    pairs = (AddressPair(mac=segment.nic.mac, cidr=VIP),)
    wiring.wire(structs.replace(topology, plugged=(structs.replace(segment.nic, address_pairs=pairs),)))
    assert segment.arrives(spoofed) == [True]
    wiring.wire(structs.replace(topology, plugged=(segment.nic,)))
    assert segment.arrives(spoofed) == [False]


def test_a_filter_of_another_process_is_loaded_again(segment: Segment) -> None:
    topology = Topology(generation=1, networks=(Network(id=segment.network),))
    wire = f"""
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.topology import TopologyWiring
from hydria.contract import Network, Topology
TopologyWiring(Names({segment.names.prefix!r})).wire(
    Topology(generation=1, networks=(Network(id={topology.networks[0].id!r}),))
)
"""
    with inside(segment.names.switch):
        subprocess.run(["nft", "flush", "ruleset"], check=True)
    subprocess.run([sys.executable, "-c", wire], check=True)
    assert segment.secure()
    assert segment.arrives(_arp(segment.nic.mac, VIP)) == [False]


def test_a_filter_is_removed_with_its_interface(segment: Segment) -> None:
    names, own = segment.names, switch_end(segment.nic.port_id)
    assert own in segment.filters
    remove_interface(names, segment.attacker, "eth0")
    drop_filters(names.switch)
    assert own not in segment.filters
    assert len(segment.filters) == 2
    # A new interface has its filter from the start.
    assert segment.secure()
    assert segment.arrives(_arp(segment.nic.mac, VIP)) == [False]


def test_a_port_that_is_switched_off_has_no_carrier(segment: Segment) -> None:
    def carrier() -> object:
        with netlink(segment.attacker) as here:
            return here.link("get", ifname="eth0")[0].get("carrier")

    assert carrier() == 1
    assert segment.secure(admin_state_up=False)
    assert carrier() == 0
    assert not segment.secure()
    assert segment.secure(admin_state_up=True)
    assert segment.arrives(_arp(segment.nic.mac, OWN)) == [True]
