"""A compromised amphora cannot end, stop, read or starve another."""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec import ValidationError, convert, structs
from pyroute2 import NFCTSocket

from hydria.adapters.linux import nft
from hydria.adapters.linux.accounts import Accounts
from hydria.adapters.linux.cgroups import CONTROLLERS, Cgroups, Limits
from hydria.adapters.linux.flow_limit import flows_of
from hydria.adapters.linux.limits import AmphoraLimits
from hydria.adapters.linux.netns import inside
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.model.flavor_profile import CAPABILITIES
from hydria.render.flow_limit import TABLE
from hydria.settings import AgentSettings
from tests.linux.datagrams import Echo, ask, echoes
from tests.linux.haproxies import Load, Web, get
from tests.linux.intruder import account, intrude
from tests.linux.machines import VIP, Machine, process_status
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, load_balancer, member, pool
from tests.support.waiting import eventually

OTHER, OTHER_VIP = "bbbbbbbb-0000-4000-8000-000000000002", "10.0.0.20"
TREE = (
    listener(),
    listener(2, protocol="PROMETHEUS", protocol_port=8088, default_pool_id=None),
    pool(),
    member(1),
)


def _other(generation: int = 1) -> Instance:
    made = instance(
        structs.replace(TREE[0], id=key("1", 7)),
        *TREE[2:],
        root=load_balancer(vip_address=OTHER_VIP),
        generation=generation,
    )
    nic = structs.replace(made.interfaces[0], port_id=key("e", 9), mac="fa:16:3e:00:00:09")
    return structs.replace(made, amphora_id=OTHER, interfaces=(nic,))


@pytest.fixture
async def two(machine: Machine, web: list[Web]) -> AsyncIterator[Machine]:
    """A machine with two amphorae."""
    await machine.restart(memory_mb=32, pids=40)
    await machine.host.serve(instance(*TREE))
    await machine.host.serve(_other())
    yield machine
    await machine.host.withdraw(OTHER)


def _pid(machine: Machine, amphora_id: str) -> int:
    return int((machine.directory / "run/amphorae" / amphora_id / "haproxy.pid").read_text())


def _other_serves(machine: Machine, pid: int) -> None:
    assert (_pid(machine, OTHER), process_status(pid)["State"][0]) in ((pid, "S"), (pid, "R"))
    assert get(machine.client, OTHER_VIP) == (200, "you hit: web1\n")


async def test_each_amphora_has_its_own_account_and_an_empty_root(two: Machine) -> None:
    # A process gives up its rights one after the other, this one last.
    await eventually(lambda: all(process_status(_pid(two, each))["NoNewPrivs"] == "1" for each in (AMPHORA, OTHER)))
    found = [process_status(_pid(two, each)) for each in (AMPHORA, OTHER)]
    own = [set(status["Uid"].split()) | set(status["Gid"].split()) for status in found]
    assert own == [{str(account(two, AMPHORA))}, {str(account(two, OTHER))}]
    assert own[0] != own[1]
    for status in found:
        assert (status["Groups"], int(status["CapEff"], 16), int(status["CapPrm"], 16)) == ("", 0, 0)
    root = two.amphora_files / "root"
    assert os.readlink(f"/proc/{two.pid}/root") == str(root)
    assert sorted(each.name for each in root.iterdir()) == ["events.sock", "metrics.sock"]
    code = (
        'result = [why(os.open, "/new", os.O_CREAT | os.O_WRONLY), why(os.listdir, "/"), why(libc.unshare, 0x10000000)]'
    )
    assert intrude(two, AMPHORA, code) == ["EACCES", "EACCES", "-1"]


async def test_an_amphora_cannot_signal_another(two: Machine) -> None:
    pid = _pid(two, OTHER)
    signals = "(0, signal.SIGSTOP, signal.SIGUSR1, signal.SIGKILL)"
    code = f'result = [why(os.kill, given["pid"], number) for number in {signals}]'
    assert intrude(two, AMPHORA, code, pid=pid) == ["EPERM"] * 4
    _other_serves(two, pid)


async def test_an_amphora_cannot_read_files_memory_counters_or_names_of_another(two: Machine) -> None:
    other, pid = two.directory / "run/amphorae" / OTHER, _pid(two, OTHER)
    paths = [
        *(other, other.parent, other.parent.parent, other / "haproxy.cfg", other / "account"),
        *(Path(f"/proc/{pid}/{name}") for name in ("mem", "environ", "maps")),
    ]
    code = """
def connected(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
result = [why(os.open, path, os.O_RDONLY) for path in given["paths"]]
result += [why(connected, path) for path in given["sockets"]]
"""
    sockets = [str(other / name) for name in ("root/metrics.sock", "root/events.sock", "haproxy.sock")]
    result = intrude(two, AMPHORA, code, jailed=False, paths=[str(each) for each in paths], sockets=sockets)
    assert set(result) == {"EACCES"}


async def test_a_scrape_gets_only_the_amphoras_own_counters(two: Machine) -> None:
    code = """
with socket.socket(socket.AF_UNIX) as client:
    client.connect("/metrics.sock")
    client.sendall(f"GET /{given['other']} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n".encode())
    result = b"".join(iter(lambda: client.recv(65536), b"")).decode()
"""
    result = await asyncio.to_thread(intrude, two, AMPHORA, code, other=OTHER)
    assert key("1", 1) in result
    assert key("1", 7) not in result


async def test_an_amphora_cannot_use_up_the_agents_descriptors(two: Machine) -> None:
    code = """
held = []
for _ in range(200):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect("/metrics.sock")
time.sleep(1)
result = 0
for each in held:
    each.setblocking(False)
    result += why(each.recv, 1) == "EAGAIN"
"""
    assert await asyncio.to_thread(intrude, two, AMPHORA, code) <= 8


async def test_the_memory_limit_ends_only_the_amphora_that_exceeds_it(two: Machine) -> None:
    if "memory" in Cgroups(two.names.prefix).missing():
        pytest.skip("this machine has no control groups for memory")
    pid = _pid(two, OTHER)
    with pytest.raises(subprocess.CalledProcessError) as ended:
        intrude(two, AMPHORA, "result = len(b'x' * 2**29)")
    assert ended.value.returncode == -9
    _other_serves(two, pid)
    await two.host.serve(instance(*TREE, generation=2))
    assert two.get() == "web1"


async def test_a_fork_bomb_is_limited_and_ends_with_its_amphora(two: Machine) -> None:
    if "pids" in Cgroups(two.names.prefix).missing():
        pytest.skip("this machine has no control groups for processes")
    pid = _pid(two, OTHER)
    code = """
result = 0
try:
    while result < 500:
        if os.fork() == 0:
            os.close(1)
            time.sleep(600)
            os._exit(0)
        result += 1
except OSError:
    pass
"""
    assert 10 < intrude(two, AMPHORA, code) < 40
    _other_serves(two, pid)
    own = account(two, AMPHORA)
    await two.host.withdraw(AMPHORA)
    assert own not in _accounts_of_processes()
    _other_serves(two, pid)


def _accounts_of_processes() -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError):
            found.add(int(process_status(int(process.name))["Uid"].split()[0]))
    return found


@pytest.fixture
def echo(machine: Machine) -> Iterator[Echo]:
    with echoes(machine.names, NETWORK, "10.0.0.11/24") as running:
        yield running[0]


async def test_the_flow_limit_of_an_amphora_does_not_affect_another(machine: Machine, echo: Echo) -> None:
    tree = (listener(protocol="UDP", protocol_port=53), pool(protocol="UDP"), member(1, protocol_port=5353))
    mine, namespace = instance(*tree), machine.names.amphora(AMPHORA)
    other = structs.replace(_other(), tree=instance(*tree, root=load_balancer(vip_address=OTHER_VIP)).tree)
    await machine.restart(flows=3000)
    await machine.host.serve(mine)
    await machine.host.serve(other)
    sent = 0

    async def limited() -> bool:
        nonlocal sent
        await asyncio.to_thread(_flood, machine.client, range(20_000 + sent, 21_000 + sent))
        sent = (sent + 1000) % 40_000
        return await asyncio.to_thread(nft.named, namespace, TABLE) != {}

    await eventually(limited)
    before = flows_of(namespace)
    await asyncio.to_thread(_flood, machine.client, range(1100, 19_000))
    assert flows_of(namespace) - before < 3000
    assert await asyncio.to_thread(ask, machine.client, OTHER_VIP) == echo.name

    async def lifted() -> bool:
        await asyncio.to_thread(_forget_flows, namespace)
        return await asyncio.to_thread(nft.named, namespace, TABLE) == {}

    await eventually(lifted)
    await machine.host.withdraw(OTHER)


def _flood(namespace: str, ports: range) -> None:
    """Open a flow from each port."""
    for port in ports:
        with inside(namespace):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("", port))
            with contextlib.suppress(OSError):
                made.sendto(b"x", (VIP, 53))


def _forget_flows(namespace: str) -> None:
    with inside(namespace), NFCTSocket() as conntrack:
        conntrack.flush()


async def test_a_haproxy_with_the_common_account_is_replaced_without_a_loss(machine: Machine, web: list[Web]) -> None:
    await machine.restart(haproxy_user="haproxy", limits="off")
    await machine.host.serve(instance(*TREE))
    before = machine.pid
    with Load(machine.client, VIP) as load:
        await machine.restart(haproxy_user=None, limits="auto")
        await machine.host.serve(instance(*TREE))
        assert machine.pid != before
        answered = load.answers
        await eventually(lambda: _true(load.answers >= answered + 20 or bool(load.failures)))
    assert load.failures == []
    assert process_status(machine.pid)["Uid"].split()[0] == str(account(machine, AMPHORA))


async def _true(value: bool) -> bool:
    return value


async def test_control_groups_contain_the_processes_and_go_with_the_amphora(machine: Machine, web: list[Web]) -> None:
    groups = Cgroups(machine.names.prefix)
    await machine.host.serve(instance(*TREE))
    for controller in groups.controllers:
        file = controller.mount / machine.names.prefix / AMPHORA / "cgroup.procs"
        assert str(machine.pid) in file.read_text().split()
    await machine.host.withdraw(AMPHORA)
    assert groups.amphorae() == set()


async def test_a_process_started_without_limits_joins_its_control_groups(machine: Machine, web: list[Web]) -> None:
    await machine.restart(limits="off")
    await machine.host.serve(instance(*TREE))
    pid = machine.pid
    await machine.restart(limits="auto")
    await machine.host.serve(instance(*TREE))
    assert machine.pid == pid
    for controller in Cgroups(machine.names.prefix).controllers:
        file = controller.mount / machine.names.prefix / AMPHORA / "cgroup.procs"
        assert str(pid) in file.read_text().split()


async def test_a_restarted_syslog_is_found(machine: Machine, web: list[Web]) -> None:
    path = machine.directory / "syslog"
    for generation in (1, 2):
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            syslog.bind(str(path))
            path.chmod(0o666)
            syslog.settimeout(20)
            if generation == 1:
                await machine.restart(syslog=path)
                await machine.host.serve(instance(*TREE))
            await machine.host.observe(AMPHORA)
            machine.get()
            assert "status=200" in (await asyncio.to_thread(syslog.recv, 4096)).decode()


def test_missing_control_groups_are_reported(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("30 1 0:26 / / rw - tmpfs tmpfs rw\n")
    groups = Cgroups("hydria", tmp_path / "mountinfo")
    assert groups.missing() == list(CONTROLLERS)
    assert groups.ensure(AMPHORA, Limits(memory_bytes=1, cpu_weight=100, pids=1)) == []


def test_version_2_is_used_where_it_has_the_controller(tmp_path: Path) -> None:
    unified, memory = tmp_path / "unified", tmp_path / "memory"
    for mount in (unified, memory):
        mount.mkdir()
    (unified / "cgroup.controllers").write_text("cpu pids\n")
    lines = [
        f"31 1 0:27 / {memory} rw - cgroup cgroup rw,memory",
        f"32 1 0:28 / {memory} rw - cgroup cgroup rw,pids",
        f"33 1 0:29 / {unified} rw - cgroup2 cgroup2 rw",
    ]
    (tmp_path / "mountinfo").write_text("\n".join(lines))
    found = Cgroups("hydria", tmp_path / "mountinfo").controllers
    assert [(each.name, each.version) for each in found] == [("memory", 1), ("cpu", 2), ("pids", 2)]


def test_the_limits_of_version_2_are_written(tmp_path: Path) -> None:
    for group in (tmp_path, tmp_path / "hydria", tmp_path / "hydria" / AMPHORA):
        group.mkdir(exist_ok=True)
        for name in ("cgroup.subtree_control", "cgroup.procs", "memory.swap.max"):
            (group / name).touch()
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "mountinfo").write_text(f"33 1 0:29 / {tmp_path} rw - cgroup2 cgroup2 rw")
    groups, own = Cgroups("hydria", tmp_path / "mountinfo"), tmp_path / "hydria" / AMPHORA
    files = groups.ensure(AMPHORA, Limits(memory_bytes=64 << 20, cpu_weight=250, pids=99))
    assert files == [own / "cgroup.procs"]
    written = {"memory.max": str(64 << 20), "memory.swap.max": "0", "cpu.weight": "250", "pids.max": "99"}
    assert {file.name: file.read_text() for file in groups.limit_files(AMPHORA)} == written


async def test_limits_of_a_flavor_override_the_settings(machine: Machine, web: list[Web]) -> None:
    machine_limits = AmphoraLimits.of(machine.settings, {})
    flavor = {"memory_mb": 48, "cpu_weight": 300, "pids": 77}
    for generation, chosen in enumerate((flavor, {}), start=1):
        await machine.host.serve(structs.replace(instance(*TREE, generation=generation), flavor=chosen))
        wanted = AmphoraLimits.of(machine.settings, chosen)
        assert (wanted == machine_limits) == (not chosen)
        groups = {each.name: each for each in Cgroups(machine.names.prefix).controllers}
        own = groups["pids"].mount / machine.names.prefix / AMPHORA
        assert int((own / "pids.max").read_text()) == wanted.pids
    # HAProxy's own memory limit is an argument, which only a start sets.
    await machine.host.withdraw(AMPHORA)
    await machine.host.serve(structs.replace(instance(*TREE, generation=3), flavor=flavor))
    words = await asyncio.to_thread(lambda: Path(f"/proc/{machine.pid}/cmdline").read_bytes().split(b"\0"))
    assert words[words.index(b"-m") + 1] == b"48"


@pytest.mark.parametrize("name", AmphoraLimits.__struct_fields__)
def test_a_flavor_and_the_settings_have_the_same_bounds(name: str) -> None:
    capability = CAPABILITIES[name]
    for value in (capability.minimum, capability.maximum):
        assert getattr(convert({name: value}, AgentSettings), name) == value
    for value in (capability.minimum - 1, capability.maximum + 1):
        with pytest.raises(ValidationError):
            convert({name: value}, AgentSettings)


def test_accounts_are_unique_and_known_after_a_restart(tmp_path: Path) -> None:
    settings = AgentSettings(first_uid=50_000, uids=3)
    ids = [f"amphora-{number}" for number in range(4)]
    accounts = Accounts(settings, tmp_path)
    for each in ids[:3]:
        (tmp_path / each).mkdir()
        accounts.keep(each)
    given = [accounts.of(each) for each in ids[:3]]
    assert sorted(given) == [(number, number) for number in (50_000, 50_001, 50_002)]
    with pytest.raises(HostError, match=r"agent\.uids"):
        accounts.of(ids[3])
    again = Accounts(settings, tmp_path)
    assert [again.of(each) for each in ids[:3]] == given
    again.forget(ids[1])
    assert again.of(ids[3]) == given[1]
