"""Datagrams a second through the VIP, in turn with a namespace with hand-written nftables rules."""

import contextlib
import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ahead import ahead
from figures import Aim, Figure, figure
from hydria.adapters.linux.names import bridge
from hydria.adapters.linux.netns import inside, remove_namespace
from stand import LB, MEMBERS, NETWORK, Stand, until

PART = "datagrams"
PORT = 53
MEMBER_PORTS = (9001, 9002)
_FLOWS, _PAYLOAD, _BURST = 32, b"x" * 64, 16

_SCRIPT = """\
set -e
ip netns add {namespace}
ip -n {switch} link add byhand1 master {bridge} up type veth peer name eth0 netns {namespace}
exec nsenter --net=/run/netns/{namespace} sh -ec 'ip link set lo up; ip addr add {address}/16 dev eth0
ip link set eth0 up; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects
echo 0 >/proc/sys/net/ipv4/conf/eth0/send_redirects; nft -f -'
"""
# As few rules as possible.
_RULES = """\
table ip byhand {{
    chain before {{
        type nat hook prerouting priority dstnat;
        ip daddr {address} udp dport {port} dnat to numgen inc mod {count} map {{ {ends} }}
    }}
    chain after {{
        type nat hook postrouting priority srcnat;
        ct status dnat masquerade
    }}
}}
"""
# A client's address and ports are not used twice, because connection tracking keeps flows.
_addresses = (f"{NETWORK}.251.{number}" for number in itertools.count(1))
_client_ports = itertools.cycle(range(10000, 60000))


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Send to both in short rounds, with alternating order."""
    ours: list[float] = []
    theirs: list[float] = []
    with _members(stand), balancer(stand) as vip, _by_hand(stand) as other:
        for address in (vip, other):
            _rate(stand, address, 0.5)
        for number in range(10 if quick else 300):
            if number % 2:
                ours.append(_rate(stand, vip))
                theirs.append(_rate(stand, other))
            else:
                theirs.append(_rate(stand, other))
                ours.append(_rate(stand, vip))
    yield figure(
        PART,
        "datagrams through the VIP",
        "per second",
        ours,
        floor=theirs,
        aims=[Aim(least=0.95, ratio=True)],
        note=f"{_FLOWS} flows of {len(_PAYLOAD)} bytes from one thread of Python, counted as they reach the members.",
    )


def _rate(stand: Stand, address: str, seconds: float = 0.05) -> float:
    with inside(stand.client):
        flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_FLOWS)]
    try:
        for flow in flows:
            flow.bind(("", next(_client_ports)))
            flow.connect((address, PORT))
        # The kernel forwards within the sender's system call.
        with ahead(0):
            before, begun = _received(stand), time.perf_counter()
            while time.perf_counter() < begun + seconds:
                for flow in flows:
                    for _ in range(_BURST):
                        flow.send(_PAYLOAD)
            return (_received(stand) - before) / (time.perf_counter() - begun)
    finally:
        for flow in flows:
            flow.close()


def _received(stand: Stand) -> int:
    with inside(stand.members):
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split()[2]) for line in lines if line.strip().startswith("eth0:"))


@contextlib.contextmanager
def _members(stand: Stand) -> Iterator[None]:
    """Open the members' ports; datagrams are counted on the link and discarded."""
    with contextlib.ExitStack() as stack:
        for port in MEMBER_PORTS:
            with inside(stand.members):
                taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            taken.bind((MEMBERS, port))
        yield


@contextlib.contextmanager
def balancer(stand: Stand) -> Iterator[str]:
    """Create a load balancer with checked members by the API; yield its address."""
    members = [
        {"address": MEMBERS, "protocol_port": port, "subnet_id": stand.subnet_id, "name": str(port)}
        for port in MEMBER_PORTS
    ]
    monitor = {"type": "UDP-CONNECT", "delay": 3, "timeout": 1, "max_retries": 1}
    pool = {
        "name": "pool",
        "protocol": "UDP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": members,
        "healthmonitor": monitor,
    }
    listener = {"name": "listener", "protocol": "UDP", "protocol_port": PORT, "default_pool": pool}
    form = {"name": "datagrams", "vip_subnet_id": stand.subnet_id, "listeners": [listener]}
    made = stand.rest.call("POST", f"{LB}/loadbalancers", {"loadbalancer": form})["loadbalancer"]
    pool_path = f"{LB}/pools/{made['pools'][0]['id']}/members?operating_status=ONLINE&fields=id"
    until(lambda: len(stand.rest.call("GET", pool_path)["members"]) == len(members), 20, pause=0.05)
    yield made["vip_address"]
    stand.delete(made["id"])


@contextlib.contextmanager
def _by_hand(stand: Stand) -> Iterator[str]:
    namespace, address = f"{stand.names.prefix}-byhand", next(_addresses)
    ends = ", ".join(f"{number} : {MEMBERS} . {port}" for number, port in enumerate(MEMBER_PORTS))
    rules = _RULES.format(address=address, port=PORT, count=len(MEMBER_PORTS), ends=ends)
    script = _SCRIPT.format(
        namespace=namespace, switch=stand.names.switch, bridge=bridge(stand.network_id), address=address
    )
    try:
        subprocess.run(["sh", "-c", script], input=rules, text=True, check=True)
        yield address
    finally:
        remove_namespace(namespace)
