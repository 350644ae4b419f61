"""Real networks, routers, floating IPs and the machine's own link."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from hydria.adapters.linux.kernel import ensure_bridge, ensure_interface, ensure_switch, links, remove_interface
from hydria.adapters.linux.names import GATEWAY, Names, bridge, router_interface
from hydria.adapters.linux.netns import (
    ensure_namespace,
    held,
    inside,
    namespace_path,
    namespaces,
    netlink,
    remove_namespace,
    sysctl,
)
from hydria.adapters.linux.topology import TopologyWiring
from hydria.contract import Address, FloatingIp, Interface, Network, Route, Router, Topology
from hydria.errors import HostError, WiringError
from tests.linux.wires import addresses, ask, host, interface, server, uuid
from tests.support.waiting import wait_until

OWN_NAMESPACE = "/proc/thread-self/ns/net"
MACHINE, OWN, FLOATING, OTHER_FLOATING = "203.0.113.1", "203.0.113.10", "203.0.113.50", "203.0.113.51"


class Cloud:
    """An external and an inner network, the router between them, and their topology."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.wiring = TopologyWiring(names)
        self.external = Network(id=uuid(), external=True, host_addresses=(Address(ip=MACHINE, prefix=24),))
        self.inner = Network(id=uuid())
        self.router = Router(
            id=uuid(),
            # The home cloud gives every port its subnet's routes, also a router's port.
            interfaces=(interface(self.inner.id, "10.0.0.1/24", via="10.0.0.1"),),
            gateway=interface(self.external.id, f"{OWN}/24", via=MACHINE),
            snat_cidrs=("10.0.0.0/24",),
        )

    @property
    def namespace(self) -> str:
        return self.names.router(self.router.id)

    def topology(self, *routers: Router) -> Topology:
        return Topology(generation=1, networks=(self.external, self.inner), routers=routers)

    def wire(self, *floating: tuple[str, str]) -> None:
        pairs = tuple(FloatingIp(floating_ip=outer, fixed_ip=inner) for outer, inner in floating)
        self.router = structs.replace(self.router, floating_ips=pairs)
        self.wiring.wire(self.topology(self.router))

    def inside_host(self, name: str, address: str) -> str:
        return host(self.names, name, interface(self.inner.id, f"{address}/24", via="10.0.0.1"))

    def outside_host(self, name: str, address: str) -> str:
        return host(self.names, name, interface(self.external.id, f"{address}/24", via=MACHINE))


@pytest.fixture
def cloud(names: Names) -> Cloud:
    return Cloud(names)


@contextmanager
def _link_of(names: Names, address: str) -> Iterator[str]:
    """A namespace that the machine reaches by another link, in place of the outside world."""
    beyond = f"{names.prefix}beyond"
    other = Names(f"{names.prefix}y")
    network = uuid()
    ensure_namespace(beyond)
    try:
        ensure_interface(other, beyond, "eth0", interface(network, f"{address}/24", via="198.51.100.1"))
        ensure_interface(other, "/proc/thread-self/ns/net", "eth9", interface(network, "198.51.100.1/24"))
        yield beyond
    finally:
        remove_namespace(beyond)
        remove_namespace(other.switch)


def test_a_floating_ip_is_reached_from_outside_and_from_the_machine(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    web = cloud.inside_host("web", "10.0.0.11")
    client = cloud.outside_host("client", "203.0.113.77")
    with server(web, "10.0.0.11", "web sees "):
        assert ask(client, FLOATING) == "web sees 203.0.113.77"
        assert ask(None, FLOATING) == f"web sees {MACHINE}"


def test_an_inside_client_may_use_the_floating_ip(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"), (OTHER_FLOATING, "10.0.0.13"))
    web = cloud.inside_host("web", "10.0.0.11")
    with server(web, "10.0.0.11"):
        assert ask(cloud.inside_host("plain", "10.0.0.12"), FLOATING) == OWN
        assert ask(cloud.inside_host("known", "10.0.0.13"), FLOATING) == OTHER_FLOATING
        assert ask(web, FLOATING) == FLOATING


def test_inside_hosts_leave_with_floating_ip_or_snat_address(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    outside = cloud.outside_host("outside", "203.0.113.77")
    with server(outside, "203.0.113.77"):
        assert ask(cloud.inside_host("plain", "10.0.0.12"), "203.0.113.77") == OWN
        assert ask(cloud.inside_host("known", "10.0.0.11"), "203.0.113.77") == FLOATING


def test_without_snat_sources_are_not_translated(cloud: Cloud) -> None:
    cloud.router = structs.replace(cloud.router, snat_cidrs=())
    cloud.wire((FLOATING, "10.0.0.11"))
    outside = cloud.outside_host("outside", "203.0.113.77")
    with server(outside, "203.0.113.77"):
        assert ask(cloud.inside_host("known", "10.0.0.11"), "203.0.113.77") == FLOATING
        with pytest.raises(OSError, match=r"timed out|unreachable"):
            ask(cloud.inside_host("plain", "10.0.0.12"), "203.0.113.77")


def test_a_floating_ip_is_moved_and_removed(cloud: Cloud) -> None:
    first, second = cloud.inside_host("first", "10.0.0.11"), cloud.inside_host("second", "10.0.0.12")
    client = cloud.outside_host("client", "203.0.113.77")
    with server(first, "10.0.0.11", "first "), server(second, "10.0.0.12", "second "):
        cloud.wire((FLOATING, "10.0.0.11"))
        assert ask(client, FLOATING).startswith("first")
        cloud.wire((FLOATING, "10.0.0.12"))
        assert ask(client, FLOATING).startswith("second")
        cloud.wire()
        with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
            ask(client, FLOATING)
    assert addresses(cloud.namespace, GATEWAY) == {f"{OWN}/24"}


def test_a_connection_ends_with_its_floating_ip(cloud: Cloud) -> None:
    web, other = cloud.inside_host("web", "10.0.0.11"), cloud.inside_host("other", "10.0.0.12")
    client = cloud.outside_host("client", "203.0.113.77")
    with inside(web):
        first = socket.create_server(("10.0.0.11", 8081))
    with inside(other):
        second = socket.create_server(("10.0.0.12", 8081))
    cloud.wire((FLOATING, "10.0.0.11"), (OTHER_FLOATING, "10.0.0.12"))
    with first, second, inside(client):
        going = socket.create_connection((FLOATING, 8081), timeout=0.9)
        staying = socket.create_connection((OTHER_FLOATING, 8081), timeout=0.9)
        with going, staying, second.accept()[0] as served:
            cloud.wire((OTHER_FLOATING, "10.0.0.12"))
            staying.sendall(b"still here")
            assert served.recv(100) == b"still here"
            cloud.wire((FLOATING, "10.0.0.12"), (OTHER_FLOATING, "10.0.0.11"))
            going.sendall(b"lost")
            with pytest.raises(ConnectionError):
                going.recv(100)


def test_a_floating_ip_moves_to_another_router(cloud: Cloud) -> None:
    network = Network(id=uuid())
    other = Router(
        id=uuid(),
        interfaces=(interface(network.id, "192.0.2.1/24"),),
        gateway=interface(cloud.external.id, "203.0.113.11/24", via=MACHINE),
    )
    first = cloud.inside_host("first", "10.0.0.11")
    second = host(cloud.names, "second", interface(network.id, "192.0.2.11/24", via="192.0.2.1"))
    client = cloud.outside_host("client", "203.0.113.77")
    cloud.wire((FLOATING, "10.0.0.11"))
    with server(first, "10.0.0.11", "first "), server(second, "192.0.2.11", "second "):
        assert ask(client, FLOATING).startswith("first")
        moved = structs.replace(other, floating_ips=(FloatingIp(floating_ip=FLOATING, fixed_ip="192.0.2.11"),))
        before = cloud.topology(structs.replace(cloud.router, floating_ips=()), moved)
        cloud.wiring.wire(structs.replace(before, networks=(*before.networks, network)))
        assert ask(client, FLOATING).startswith("second")


def test_two_inner_networks_reach_each_other_untranslated(cloud: Cloud) -> None:
    network = Network(id=uuid())
    nics = (*cloud.router.interfaces, interface(network.id, "192.0.2.1/24"))
    topology = cloud.topology(structs.replace(cloud.router, interfaces=nics))
    cloud.wiring.wire(structs.replace(topology, networks=(*topology.networks, network)))
    web = host(cloud.names, "web", interface(network.id, "192.0.2.11/24", via="192.0.2.1"))
    with server(web, "192.0.2.11"):
        assert ask(cloud.inside_host("client", "10.0.0.11"), "192.0.2.11") == "10.0.0.11"


def test_nothing_is_forwarded_through_the_machine(cloud: Cloud) -> None:
    cloud.wire()
    inner = cloud.inside_host("inner", "10.0.0.11")
    with _link_of(cloud.names, "198.51.100.2") as beyond, server(beyond, "198.51.100.2"):
        sysctl("/proc/thread-self/ns/net", "net.ipv4.ip_forward", "1")
        assert ask(None, "198.51.100.2") == "198.51.100.1"
        with pytest.raises(OSError, match=r"unreachable|No route"):
            ask(inner, "198.51.100.2")


def test_the_machines_own_forwarding_is_not_changed(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    with open("/proc/sys/net/ipv4/ip_forward") as file:
        assert file.read().strip() == "0"
    assert links("/proc/thread-self/ns/net") == [cloud.names.uplink]


def test_wire_repairs_what_was_broken(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    web = cloud.inside_host("web", "10.0.0.11")
    client = cloud.outside_host("client", "203.0.113.77")
    with server(web, "10.0.0.11"):
        for damage in (
            lambda: remove_interface(cloud.names, cloud.namespace, GATEWAY),
            lambda: remove_interface(
                cloud.names, cloud.namespace, router_interface(cloud.router.interfaces[0].port_id)
            ),
            lambda: remove_namespace(cloud.namespace),
            lambda: remove_interface(cloud.names, "/proc/thread-self/ns/net", cloud.names.uplink),
            lambda: sysctl(cloud.namespace, "net.ipv4.ip_forward", "0"),
        ):
            assert damage() is not False
            cloud.wire((FLOATING, "10.0.0.11"))
            assert ask(client, FLOATING) == "203.0.113.77"
            assert ask(None, FLOATING) == MACHINE


def test_a_router_that_is_made_again_has_its_rules(cloud: Cloud) -> None:
    web = cloud.inside_host("web", "10.0.0.11")
    with server(web, "10.0.0.11"):
        for _ in range(3):
            cloud.wire((FLOATING, "10.0.0.11"))
            assert ask(None, FLOATING, seconds=60) == MACHINE
            remove_namespace(cloud.namespace)
            # When the kernel has removed it, the next namespace may get its inode number.
            time.sleep(0.3)


def listening(namespace: str, kind: int) -> socket.socket:
    """A socket that listens on all addresses of a namespace."""
    with inside(namespace):
        made = socket.socket(socket.AF_INET6, kind)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.bind(("::", 7070))
    made.settimeout(60)
    return made


def echoes(namespace: str | None, address: str, kind: int, seconds: float) -> bool:
    """Return True when an address accepts a connection, or answers a datagram, in time."""
    with inside(namespace or OWN_NAMESPACE):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    with client:
        client.settimeout(seconds)
        try:
            client.connect((address, 7070))
            client.send(b"?")
            return client.recv(10) == b"!"
        except OSError:
            return False


@contextmanager
def answering(namespace: str) -> Iterator[None]:
    """Answer datagrams and connections at every address of a namespace."""
    datagrams, streams = listening(namespace, socket.SOCK_DGRAM), listening(namespace, socket.SOCK_STREAM)
    streams.listen()

    def answer_datagrams() -> None:
        while True:
            text, peer = datagrams.recvfrom(10)
            if not text:
                return
            datagrams.sendto(b"!", peer)

    def answer_streams() -> None:
        while True:
            try:
                client, _ = streams.accept()
            except OSError:
                return
            with client:
                client.recv(10)
                client.sendall(b"!")

    threads = [threading.Thread(target=each) for each in (answer_datagrams, answer_streams)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", 7070))
        streams.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        datagrams.close()
        streams.close()


def test_the_machine_gets_answers_and_accepts_nothing_from_tenants(cloud: Cloud) -> None:
    both = (*cloud.external.host_addresses, Address(ip="2001:db8:f::1", prefix=64))
    cloud.external = structs.replace(cloud.external, host_addresses=both)
    cloud.wire((FLOATING, "10.0.0.11"))
    web = cloud.inside_host("web", "10.0.0.11")
    nic = interface(cloud.external.id, "203.0.113.77/24", "2001:db8:f::4d/64", via=MACHINE)
    near = host(cloud.names, "near", nic)
    with answering(OWN_NAMESPACE), answering(web), answering(near):
        for again in (False, True):
            if again:
                # The machine's rules are flushed, and `wire` repairs them.
                subprocess.run(["nft", "flush", "ruleset"], check=True)
                cloud.wire((FLOATING, "10.0.0.11"))
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                assert not echoes(web, MACHINE, kind, 0.5)
                assert not echoes(near, MACHINE, kind, 0.5)
                assert not echoes(near, "2001:db8:f::1", kind, 0.5)
                assert echoes(None, FLOATING, kind, 30)
                assert echoes(None, "203.0.113.77", kind, 30)
                assert echoes(None, "2001:db8:f::4d", kind, 30)
                assert echoes(None, MACHINE, kind, 30)
    cloud.wiring.remove_all()
    assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout == ""


def test_removed_names_are_removed_and_amphorae_stay(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    web = cloud.inside_host("web", "10.0.0.11")
    removed = (cloud.router.id, cloud.external.id)
    cloud.wiring.wire(Topology(generation=2, networks=(cloud.inner,), removed=removed))
    assert cloud.namespace not in namespaces(cloud.names.prefix)
    assert links("/proc/thread-self/ns/net") == []
    assert addresses(web, "eth0") == {"10.0.0.11/24"}
    bridges = [link for link in links(cloud.names.switch) if link.startswith("b")]
    assert bridges == [bridge(cloud.inner.id)]


def test_resources_outside_the_topology_stay(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    web = cloud.inside_host("web", "10.0.0.11")
    cloud.wiring.wire(Topology(generation=1))
    with server(web, "10.0.0.11"):
        assert ask(None, FLOATING) == MACHINE


def test_an_interface_on_an_unknown_network_stays(cloud: Cloud) -> None:
    web = cloud.inside_host("web", "10.0.0.11")
    other = cloud.inside_host("other", "10.0.0.12")
    cloud.wiring.wire(Topology(generation=1))
    with server(web, "10.0.0.11"):
        assert ask(other, "10.0.0.11") == "10.0.0.12"


def test_a_bridge_is_not_removed_while_a_port_is_attached(names: Names) -> None:
    network, nic = uuid(), interface(uuid(), "10.0.0.5/24")
    ensure_switch(names)
    with ThreadPoolExecutor(1) as pool, netlink(names.switch) as switch:
        with held(names.switch):
            ensure_bridge(switch, network)
            wired = pool.submit(TopologyWiring(names).wire, Topology(generation=1, removed=(network,)))
            wait_until(lambda: waited_for(names.switch))
            host(names, "a", structs.replace(nic, network_id=network))
        wired.result(10)
        assert switch.find(bridge(network)) is not None


def waited_for(namespace: str) -> bool:
    """Return True when a thread waits for a namespace's lock."""
    inode = f":{os.stat(namespace_path(namespace)).st_ino} "
    return any("-> FLOCK" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_routers_interface_and_gateway_are_removed(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    cloud.router = structs.replace(cloud.router, gateway=None, snat_cidrs=())
    cloud.wire()
    assert links(cloud.namespace) == [router_interface(cloud.router.interfaces[0].port_id)]
    (nic,) = cloud.router.interfaces
    cloud.router = structs.replace(cloud.router, interfaces=())
    cloud.wire()
    assert links(cloud.namespace) == [router_interface(nic.port_id)]
    cloud.wiring.wire(structs.replace(cloud.topology(cloud.router), removed=(nic.port_id,)))
    assert links(cloud.namespace) == []


def test_a_failing_router_does_not_block_the_others(cloud: Cloud) -> None:
    way = Route(destination="0.0.0.0/0", via="192.0.2.99")
    bad = Router(id=uuid(), gateway=structs.replace(interface(cloud.external.id, "203.0.113.12/24"), routes=(way,)))
    with pytest.raises(HostError, match="cannot be attached"):
        cloud.wiring.wire(cloud.topology(bad, cloud.router))
    assert addresses(cloud.namespace, GATEWAY) == {f"{OWN}/24"}


def test_remove_all_leaves_nothing_and_keeps_other_prefixes(cloud: Cloud) -> None:
    cloud.wire((FLOATING, "10.0.0.11"))
    cloud.inside_host("web", "10.0.0.11")
    other = Names(f"{cloud.names.prefix}x")
    ensure_switch(other)
    cloud.wiring.remove_all()
    assert namespaces(cloud.names.prefix) == []
    assert links("/proc/thread-self/ns/net") == []
    rules = subprocess.run(["ip", "rule"], capture_output=True, text=True, check=True).stdout
    assert cloud.names.uplink not in rules
    assert namespaces(other.prefix) == [other.switch]
    cloud.wiring.remove_all()
    remove_namespace(other.switch)
    cloud.wire((FLOATING, "10.0.0.11"))
    with inside(cloud.namespace):
        loaded = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert FLOATING in loaded


def test_the_gateways_interface_may_be_any_interface(cloud: Cloud) -> None:
    gateway = cloud.router.gateway
    assert isinstance(gateway, Interface)
    jumbo = structs.replace(gateway, mtu=1400)
    cloud.router = structs.replace(cloud.router, gateway=jumbo)
    cloud.wire()
    with netlink(cloud.namespace) as here:
        assert here.link("get", ifname=GATEWAY)[0].get("mtu") == 1400


def test_a_flat_network_is_joined_with_a_bridge_of_the_machine(cloud: Cloud) -> None:
    flat = Network(id=uuid(), physical="br-real", mtu=1400)
    topology = Topology(generation=1, networks=(flat,))
    with pytest.raises(WiringError, match="no such bridge") as failed:
        cloud.wiring.wire(topology)
    assert failed.value.networks.keys() == {flat.id}
    with netlink(OWN_NAMESPACE) as here:
        here.link("add", ifname="br-real", kind="bridge", state="up")
    # A container that others made, on the machine's bridge.
    stranger = f"{cloud.names.prefix}stranger"
    ensure_namespace(stranger)
    try:
        with netlink(OWN_NAMESPACE) as here:
            peer = {"ifname": "eth0", "net_ns_fd": stranger}
            here.link("add", ifname="theirs", kind="veth", peer=peer, master=here.link_lookup(ifname="br-real")[0])
            here.link("set", index=here.link_lookup(ifname="theirs")[0], state="up")
        with netlink(stranger) as there:
            (index,) = there.link_lookup(ifname="eth0")
            there.addr("add", index=index, address="198.51.100.7", prefixlen=24)
            there.link("set", index=index, state="up")
        ours = host(cloud.names, "ours", interface(flat.id, "198.51.100.8/24"))
        for _ in range(2):
            cloud.wiring.wire(topology)
            with server(stranger, "198.51.100.7"):
                assert ask(ours, "198.51.100.7", seconds=5) == "198.51.100.8"
        cloud.wiring.wire(Topology(generation=2, networks=(structs.replace(flat, physical=None),)))
        assert sorted(links(OWN_NAMESPACE)) == ["br-real", "theirs"]
        cloud.wiring.wire(topology)
        cloud.wiring.remove_all()
        assert sorted(links(OWN_NAMESPACE)) == ["br-real", "theirs"]
    finally:
        remove_namespace(stranger)
