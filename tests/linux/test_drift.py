"""The next order repairs everything that was broken behind the agent's back."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hydria.adapters.linux import netns
from hydria.errors import HostError
from tests.linux.haproxies import Web
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, instance, listener, member, pool
from tests.support.waiting import eventually

BASE = (listener(), pool(), member(1), member(2))


def call(*command: str) -> None:
    subprocess.run(command, check=True)


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    return False


async def gone(pid: int) -> None:
    async def ended() -> bool:
        return not runs(pid)

    await eventually(ended)


def stop(machine: Machine) -> None:
    os.kill(machine.pid, signal.SIGSTOP)
    # It takes a moment until it has stopped.
    state, deadline = Path(f"/proc/{machine.pid}/stat"), time.monotonic() + 60
    while state.read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it does not stop"
        time.sleep(0.01)


def remove_socket(machine: Machine) -> None:
    (machine.amphora_files / "haproxy.sock").unlink()


def take_over_socket(machine: Machine) -> None:
    remove_socket(machine)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(machine.amphora_files / "haproxy.sock"))


def remove_directory(machine: Machine) -> None:
    shutil.rmtree(machine.amphora_files)


def remove_namespace(machine: Machine) -> None:
    call("ip", "netns", "del", machine.names.amphora(AMPHORA))


def exchange_namespace(machine: Machine) -> None:
    remove_namespace(machine)
    call("ip", "netns", "add", machine.names.amphora(AMPHORA))


HOPELESS = [stop, remove_socket, take_over_socket, remove_directory, remove_namespace, exchange_namespace]


@pytest.mark.parametrize("breaks", HOPELESS)
@pytest.mark.parametrize("changed", [False, True])
async def test_an_unresponsive_process_is_replaced(
    machine: Machine, web: list[Web], breaks: Callable[[Machine], None], *, changed: bool
) -> None:
    await machine.host.serve(instance(*BASE))
    before = machine.pid
    breaks(machine)
    # Another listener needs a reload, for which the old process would have to hand over its sockets.
    more = (listener(2, protocol_port=8080),) if changed else ()
    await machine.host.serve(instance(*BASE, *more, generation=2))
    assert machine.pid != before
    assert machine.get().startswith("web")
    if changed:
        assert machine.get(8080).startswith("web")
    await gone(before)
    assert (await machine.host.observe(AMPHORA)).counters != {}
    # The new process stays: it was repaired once.
    after = machine.pid
    await machine.host.serve(instance(*BASE, *more, generation=2))
    assert machine.pid == after


async def test_connections_survive_the_loss_of_the_runtime_socket(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    with netns.inside(machine.client):
        client = socket.create_connection((VIP, 80))
    with client:
        remove_socket(machine)
        await machine.host.serve(instance(*BASE))
        client.settimeout(10)
        await asyncio.to_thread(client.sendall, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asyncio.to_thread(client.recv, 12)).startswith(b"HTTP/1.1 200")


async def test_a_process_without_a_pid_file_is_ended_before_a_new_one_starts(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    before = machine.pid
    (machine.amphora_files / "haproxy.pid").write_text("99999999999999999999\n")
    await machine.restart()
    await machine.host.serve(instance(*BASE))
    assert machine.pid != before
    await gone(before)
    assert machine.get().startswith("web")


@pytest.mark.parametrize("name", ["haproxy.cfg", "haproxy.pid"])
async def test_changed_files_are_restored_without_a_reload(machine: Machine, web: list[Web], name: str) -> None:
    await machine.host.serve(instance(*BASE))
    pid, file = machine.pid, machine.amphora_files / name
    right = file.read_text()
    for broken in ("garbage", None):
        file.unlink()
        if broken is not None:
            file.write_text(broken)
        await machine.host.serve(instance(*BASE))
        assert file.read_text() == right
    assert machine.pid == pid


async def test_an_ended_haproxy_is_started_again_on_a_full_disk(machine: Machine, web: list[Web]) -> None:
    run = machine.directory / "run"
    await machine.host.serve(instance(*BASE))
    configuration = (machine.amphora_files / "haproxy.cfg").read_text()
    await machine.host.close()
    # The same directory on a disk of its own, which is filled up.
    aside = machine.directory / "aside"
    shutil.copytree(run, aside, ignore=shutil.ignore_patterns("*.sock"))
    before = machine.pid
    os.kill(before, signal.SIGKILL)
    await gone(before)
    await asyncio.to_thread(call, "mount", "-t", "tmpfs", "-o", "size=1m,mode=711", "none", str(run))
    try:
        shutil.copytree(aside, run, dirs_exist_ok=True)
        await machine.restart()
        await machine.host.serve(instance(*BASE))
        filler = run / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 4096)
        for _ in range(2):
            before = machine.pid
            os.kill(before, signal.SIGKILL)
            await gone(before)
            await machine.host.serve(instance(*BASE))
            assert machine.get().startswith("web")
            assert (machine.amphora_files / "haproxy.cfg").read_text() == configuration
        # There is no space for a new configuration: that is reported, and the old one goes on.
        more = instance(*BASE, listener(2, protocol_port=8080), generation=2)
        with pytest.raises(HostError, match="No space left"):
            await machine.host.serve(more)
        assert machine.get().startswith("web")
        filler.unlink()
        await machine.host.serve(more)
        assert machine.get(8080).startswith("web")
    finally:
        await machine.host.withdraw(AMPHORA)
        await machine.host.close()
        await asyncio.to_thread(call, "umount", "-l", str(run))
        await machine.restart()
