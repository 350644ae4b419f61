"""An amphora's networks from the API to the packets: both IP versions, members on other subnets."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from hydria.adapters.linux.netns import OWN, ensure_namespace, inside, netlink, remove_namespace
from hydria.adapters.linux.topology import TROUBLE
from tests.linux.haproxies import Web, get
from tests.linux.programs import Body, Product, product
from tests.linux.wires import host, interface
from tests.support.waiting import wait_until

NET = "/network/v2.0"


class Cloud:
    """One `hydria up` with a dual-stack network, a second network behind a router, web servers and clients."""

    def __init__(self, product: Product) -> None:
        self.product = product
        product.surroundings(11)
        self.network = product.network_id
        self.subnet = product.subnet_id
        self.subnet6 = self._subnet(self.network, "2001:db8::/64")
        self.second = self._subnet(self.network, "198.51.100.0/24")
        self.far = product.make(f"{NET}/networks", "network", name="far")["id"]
        self.far_subnet = self._subnet(self.far, "192.0.2.0/24")
        router = product.make(f"{NET}/routers", "router", name="r")["id"]
        for subnet in (self.subnet, self.far_subnet):
            answer = product.ask("PUT", f"{NET}/routers/{router}/add_router_interface", {"subnet_id": subnet})
            assert answer.status_code == 200, answer.text
        self.client6 = host(product.names, "client6", interface(self.network, "2001:db8::50/64"))
        self.far_client = host(product.names, "far-client", interface(self.far, "192.0.2.50/24", via="192.0.2.1"))
        self.near_client = host(product.names, "near", interface(self.network, "198.51.100.50/24"))
        product.webs += [
            Web(product.names, self.network, "six", "2001:db8::11"),
            Web(product.names, self.far, "far", "192.0.2.11", via="192.0.2.1"),
        ]

    def _subnet(self, network: str, cidr: str) -> str:
        form = {"network_id": network, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4}
        return str(self.product.make(f"{NET}/subnets", "subnet", **form)["id"])

    def ask(self, method: str, path: str, body: Body | None = None) -> Body:
        """Send a request to the network service, which must succeed."""
        answer = self.product.ask(method, f"{NET}/{path}", body)
        assert answer.is_success, answer.text
        found: Body = answer.json() if answer.content else {}
        return found

    def balancer(self, *members: Body, **form: object) -> Body:
        """Create a load balancer with an HTTP listener and members, and wait until it serves."""
        listed = [{"protocol_port": 80, **member} for member in members]
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": listed}
        listener = {"name": "http", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        made = self.product.make("loadbalancers", "loadbalancer", name="lb", listeners=[listener], **form)
        self.product.becomes("ACTIVE")
        return made


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with product() as made:
        made.start("up")
        yield Cloud(made)


@pytest.fixture
def cloud(running: Cloud) -> Iterator[Cloud]:
    yield running
    running.product.delete()


pytestmark = pytest.mark.xdist_group("networking")


def test_every_listener_is_reached_on_every_vip(cloud: Cloud) -> None:
    more = [{"subnet_id": cloud.subnet6}, {"subnet_id": cloud.second, "ip_address": "198.51.100.77"}]
    members = ({"address": "10.0.0.11"}, {"address": "2001:db8::11", "subnet_id": cloud.subnet6})
    made = cloud.balancer(*members, vip_subnet_id=cloud.subnet, additional_vips=more)
    six, four = (vip["ip_address"] for vip in made["additional_vips"])
    for client, address in (
        (cloud.product.client, made["vip_address"]),
        (cloud.client6, six),
        (cloud.near_client, four),
        (cloud.far_client, made["vip_address"]),
    ):
        assert {get(client, address)[1] for _ in range(4)} == {"you hit: web11\n", "you hit: six\n"}


def test_an_ipv6_vip_on_a_given_port_reaches_members_of_both_versions(cloud: Cloud) -> None:
    fixed = {"network_id": cloud.network, "fixed_ips": [{"subnet_id": cloud.subnet6, "ip_address": "2001:db8::99"}]}
    port = cloud.product.make(f"{NET}/ports", "port", **fixed)
    members = ({"address": "2001:db8::11"}, {"address": "10.0.0.11", "subnet_id": cloud.subnet})
    made = cloud.balancer(*members, vip_port_id=port["id"])
    assert made["vip_address"] == "2001:db8::99"
    assert {get(cloud.client6, "2001:db8::99")[1] for _ in range(4)} == {"you hit: web11\n", "you hit: six\n"}
    cloud.product.delete()
    left = cloud.product.ask("GET", f"{NET}/ports/{port['id']}").json()["port"]
    assert (left["device_id"], left["status"]) == ("", "DOWN")


def test_members_on_other_subnets_are_reached_by_an_interface_or_the_gateway(cloud: Cloud) -> None:
    address = cloud.balancer({"address": "192.0.2.11"}, vip_subnet_id=cloud.subnet)["vip_address"]
    web = next(each for each in cloud.product.webs if each.namespace.endswith("-far"))
    assert get(cloud.product.client, address)[1] == "you hit: far\n"
    # A member sees the address of the amphora's base port.
    (amphora,) = cloud.product.ask("GET", "/load-balancer/v2.0/octavia/amphorae").json()["amphorae"]
    assert web.peer == amphora["vrrp_ip"] != address
    (pool,) = cloud.product.all("pools")
    path = f"pools/{pool['id']}/members"
    member = {"address": "192.0.2.11", "protocol_port": 80, "subnet_id": cloud.far_subnet}
    assert cloud.product.ask("PUT", path, {"members": [member]}).status_code == 202
    cloud.product.becomes("ACTIVE")
    assert get(cloud.product.client, address)[1] == "you hit: far\n"
    assert web.peer.startswith("192.0.2.")


# The bandwidth in kbit/s, and the burst of the token bucket (kbit).
RATE, BURST = 8000, 400
SLOW, FAST = {"max_kbps": RATE, "max_burst_kbps": BURST}, {"max_kbps": 8 * RATE, "max_burst_kbps": 8 * BURST}
IPERF = 5201


@contextmanager
def iperf_server(namespace: str) -> Iterator[None]:
    """Run Debian's iperf3 for one client after another."""
    with inside(namespace):
        server = subprocess.Popen(["iperf3", "--server", "--port", str(IPERF)], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def arrives(client: str, address: str, *words: str) -> float:
    """Send for a second, four times the slow and half of the fast bandwidth; return the kbit/s that arrived."""
    offered = ("--bitrate", f"{4 * RATE}K", "--time", "1")
    command = ["iperf3", "--json", "--port", str(IPERF), "--client", address, *offered, *words]
    output = "nothing"

    def done() -> dict[str, Any] | None:
        """Return the result, or None: the server refuses for a moment between two tests."""
        nonlocal output
        with inside(client):
            output = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
        end: dict[str, Any] = json.loads(output)["end"]
        return end.get("sum_received")

    return float(wait_until(done, say=lambda: output)["bits_per_second"]) / 1000


def _speed(kbps: float) -> str:
    if RATE / 2 < kbps < RATE * 3 / 2:
        return "slow"
    return "fast" if kbps > RATE * 2 else f"{kbps} kbit/s"


def test_a_qos_policy_limits_bandwidth_and_changes_under_traffic(cloud: Cloud) -> None:
    policy = cloud.ask("POST", "qos/policies", {"policy": {"name": "slow"}})["policy"]["id"]
    rules = f"qos/policies/{policy}/bandwidth_limit_rules"
    rule = cloud.ask("POST", rules, {"bandwidth_limit_rule": SLOW})["bandwidth_limit_rule"]["id"]
    member = {"address": "192.0.2.50", "protocol_port": IPERF, "subnet_id": cloud.far_subnet}
    listeners = [
        {
            "name": protocol.lower(),
            "protocol": protocol,
            "protocol_port": IPERF,
            "default_pool": {
                "name": protocol, "protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "members": [member]
            },
        }
        for protocol in ("TCP", "UDP")
    ]  # fmt: skip
    form = {"name": "lb", "vip_subnet_id": cloud.subnet, "vip_qos_policy_id": policy, "listeners": listeners}
    made = cloud.product.make("loadbalancers", "loadbalancer", **form)
    cloud.product.becomes("ACTIVE")
    proxy = cloud.product.proxy

    def becomes(*wanted: str, transport: tuple[str, ...] = ()) -> None:
        """Wait until both directions have these speeds."""
        to = (cloud.product.client, made["vip_address"], *transport)
        wait_until(lambda: (_speed(arrives(*to)), _speed(arrives(*to, "--reverse"))) == wanted)

    with iperf_server(cloud.far_client):
        for transport in ((), ("--udp",)):
            becomes("fast", "slow", transport=transport)
        cloud.ask("PUT", f"{rules}/{rule}", {"bandwidth_limit_rule": FAST})
        cloud.ask("POST", rules, {"bandwidth_limit_rule": {**SLOW, "direction": "ingress"}})
        for transport in ((), ("--udp",)):
            becomes("slow", "fast", transport=transport)
        path = f"loadbalancers/{made['id']}"
        assert cloud.product.ask("PUT", path, {"loadbalancer": {"vip_qos_policy_id": None}}).status_code == 200
        cloud.product.becomes("ACTIVE")
        becomes("fast", "fast")
    assert cloud.product.proxy == proxy
    cloud.ask("DELETE", f"qos/policies/{policy}")


def test_a_changed_gateway_reaches_a_running_amphora(cloud: Cloud) -> None:
    address = cloud.balancer({"address": "192.0.2.11"}, vip_subnet_id=cloud.subnet)["vip_address"]

    def reached() -> bool:
        with suppress(TimeoutError):
            return get(cloud.product.client, address, timeout=1)[0] == 200
        return False

    way = [{"destination": "192.0.2.0/24", "nexthop": "10.0.0.254"}]
    assert reached()
    cloud.ask("PUT", f"subnets/{cloud.subnet}", {"subnet": {"host_routes": way}})
    wait_until(lambda: not reached())
    cloud.ask("PUT", f"subnets/{cloud.subnet}", {"subnet": {"host_routes": []}})
    wait_until(reached)


def answered(connection: socket.socket, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bool:
    """Send a request; return True when an answer came in time."""
    connection.sendall(request)
    with suppress(TimeoutError):
        return connection.recv(100).startswith(b"HTTP/1.1 200")
    return False


def test_security_groups_filter_the_vip_and_change_at_once(cloud: Cloud) -> None:
    group = cloud.ask("POST", "security-groups", {"security_group": {"name": "in"}})["security_group"]["id"]

    def let_in(**rule: object) -> str:
        form = {"security_group_id": group, "direction": "ingress", **rule}
        made = cloud.ask("POST", "security-group-rules", {"security_group_rule": form})
        return str(made["security_group_rule"]["id"])

    def reach(client: str, address: str, port: int = 80) -> bool:
        with suppress(TimeoutError):
            return get(client, address, port, timeout=0.5)[0] == 200
        return False

    more = [{"subnet_id": cloud.subnet6}]
    form = {"vip_subnet_id": cloud.subnet, "additional_vips": more, "vip_sg_ids": [group]}
    made = cloud.balancer({"address": "192.0.2.11", "subnet_id": cloud.far_subnet}, **form)
    address, six = made["vip_address"], made["additional_vips"][0]["ip_address"]
    proxy = cloud.product.proxy
    near, far = cloud.product.client, cloud.far_client
    port = cloud.ask("GET", f"ports/{made['vip_port_id']}")["port"]
    assert port["security_groups"] == [group]
    assert not reach(near, address)
    assert not reach(cloud.client6, six)
    # One range, one protocol, one version.
    rule = let_in(protocol="tcp", port_range_min=80, port_range_max=90, remote_ip_prefix="10.0.0.0/24")
    wait_until(lambda: reach(near, address))
    assert not reach(far, address)
    assert not reach(cloud.client6, six)
    let_in(protocol="tcp", port_range_min=80, port_range_max=80, ethertype="IPv6")
    wait_until(lambda: reach(cloud.client6, six))
    # An existing connection stalls when its rule is removed, and goes on with a new rule.
    with inside(near):
        going = socket.create_connection((address, 80), timeout=0.5)
    with going:
        cloud.ask("DELETE", f"security-group-rules/{rule}")
        wait_until(lambda: not reach(near, address))
        assert not answered(going)
        rule = let_in(protocol="tcp", remote_ip_prefix="10.0.0.50/32")
        wait_until(lambda: answered(going, b""))
    cloud.ask("DELETE", f"security-group-rules/{rule}")
    wait_until(lambda: not reach(near, address))
    # A remote group, whose ports join and leave.
    friends = cloud.ask("POST", "security-groups", {"security_group": {"name": "friends"}})["security_group"]["id"]
    let_in(remote_group_id=friends)
    fixed = [{"subnet_id": cloud.far_subnet, "ip_address": "192.0.2.50"}]
    friend = {"network_id": cloud.far, "fixed_ips": fixed, "security_groups": [friends]}
    friend_id = cloud.ask("POST", "ports", {"port": friend})["port"]["id"]
    wait_until(lambda: reach(far, address))
    assert not reach(near, address)
    cloud.ask("PUT", f"ports/{friend_id}", {"port": {"security_groups": []}})
    wait_until(lambda: not reach(far, address))
    cloud.ask("DELETE", f"ports/{friend_id}")
    # A used group cannot be deleted; without groups, every listener is open.
    assert cloud.product.ask("DELETE", f"{NET}/security-groups/{group}").status_code == 409
    path = f"loadbalancers/{made['id']}"
    assert cloud.product.ask("PUT", path, {"loadbalancer": {"vip_sg_ids": []}}).status_code == 200
    wait_until(lambda: reach(near, address) and reach(far, address) and reach(cloud.client6, six))
    assert cloud.product.proxy == proxy
    for each in (group, friends):
        cloud.ask("DELETE", f"security-groups/{each}")


def test_a_plugged_neighbour_cannot_claim_the_vip(cloud: Cloud) -> None:
    product, evil = cloud.product, cloud.product.names.lab("evil")
    made = cloud.balancer({"address": "10.0.0.11"}, vip_subnet_id=cloud.subnet)
    vip = made["vip_address"]
    port = cloud.ask("POST", "ports", {"port": {"network_id": cloud.network}})["port"]
    ensure_namespace(evil)
    assert "eth0" in product.run("plug", port["id"], evil)

    def claims() -> str:
        """Let the neighbour claim the VIP and the client resolve it again; return who answers."""
        with inside(evil):
            for command in (f"addr replace {vip}/24 dev eth0", "link set eth0 down", "link set eth0 up"):
                subprocess.run(["ip", *command.split()], check=True)
        with inside(product.client):
            subprocess.run(["ip", "neigh", "flush", "dev", "eth0"], check=True)
        try:
            return get(product.client, vip, timeout=2)[1]
        except OSError:
            return "nobody"

    def says(answer: str) -> bool:
        return claims() == answer

    assert [claims() for _ in range(30)] == ["you hit: web11\n"] * 30
    # Flushed rules are loaded again with the next change of any network.
    with inside(product.names.switch):
        subprocess.run(["nft", "flush", "ruleset"], check=True)
    cloud.ask("POST", "networks", {"network": {"name": "one more"}})
    wait_until(lambda: [claims() for _ in range(5)] == ["you hit: web11\n"] * 5)
    # Without port security it can; the host learns of both changes by itself.
    for secured, answer in ((False, "nobody"), (True, "you hit: web11\n")):
        change = {"port_security_enabled": secured, "security_groups": []}
        cloud.ask("PUT", f"ports/{port['id']}", {"port": change})
        wait_until(partial(says, answer))
    # Neither port can be deleted while a host has it.
    for key in (port["id"], made["vip_port_id"]):
        assert product.ask("DELETE", f"{NET}/ports/{key}").status_code == 409
        assert product.ask("PUT", f"{NET}/ports/{key}", {"port": {"fixed_ips": []}}).status_code == 409
    assert "belongs to Octavia" in product.fails("plug", made["vip_port_id"], evil, "--link", "eth1")
    assert "is free" in product.run("unplug", port["id"])
    cloud.ask("DELETE", f"ports/{port['id']}")
    remove_namespace(evil)


def test_a_flat_network_is_down_while_its_bridge_is_missing(cloud: Cloud) -> None:
    form = {"name": "lan", "provider:network_type": "flat", "provider:physical_network": "br-lan"}
    lan = cloud.ask("POST", "networks", {"network": form})["network"]["id"]
    trouble = cloud.product.settings.run_dir / TROUBLE

    def shown() -> Body:
        found: Body = cloud.ask("GET", f"networks/{lan}")["network"]
        return found

    wait_until(lambda: shown()["status"] == "DOWN")
    assert "Make it: ip link add br-lan type bridge." in shown()["hydria:trouble"]
    assert trouble.read_text() == shown()["hydria:trouble"]
    with netlink(OWN) as machine:
        machine.link("add", ifname="br-lan", kind="bridge", state="up")
        try:
            wait_until(lambda: shown()["status"] == "ACTIVE")
            assert not trouble.exists()
            cloud.ask("DELETE", f"networks/{lan}")
        finally:
            machine.link("del", ifname="br-lan")
