"""A pair of amphorae on two hosts with a cable between them: keepalived decides which one carries the VIPs."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.kernel import ensure_bridge, ensure_interface
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside, namespace_path, netlink
from hydria.adapters.linux.processes import find_all
from hydria.adapters.linux.topology import TopologyWiring
from hydria.compose.purge import purge
from hydria.errors import HostError
from hydria.settings import Settings
from tests.linux.base_ports import apart, on
from tests.linux.haproxies import Load, Web, get
from tests.linux.machines import Machine
from tests.linux.wires import host, interface
from tests.support.base_ports import BOTH, VIP, VIP6, amphora_id, base_port, paired, sibling
from tests.support.trees import NETWORK, instance, listener, member, pool
from tests.support.waiting import eventually

TREE = (listener(), pool(), member(1), member(2))
VIPS = {f"{VIP}/32", f"{VIP6}/128"}


class Pair:
    """Two machines, the first with the client and the members."""

    def __init__(self, one: Machine, other: Machine) -> None:
        self.machines = one, other

    def machine(self, number: int) -> Machine:
        return self.machines[number - 1]

    async def serve(self, number: int, **values: Any) -> None:
        await self.machine(number).host.serve(paired(*TREE, number=number, secure=True, **values))

    async def carries(self, number: int) -> bool:
        """Say what the host observes, as its agent does after an event."""
        return (await self.machine(number).host.observe(amphora_id(number))).carries_vip

    async def carrier(self) -> int:
        """Wait until one and only one amphora carries the VIPs; return its number."""
        found: list[int] = []

        async def one() -> bool:
            found[:] = [number for number in (1, 2) if await self.carries(number)]
            held = [number for number in (1, 2) if on(self.machine(number), number) >= VIPS]
            return len(found) == 1 and found == held

        await eventually(one)
        return found[0]

    def files(self, number: int) -> Path:
        return self.machine(number).directory / "run/amphorae" / amphora_id(number)

    def kill(self, number: int, number_file: str = "keepalived.conf") -> None:
        """Kill all processes of an amphora's keepalived."""
        for process in find_all(str(self.files(number) / number_file)):
            process.signal(signal.SIGKILL)
            process.close()

    def keepalived(self, number: int) -> int:
        return int((self.files(number) / "keepalived.pid").read_text())

    def cable(self, state: str) -> None:
        """Cut the cable between the hosts (`down`), or mend it (`up`); no link of an amphora loses its carrier."""

        def change() -> None:
            for machine in self.machines:
                with netlink(machine.names.switch) as switch:
                    (end,) = switch.link_lookup(ifname="cable")
                    switch.link("set", index=end, state=state)

        apart(change)


def _connect(one: Names, other: Names) -> None:
    with netlink(one.switch) as here, netlink(other.switch) as there:
        masters = ensure_bridge(here, NETWORK)[0], ensure_bridge(there, NETWORK)[0]
        descriptor = os.open(namespace_path(other.switch), os.O_RDONLY)
        peer = {"ifname": "cable", "net_ns_fd": descriptor}
        here.link("add", ifname="cable", kind="veth", master=masters[0], state="up", peer=peer)
        os.close(descriptor)
        (end,) = there.link_lookup(ifname="cable")
        there.link("set", index=end, master=masters[1], state="up")


@pytest.fixture
def names2() -> Iterator[Names]:
    names = Names(f"u{uuid4().hex[:8]}")
    yield names
    TopologyWiring(names).remove_all()
    Cgroups(names.prefix).remove_all()


@pytest.fixture
async def pair(machine: Machine, web: list[Web], names2: Names) -> AsyncIterator[Pair]:
    """Two machines with a cable between their networks, and a client on each."""
    directory = machine.directory / "other"
    directory.mkdir(mode=0o711)
    other = Machine(names2, directory)
    client = interface(NETWORK, "10.0.0.50/24", "2001:db8::50/64")
    await asyncio.to_thread(ensure_interface, machine.names, machine.client, "eth0", client)
    await asyncio.to_thread(host, names2, "client", interface(NETWORK, "10.0.0.51/24", "2001:db8::51/64"))
    await asyncio.to_thread(_connect, machine.names, names2)
    await other.host.open()
    yield Pair(machine, other)
    await other.host.withdraw(amphora_id(2))
    await other.host.close()


@pytest.fixture
async def serving(pair: Pair) -> Pair:
    """The same, and the first carries the VIPs."""
    await pair.serve(1)
    await eventually(lambda: pair.carries(1))
    await pair.serve(2)
    assert await pair.carrier() == 1
    return pair


async def test_one_of_a_pair_carries_the_vips(serving: Pair) -> None:
    for machine in serving.machines:
        assert all("you hit: web" in get(machine.client, vip)[1] for vip in (VIP, VIP6))
    # The other one serves, too, and stays as it is.
    assert await serving.carrier() == 1


async def test_the_other_takes_over_when_keepalived_is_killed(serving: Pair) -> None:
    with Load(serving.machine(2).client, VIP) as load:
        serving.kill(1)
        await eventually(lambda: on(serving.machine(2), 2) >= VIPS)
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
        # The agent of the first one starts it again, and it leaves the VIPs to the other.
        assert await serving.carrier() == 2
    for vip in (VIP, VIP6):
        assert "you hit: web" in get(serving.machine(1).client, vip)[1]


async def test_the_other_takes_over_when_the_cable_is_cut(serving: Pair) -> None:
    with Load(serving.machine(1).client, VIP) as load:
        answers = load.answers
        serving.cable("down")
        await eventually(lambda: on(serving.machine(2), 2) >= VIPS)
        # Clients on the first amphora's side of the cable are still served.
        await eventually(lambda: load.answers > answers + 20)
        assert await serving.carries(1)
        assert await serving.carries(2)
        serving.cable("up")
        await serving.carrier()
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
    assert load.failures == []


async def test_the_other_takes_over_when_a_link_is_down(serving: Pair) -> None:
    def cut() -> None:
        with inside(serving.machine(1).names.amphora(amphora_id(1))):
            os.system("ip link set eth0 down")  # noqa: S605

    await asyncio.to_thread(cut)
    await eventually(lambda: on(serving.machine(2), 2) >= VIPS)
    assert "you hit: web" in get(serving.machine(2).client, VIP6)[1]
    # The agent brings the link up again.
    await serving.carrier()


async def test_an_amphora_that_is_withdrawn_leaves_the_vips_to_the_other(serving: Pair) -> None:
    with Load(serving.machine(2).client, VIP) as load:
        await serving.machine(1).host.withdraw(amphora_id(1))
        await eventually(lambda: on(serving.machine(2), 2) >= VIPS)
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
    assert not list(find_all(str(serving.files(1) / "keepalived.conf")))


async def test_a_restarted_agent_adopts_keepalived(serving: Pair) -> None:
    before = serving.keepalived(1)
    await serving.machine(1).restart()
    await serving.serve(1, generation=2)
    assert serving.keepalived(1) == before
    assert await serving.carrier() == 1


async def test_a_change_reloads_keepalived_and_moves_nothing(serving: Pair) -> None:
    before = serving.keepalived(1)
    with Load(serving.machine(2).client, VIP) as load:
        third = (sibling(2), sibling(3))
        await serving.serve(1, generation=2, siblings=third)
        answers = load.answers
        await eventually(lambda: load.answers > answers + 50)
    assert load.failures == []
    assert (serving.keepalived(1), await serving.carrier()) == (before, 1)
    # Adverts still reach the second.
    serving.kill(1)
    await eventually(lambda: on(serving.machine(2), 2) >= VIPS)
    assert await serving.carrier() == 2


async def test_an_amphora_whose_haproxy_cannot_run_leaves_the_vips_to_the_other(serving: Pair) -> None:
    machine = serving.machine(1)
    await machine.restart(haproxy="/bin/false")
    os.kill(int((serving.files(1) / "haproxy.pid").read_text()), signal.SIGKILL)

    async def moved() -> bool:
        with contextlib.suppress(HostError):
            await serving.serve(1, generation=2)
        return on(serving.machine(2), 2) >= VIPS and not VIPS & on(machine, 1)

    await eventually(moved)
    await machine.restart(haproxy="haproxy")
    await serving.serve(1, generation=3)
    assert await serving.carrier() == 2


async def test_a_draining_amphora_of_a_pair_leaves_the_vips_to_the_other(serving: Pair) -> None:
    with Load(serving.machine(2).client, VIP) as load:
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
        await serving.serve(1, generation=2, duty="draining")
        await eventually(lambda: on(serving.machine(2), 2) >= VIPS)
        assert on(serving.machine(1), 1, "lo") >= VIPS
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
    assert not await serving.carries(1)
    await serving.serve(1, generation=3)
    assert (await serving.carrier(), on(serving.machine(1), 1, "lo")) == (2, set())


async def test_an_amphora_from_before_becomes_one_of_a_pair(pair: Pair) -> None:
    machine = pair.machine(1)
    await machine.host.serve(instance(*TREE, root=BOTH))
    assert on(machine, 1) >= {f"{VIP}/24", f"{VIP6}/64"}
    await pair.serve(1, generation=2)
    await pair.serve(2, generation=2)
    assert await pair.carrier() == 1
    pair.kill(1)
    await eventually(lambda: on(pair.machine(2), 2) >= VIPS)
    assert await pair.carrier() == 2
    assert on(machine, 1) == {"10.0.0.21/24", "2001:db8::21/64"}


async def test_a_purge_ends_keepalived(serving: Pair) -> None:
    machine = serving.machine(2)
    # Without control groups, which end every process in them.
    await machine.restart(limits="off")
    directory = machine.directory
    settings = Settings(state_dir=directory / "state", run_dir=directory / "run", agent=machine.settings)
    await asyncio.to_thread(purge, settings)
    assert not list(find_all(str(serving.files(2) / "keepalived.conf")))


async def test_only_siblings_take_part_in_the_election(serving: Pair) -> None:
    """Advertisements of another machine, with the highest priority, change nothing."""
    stranger = serving.machine(1).client
    advertisement = bytes((0x31, 7, 254, 1, 0, 10)) + bytes(2) + socket.inet_aton(VIP)
    with inside(stranger):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
    with sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        with Load(serving.machine(2).client, VIP) as load:
            for _ in range(30):
                sender.sendto(advertisement, ("10.0.0.21", 0))
                sender.sendto(advertisement, ("10.0.0.22", 0))
                await asyncio.sleep(0.02)
    assert load.failures == []
    assert await serving.carrier() == 1


async def test_security_groups_let_the_election_pass(pair: Pair) -> None:
    for number in (1, 2):
        await pair.serve(number, interfaces=(structs.replace(base_port(number), guard=()),))
    assert await pair.carrier() in (1, 2)
