"""Drift is detected and repaired without an order."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec import structs

from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.names import bridge, router_interface, switch_end
from hydria.adapters.linux.netns import remove_namespace
from hydria.contract import FirewallRule, FloatingIp, Instance, Limit, Network, Route, Router, Topology
from hydria.errors import HostError
from hydria.model.load_balancer import AdditionalVip
from hydria.protocols import WIRES
from hydria.render.haproxy.parts import EVENTS, ROOT
from tests.linux.haproxies import Web
from tests.linux.machines import Machine, attended
from tests.linux.wires import interface
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, load_balancer, member, pool
from tests.support.waiting import eventually

VIPS = (
    AdditionalVip(ip_address="10.0.0.20", subnet_id=key("d", 2)),
    AdditionalVip(ip_address="fd00::10", subnet_id=key("d", 3)),
)
OTHER = interface(key("e", 9), "192.0.2.10/24")
UDP = (listener(2, protocol="UDP", protocol_port=53, default_pool_id=key("2", 2)), pool(2, protocol="UDP"))


def served() -> Instance:
    """An amphora with all parts: three VIPs, two interfaces, limits, a firewall, HAProxy and datagram rules."""
    root = load_balancer(additional_vips=VIPS)
    made = instance(listener(), pool(), member(1), member(2), *UDP, member(3, pool_id=key("2", 2)), root=root)
    (nic,) = made.interfaces
    limit = Limit(kbps=500_000, burst_kbit=100_000)
    guarded = structs.replace(nic, egress=limit, ingress=limit, guard=(FirewallRule(ethertype="IPv4"),))
    return structs.replace(made, interfaces=(guarded, OTHER))


def ip(machine: Machine, *words: str) -> str:
    return run("ip", "-n", machine.names.amphora(AMPHORA), *words)


def switch(machine: Machine, *words: str) -> str:
    return run("ip", "-n", machine.names.switch, *words)


def inside(machine: Machine, *words: str) -> str:
    return run("ip", "netns", "exec", machine.names.amphora(AMPHORA), *words)


def inside_switch(machine: Machine, *words: str) -> str:
    return run("ip", "netns", "exec", machine.names.switch, *words)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def groups() -> dict[str, Path]:
    return {each.name: each.mount for each in Cgroups("x").controllers}


def group(machine: Machine, controller: str) -> Path:
    """Return the amphora's control group of a controller."""
    return groups()[controller] / machine.names.prefix / AMPHORA


def root_group(controller: str) -> Path:
    """Return the file by which a process leaves all groups of a controller."""
    return groups()[controller] / "cgroup.procs"


def in_groups(machine: Machine) -> list[str]:
    """Return the groups of HAProxy, with their limits."""
    files = [group(machine, name) / "cgroup.procs" for name in groups()]
    pids = [file.read_text().split() for file in files]
    limits = (group(machine, "pids") / "pids.max").read_text()
    return [limits, *(str(str(machine.pid) in each) for each in pids)]


END = switch_end(key("d", 1))

BREAKS: dict[str, Callable[[Machine], object]] = {
    "the link": lambda at: ip(at, "link", "del", "eth0"),
    "the second link": lambda at: ip(at, "link", "del", "eth1"),
    "the link is down": lambda at: ip(at, "link", "set", "eth0", "down"),
    "its other end": lambda at: switch(at, "link", "del", END),
    "its other end is down": lambda at: switch(at, "link", "set", END, "down"),
    "its place on the bridge": lambda at: switch(at, "link", "set", END, "nomaster"),
    "the bridge": lambda at: switch(at, "link", "del", bridge(NETWORK)),
    "the bridge is down": lambda at: switch(at, "link", "set", bridge(NETWORK), "down"),
    "its name": lambda at: (ip(at, "link", "set", "eth0", "down"), ip(at, "link", "set", "eth0", "name", "x")),
    "the MAC": lambda at: ip(at, "link", "set", "eth0", "address", "fa:16:3e:00:00:99"),
    "the MTU": lambda at: ip(at, "link", "set", "eth0", "mtu", "1280"),
    "the address": lambda at: ip(at, "addr", "del", "10.0.0.10/24", "dev", "eth0"),
    "all addresses": lambda at: ip(at, "addr", "flush", "dev", "eth0"),
    "an additional VIP": lambda at: ip(at, "addr", "del", "10.0.0.20/24", "dev", "eth0"),
    "an additional VIP of IPv6": lambda at: ip(at, "addr", "del", "fd00::10/64", "dev", "eth0"),
    "one address more": lambda at: ip(at, "addr", "add", "10.0.0.77/24", "dev", "eth0"),
    "the default route": lambda at: ip(at, "route", "del", "default"),
    "the route to the subnet": lambda at: ip(at, "route", "del", "10.0.0.0/24", "dev", "eth0"),
    "all routes": lambda at: ip(at, "route", "flush", "table", "main"),
    "the routes of the way back": lambda at: ip(at, "route", "flush", "table", "1"),
    "the rules of the way back": lambda at: ip(at, "rule", "del", "from", "10.0.0.10"),
    "the limit": lambda at: inside(at, "tc", "qdisc", "del", "dev", "eth0", "root"),
    "the limit in the switch": lambda at: inside_switch(at, "tc", "qdisc", "del", "dev", END, "root"),
    "the flow rules": lambda at: inside(at, "nft", "delete", "table", "inet", "hydria_flows"),
    "the guard": lambda at: inside(at, "nft", "delete", "table", "inet", "hydria_guard"),
    "all rules": lambda at: inside(at, "nft", "flush", "ruleset"),
    "a rule": lambda at: inside(at, "nft", "flush", "table", "inet", "hydria_guard"),
    "forwarding": lambda at: inside(at, "sysctl", "-qw", "net.ipv4.ip_forward=0"),
    "the namespace": lambda at: run("ip", "netns", "del", at.names.amphora(AMPHORA)),
    "HAProxy is stopped": lambda at: os.kill(at.pid, signal.SIGSTOP),
    "the runtime socket": lambda at: (at.amphora_files / "haproxy.sock").unlink(),
    "a control group's limit": lambda at: (group(at, "pids") / "pids.max").write_text("max"),
    "HAProxy's place in a control group": lambda at: root_group("pids").write_text(str(at.pid)),
    "a control group": lambda at: (root_group("cpu").write_text(str(at.pid)), run("rmdir", str(group(at, "cpu")))),
    "the directory": lambda at: shutil.rmtree(at.amphora_files),
    "the configuration": lambda at: (at.amphora_files / "haproxy.cfg").unlink(),
}


def state(machine: Machine) -> object:
    """Return everything that was made for the amphora, without values that differ each time."""
    links, addresses = ip(machine, "-o", "link"), ip(machine, "-o", "addr", "show", "scope", "global")
    routes = (("route",), ("-6", "route"), ("route", "show", "table", "1"))
    tables = ("hydria_flows", "hydria_guard")
    return (
        sorted(line.partition("link/ether")[2] for line in links.splitlines() if "link/ether" in line),
        sorted(" ".join(line.split()[1:4]) for line in addresses.splitlines()),
        [sorted(ip(machine, *words).splitlines()) for words in routes],
        [sorted(line.split(":")[1] for line in ip(machine, *words, "rule").splitlines()) for words in ((), ("-6",))],
        inside(machine, "tc", "qdisc", "show", "dev", "eth0", "root").partition(" refcnt")[0],
        inside_switch(machine, "tc", "qdisc", "show", "dev", END, "root").partition(" refcnt")[0],
        [inside(machine, "nft", "-s", "-t", "list", "table", "inet", table) for table in tables],
        inside(machine, "sysctl", "-n", "net.ipv4.ip_forward"),
        "master " + bridge(NETWORK) in switch(machine, "link", "show", END),
        (machine.amphora_files / "haproxy.cfg").read_text(),
        in_groups(machine),
    )


def same(root: Path, machine: Machine) -> bool:
    """Return True when a directory is the root directory of the running HAProxy."""
    with contextlib.suppress(OSError):
        return root.samefile(f"/proc/{machine.pid}/root")
    return False


@pytest.fixture
async def kept(machine: Machine) -> AsyncIterator[Machine]:
    """The host with an agent's worker for the amphora, which serves."""
    async with attended(machine, served()):
        yield machine


@pytest.mark.parametrize("what", BREAKS)
async def test_each_kind_of_drift_is_repaired(kept: Machine, web: list[Web], what: str) -> None:
    machine = kept
    right = await asyncio.to_thread(state, machine)
    await asyncio.to_thread(BREAKS[what], machine)

    async def mended() -> bool:
        with contextlib.suppress(OSError, subprocess.CalledProcessError, AssertionError):
            if await asyncio.to_thread(state, machine) != right:
                return False
            # The other ports on the bridge do not belong to this host.
            return what == "the bridge" or (await asyncio.to_thread(machine.get)) != ""
        return False

    await eventually(mended)


async def test_a_repair_does_not_restart_haproxy(kept: Machine, web: list[Web]) -> None:
    machine = kept
    right, pid = await asyncio.to_thread(state, machine), machine.pid
    for what in ("the address", "the default route", "all rules", "the configuration"):
        await asyncio.to_thread(BREAKS[what], machine)

        async def mended() -> bool:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                return await asyncio.to_thread(state, machine) == right
            return False

        await eventually(mended)
        await asyncio.to_thread(machine.get)
    assert machine.pid == pid


async def test_drift_in_quick_succession_is_repaired(kept: Machine, web: list[Web]) -> None:
    machine = kept
    right = await asyncio.to_thread(state, machine)
    # Some of it happens during a repair.
    for pause in range(8):
        await asyncio.to_thread(BREAKS["an additional VIP of IPv6"], machine)
        await asyncio.to_thread(BREAKS["all rules"], machine)
        await asyncio.sleep(0.03 * pause)
        with contextlib.suppress(subprocess.CalledProcessError):
            await asyncio.to_thread(BREAKS["the default route"], machine)

        async def mended() -> bool:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                return await asyncio.to_thread(state, machine) == right
            return False

        await eventually(mended)


async def test_health_events_arrive_after_the_root_directory_was_removed(kept: Machine, web: list[Web]) -> None:
    machine = kept
    root = machine.amphora_files / ROOT
    await asyncio.to_thread(shutil.rmtree, root)

    async def entered() -> bool:
        return await asyncio.to_thread(same, root, machine)

    await eventually(entered)
    assert {path.name for path in root.iterdir()} == {Path(EVENTS).name}
    await asyncio.to_thread(machine.get)


async def test_networks_and_routers_are_made_again_when_a_link_is_missing(machine: Machine) -> None:
    nic = interface(key("e", 8), "198.51.100.1/24")
    router = Router(id=key("e", 7), interfaces=(nic,))
    topology = Topology(generation=1, networks=(Network(id=nic.network_id),), routers=(router,))

    async def rewired() -> bool:
        async with asyncio.timeout(60):
            while await machine.host.changed() != WIRES:
                pass
        await machine.host.wire(topology)
        return "master " + bridge(nic.network_id) in switch(machine, "link", "show", switch_end(nic.port_id))

    await machine.host.wire(topology)
    for name in (bridge(nic.network_id), switch_end(nic.port_id)):
        await asyncio.to_thread(switch, machine, "link", "del", name)
        await eventually(rewired)
    await asyncio.to_thread(remove_namespace, machine.names.router(router.id))


# The name of the router's inner link, where a command needs it.
ROUTER, NIC = key("e", 7), "its nic"
ROUTER_BREAKS: dict[str, tuple[str, ...]] = {
    "its rules": ("nft", "flush", "ruleset"),
    "its address": ("ip", "addr", "flush", "dev", NIC),
    "its link is down": ("ip", "link", "set", NIC, "down"),
    "its forwarding": ("sysctl", "-qw", "net.ipv4.ip_forward=0"),
    "its default route": ("ip", "route", "del", "default"),
}


@pytest.mark.parametrize("what", [*ROUTER_BREAKS, "its namespace"])
async def test_drift_inside_a_router_is_repaired(machine: Machine, what: str) -> None:
    nic, way = interface(key("e", 8), "198.51.100.1/24"), Route(destination="0.0.0.0/0", via="192.0.2.1")
    gateway = structs.replace(interface(key("e", 9), "192.0.2.10/24"), routes=(way,))
    floating = FloatingIp(floating_ip="192.0.2.20", fixed_ip="198.51.100.5")
    router = Router(id=ROUTER, interfaces=(nic,), gateway=gateway, floating_ips=(floating,))
    topology = Topology(generation=1, networks=(Network(id=nic.network_id),), routers=(router,))
    namespace = machine.names.router(ROUTER)

    def inside_router(*words: str) -> str:
        return run("ip", "netns", "exec", namespace, *words)

    def router_state() -> object:
        addresses = inside_router("ip", "-o", "addr", "show", "scope", "global")
        return (
            sorted(" ".join(line.split()[1:4]) for line in addresses.splitlines()),
            sorted(line.split(" dev")[0] for line in inside_router("ip", "route").splitlines()),
            inside_router("nft", "-s", "list", "ruleset"),
            inside_router("sysctl", "-n", "net.ipv4.ip_forward"),
        )

    wiring = asyncio.Lock()

    async def keep_wired() -> None:
        while True:
            if await machine.host.changed() == WIRES:
                async with wiring:
                    with contextlib.suppress(HostError):
                        await machine.host.wire(topology)

    await machine.host.wire(topology)
    right = await asyncio.to_thread(router_state)
    task = asyncio.create_task(keep_wired())
    if what in ROUTER_BREAKS:
        words = (router_interface(nic.port_id) if word is NIC else word for word in ROUTER_BREAKS[what])
        await asyncio.to_thread(inside_router, *words)
    else:
        await asyncio.to_thread(remove_namespace, namespace)

    async def repaired() -> bool:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            return await asyncio.to_thread(router_state) == right
        return False

    await eventually(repaired)
    async with wiring:
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.to_thread(remove_namespace, namespace)


async def test_a_router_that_nobody_changes_is_left_alone(machine: Machine) -> None:
    router = Router(id=ROUTER, interfaces=(interface(key("e", 8), "198.51.100.1/24"),))
    topology = Topology(generation=1, networks=(Network(id=router.interfaces[0].network_id),), routers=(router,))
    await machine.host.wire(topology)

    async def quiet() -> bool:
        """Go through the routers once more where the host asks for it, as it does after changes of its own."""
        try:
            async with asyncio.timeout(4):
                while await machine.host.changed() != WIRES:
                    pass
        except TimeoutError:
            return True
        await machine.host.wire(topology)
        return False

    await eventually(quiet)
    await asyncio.to_thread(remove_namespace, machine.names.router(ROUTER))


async def test_a_removed_event_socket_is_made_again(kept: Machine, web: list[Web]) -> None:
    machine = kept
    path = machine.amphora_files / ROOT / Path(EVENTS).name
    path.unlink()

    async def there() -> bool:
        return path.exists()

    await eventually(there)
