"""A load-balanced name service with Debian's `dig` and dnsmasq: UDP and TCP on one port of one VIP."""

import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside
from hydria.contract import Instance
from hydria.model import Member
from hydria.model.load_balancer import AdditionalVip
from tests.linux.datagrams import add_address
from tests.linux.machines import VIP, Machine
from tests.linux.wires import host, interface, wait_for_listener
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, load_balancer, member, monitor, pool
from tests.support.waiting import eventually

VIP6 = "2001:db8::10"
# Longer than a datagram without EDNS.
LONG = [str(digit) * 200 for digit in range(5)]


class NameServer:
    """A dnsmasq that answers `who` with its name, and `long` with a long text."""

    def __init__(self, names: Names, name: str, *addresses: str) -> None:
        self._namespace = host(names, name, interface(NETWORK, *addresses))
        records = {"who": name, "long": ",".join(LONG)}
        self._command = [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="),
            *("--user=root", *(f"--txt-record={label}.test,{text}" for label, text in records.items())),
        ]
        self.start()

    def start(self) -> None:
        """Begin to answer."""
        with inside(self._namespace):
            self._program = subprocess.Popen(self._command)
        # Its UDP socket exists by then.
        wait_for_listener(self._namespace, 53)

    def stop(self) -> None:
        """End the process. May be repeated."""
        self._program.kill()
        self._program.wait()


@pytest.fixture
def servers(machine: Machine) -> Iterator[list[NameServer]]:
    """Two name servers with both IP versions, like the client."""
    add_address(machine.client, "2001:db8::50/64")
    both = [(f"ns{each}", f"10.0.0.1{each}/24", f"2001:db8::1{each}/64") for each in (1, 2)]
    running = [NameServer(machine.names, *each) for each in both]
    try:
        yield running
    finally:
        for each in running:
            each.stop()


def dig(client: str, *words: str, server: str = VIP, label: str = "who") -> tuple[list[str], str]:
    """Send one query; return the strings of the answer and its transport."""
    command = ["dig", "+tries=1", "+timeout=2", f"@{server}", f"{label}.test", "TXT", *words]
    with inside(client):
        asked = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert asked.returncode == 0, asked.stdout
    lines = asked.stdout.splitlines()
    (answer,) = (line for line in lines if line.startswith(f"{label}.test."))
    (served,) = (line for line in lines if line.startswith(";; SERVER:"))
    return answer.split('"')[1::2], served.rpartition(" ")[2]


def turns(client: str, *words: str, server: str = VIP) -> dict[str, int]:
    """Return how many of four queries each server answered."""
    return Counter(dig(client, *words, server=server)[0][0] for _ in range(4))


def name_service() -> Instance:
    """UDP to members of both IP versions, TCP to IPv4 members."""
    addresses = {1: ("10.0.0.11", "10.0.0.12", "2001:db8::11", "2001:db8::12"), 2: ("10.0.0.11", "10.0.0.12")}
    children: list[object] = []
    for number, (protocol, check) in enumerate((("UDP", "UDP-CONNECT"), ("TCP", "TCP")), start=1):
        mine = {"pool_id": key("2", number)}
        timing = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
        children += [
            listener(number, protocol=protocol, protocol_port=53, default_pool_id=mine["pool_id"]),
            pool(number, protocol=protocol),
            monitor(number, type=check, **mine, **timing),
            *(
                member(10 * number + at, address=address, protocol_port=53, **mine)
                for at, address in enumerate(addresses[number])
            ),
        ]
    root = load_balancer(additional_vips=(AdditionalVip(subnet_id=key("d", 3), ip_address=VIP6),))
    return instance(*children, root=root)


async def test_queries_by_udp_and_tcp_with_both_ip_versions(machine: Machine, servers: list[NameServer]) -> None:
    wanted = name_service()
    await machine.host.serve(wanted)

    async def only_up(*names: str) -> bool:
        seen = (await machine.host.observe(AMPHORA)).servers
        return all((seen[each.id] == "up") == (_server(each) in names) for each in wanted.tree.members)

    await eventually(lambda: only_up("ns1", "ns2"))
    for words in ((), ("+tcp",)):
        for vip in (VIP, VIP6):
            assert turns(machine.client, *words, server=vip) == {"ns1": 2, "ns2": 2}
    assert dig(machine.client)[1] == "(UDP)"
    assert dig(machine.client, label="long") == (LONG, "(UDP)")
    # A truncated answer is queried again by TCP.
    assert dig(machine.client, "+noedns", label="long") == (LONG, "(TCP)")
    servers[0].stop()
    await eventually(lambda: only_up("ns2"))
    for words in ((), ("+tcp",)):
        assert turns(machine.client, *words) == {"ns2": 4}
    servers[0].start()
    await eventually(lambda: only_up("ns1", "ns2"))
    assert turns(machine.client) == {"ns1": 2, "ns2": 2}


def _server(each: Member) -> str:
    return f"ns{each.address[-1]}"
