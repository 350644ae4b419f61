"""One amphora on a real host, with real namespaces, HAProxy and requests."""

import asyncio
import json
import os
import re
import signal
import socket
import time

import pytest
from msgspec import structs

from hydria.adapters.linux import kernel, netns
from hydria.contract import Counters, Instance
from hydria.errors import HostError
from tests.linux.haproxies import Web
from tests.linux.machines import VIP, Machine, change_under_load, process_status
from tests.linux.wires import interface
from tests.support.trees import AMPHORA, instance, key, listener, load_balancer, member, monitor, pool
from tests.support.waiting import eventually

BASE = (listener(), pool(), member(1), member(2))


async def state(machine: Machine, number: int) -> str:
    return (await machine.host.observe(AMPHORA)).servers[key("3", number)]


async def test_round_robin_takes_turns(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    answers = [machine.get() for _ in range(6)]
    assert answers[:2] in (["web1", "web2"], ["web2", "web1"])
    assert answers == answers[:2] * 3
    seen = await machine.host.observe(AMPHORA)
    assert set(seen.servers.values()) == {"unchecked"}
    assert seen.counters[key("1", 1)].total_connections == 6


async def test_a_load_balancer_without_listeners_runs(machine: Machine) -> None:
    await machine.host.serve(instance())
    assert (await machine.host.observe(AMPHORA)).counters == {}
    with pytest.raises(ConnectionRefusedError):
        machine.get()


async def test_haproxy_sleeps_while_nothing_happens(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))

    async def sleeps() -> bool:
        # How often it has waited for something.
        before = process_status(machine.pid)["voluntary_ctxt_switches"]
        await asyncio.sleep(3)
        return process_status(machine.pid)["voluntary_ctxt_switches"] == before

    await eventually(sleeps)


async def test_an_amphora_rests_until_something_is_done(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))

    async def rests() -> bool:
        await machine.host.observe(AMPHORA)
        await asyncio.sleep(0.2)
        return machine.host.resting(AMPHORA)

    assert not machine.host.resting(AMPHORA)
    await eventually(rests)
    assert machine.get() in ("web1", "web2")
    assert not machine.host.resting(AMPHORA)
    await eventually(rests)
    # Another process says nothing about the one before.
    await machine.host.serve(instance(*BASE, listener(number=2, protocol_port=81)))
    assert not machine.host.resting(AMPHORA)


async def test_members_change_under_load_without_a_reload(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    pid = machine.pid
    changes = [
        (*BASE, member(3)),
        (*BASE[:2], member(1, weight=7), member(2), member(3)),
        (*BASE[:2], member(1, admin_state_up=False), member(2), member(3)),
        (*BASE[:2], member(3)),
        BASE,
    ]
    await change_under_load(machine, changes)
    assert machine.pid == pid
    # The file on disk is the running configuration, so that a restarted agent adopts it.
    await machine.restart()
    await machine.host.serve(instance(*BASE, generation=7))
    assert machine.pid == pid


async def test_many_members_are_added_and_checked_without_a_reload(machine: Machine, web: list[Web]) -> None:
    few = (listener(), pool(), member(1))
    many = (*few, *(member(number, address="10.0.0.99", weight=0) for number in range(2, 302)))
    await machine.host.serve(instance(*few))
    before = machine.pid

    await machine.host.serve(instance(*many, generation=2))
    assert (machine.pid, machine.get()) == (before, "web1")

    await machine.host.serve(instance(*many, monitor(delay=60), generation=3))
    assert machine.get() == "web1"


async def test_other_changes_under_load_lose_no_request(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    first = machine.pid
    changes = [
        (*BASE, monitor()),
        (listener(timeout_client_data=1000), *BASE[1:]),
        (listener(), pool(lb_algorithm="LEAST_CONNECTIONS"), *BASE[2:]),
        (*BASE, listener(2, protocol_port=8080)),
    ]
    answers = await change_under_load(machine, changes)
    assert machine.pid != first
    assert machine.get(8080).startswith("web")

    async def all_counted() -> bool:
        # Including those that an old process finished after it was replaced.
        return (await machine.host.observe(AMPHORA)).counters[key("1", 1)].total_connections == answers

    await eventually(all_counted)


async def test_a_dead_member_gets_no_requests_until_it_is_back(machine: Machine, web: list[Web]) -> None:
    fast = monitor(delay=1, timeout=1, max_retries=1, max_retries_down=2)
    await machine.host.serve(instance(*BASE, fast))

    async def both_up() -> bool:
        return [await state(machine, 1), await state(machine, 2)] == ["up", "up"]

    await eventually(both_up)
    for broken in ("gone", "error"):
        if broken == "gone":
            web[1].stop()
        else:
            web[1].status = 500
        # The client sees no error, even before the checks have failed.
        assert {machine.get() for _ in range(6)} == {"web1"}

        async def down() -> bool:
            return await state(machine, 2) == "down"

        await eventually(down)
        # A reload keeps the state.
        await machine.host.serve(instance(*BASE, fast, listener(2, protocol_port=8080)))
        assert await state(machine, 2) == "down"
        await machine.host.serve(instance(*BASE, fast))
        web[1].status = 200
        if broken == "gone":
            web[1].start()
        await eventually(both_up)
        assert {machine.get() for _ in range(4)} == {"web1", "web2"}


async def test_a_change_of_a_members_health_is_an_event(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE, monitor(delay=1, timeout=1, max_retries=1, max_retries_down=1)))
    async with asyncio.timeout(5):
        assert await machine.host.changed() == AMPHORA

    async def known() -> bool:
        return await state(machine, 1) == "up"

    await eventually(known)
    web[0].stop()

    async def down() -> bool:
        assert await machine.host.changed() == AMPHORA
        return await state(machine, 1) == "down"

    async with asyncio.timeout(5):
        await eventually(down)


async def test_a_restarted_agent_adopts_the_running_haproxy(machine: Machine, web: list[Web]) -> None:
    served = instance(*BASE, generation=4)
    await machine.host.serve(served)
    machine.get()
    pid = machine.pid
    await machine.restart()
    assert dict(await machine.host.remembered()) == {AMPHORA: served}
    machine.get()
    await machine.host.serve(served)
    assert machine.pid == pid


async def test_an_instance_of_an_earlier_version_is_ordered_again(machine: Machine, web: list[Web]) -> None:
    served = instance(*BASE, generation=4)
    await machine.host.serve(served)
    (file,) = (machine.directory / "state" / "agent").glob("*.json")
    written = json.loads(file.read_text())
    for nic in written["interfaces"]:
        del nic["port_security"]
    file.write_text(json.dumps(written))
    pid = machine.pid
    await machine.restart()
    (known,) = (await machine.host.remembered()).values()
    assert (known.generation, known.tree) == (0, served.tree)
    machine.get()
    assert machine.pid == pid


async def test_a_dead_haproxy_is_detected_and_started_again(machine: Machine, web: list[Web]) -> None:
    served = instance(*BASE)
    await machine.host.serve(served)
    machine.get()
    assert (await machine.host.observe(AMPHORA)).counters[key("1", 1)].total_connections == 1
    os.kill(machine.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        assert await machine.host.changed() == AMPHORA

    async def known() -> bool:
        # The process needs a moment to end.
        try:
            await machine.host.observe(AMPHORA)
        except HostError as error:
            return "does not run" in str(error)
        return False

    await eventually(known)
    await machine.host.serve(served)
    assert machine.get().startswith("web")
    # The counters of the last observation are kept.
    assert (await machine.host.observe(AMPHORA)).counters[key("1", 1)].total_connections == 2


async def test_a_port_in_use_is_reported_and_the_last_configuration_goes_on(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    pid = machine.pid
    with netns.inside(machine.names.amphora(AMPHORA)):
        taken = socket.create_server((VIP, 8080))
    wanted = instance(*BASE, listener(2, protocol_port=8080), generation=2)
    with taken:
        await machine.host.serve(wanted)
        seen = await machine.host.observe(AMPHORA)
    assert re.search(r"Address already in use.*10\.0\.0\.10:8080", seen.troubles[key("1", 2)])
    assert machine.pid == pid
    assert machine.get().startswith("web")

    async def mended() -> bool:
        # As the agent looks after an event.
        return (await machine.host.observe(AMPHORA)).troubles == {}

    # The port is free now: the agent finds that without a change.
    await eventually(mended)
    assert machine.get(8080).startswith("web")


async def test_a_missing_haproxy_is_reported(machine: Machine) -> None:
    await machine.restart(haproxy="/nowhere/haproxy")
    with pytest.raises(HostError, match="/nowhere/haproxy"):
        await machine.host.serve(instance())


async def test_a_crash_between_any_two_steps_of_a_change_is_recovered(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    before = machine.pid
    # A crash leaves the mark, and a candidate that may or may not be running.
    (machine.amphora_files / "changing").touch()
    (machine.amphora_files / "candidate.cfg").write_text("half a")
    await machine.restart()
    await machine.host.serve(instance(*BASE, member(3), generation=2))
    assert {machine.get() for _ in range(6)} == {"web1", "web2", "web3"}
    assert machine.pid != before
    assert not (machine.amphora_files / "changing").exists()


async def test_members_on_another_subnet_are_reached_by_its_interface(machine: Machine) -> None:
    other = key("e", 9)
    nic = interface(other, "192.0.2.10/24")
    web = await asyncio.to_thread(Web, machine.names, other, "web1", "192.0.2.11")
    try:
        served = instance(listener(), pool(), member(1, address="192.0.2.11", subnet_id=key("f", 9)))
        two = structs.replace(served, interfaces=(*served.interfaces, nic))
        await machine.host.serve(two)
        assert machine.get() == "web1"
        await machine.host.serve(instance(listener(), pool(), generation=2))
        assert await asyncio.to_thread(kernel.links, machine.names.amphora(AMPHORA)) == ["eth0"]
    finally:
        web.stop()


async def test_withdrawing_leaves_nothing(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    # An open connection keeps an old process alive after a reload.
    with netns.inside(machine.client):
        open_connection = socket.create_connection((VIP, 80))
    with open_connection:
        await machine.host.serve(instance(*BASE, listener(2, protocol_port=8080)))
        await machine.host.withdraw(AMPHORA)
    assert machine.names.amphora(AMPHORA) not in netns.namespaces(machine.names.prefix)
    assert list((machine.directory / "run" / "amphorae").iterdir()) == []
    assert list((machine.directory / "state" / "agent").iterdir()) == []
    await machine.host.withdraw(AMPHORA)


async def test_long_connections_survive_a_reload(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    with netns.inside(machine.client):
        open_connection = socket.create_connection((VIP, 80), timeout=5)
    with open_connection:
        open_connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        await machine.host.serve(instance(*BASE, listener(2, protocol_port=8080)))
        open_connection.sendall(b"\r\n")
        assert open_connection.recv(100).startswith(b"HTTP/1.1 200")


async def test_the_idle_timeout_is_that_of_the_listener(machine: Machine, web: list[Web]) -> None:
    async def cut_after(served: Instance) -> float:
        await machine.host.serve(served)
        with netns.inside(machine.client):
            idle = socket.create_connection((VIP, 80), timeout=2.5)
        begun = time.monotonic()
        with idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            try:
                while await asyncio.to_thread(idle.recv, 1000):
                    pass
            except TimeoutError:
                pass
        return time.monotonic() - begun

    short = instance(listener(timeout_client_data=300, timeout_member_data=300), *BASE[1:])
    assert await cut_after(short) < 2
    long = instance(listener(timeout_client_data=14400000, timeout_member_data=14400000), *BASE[1:], generation=2)
    assert await cut_after(long) > 2


async def test_a_users_text_is_quoted(machine: Machine, web: list[Web]) -> None:
    evil = "/a'b\"c$d\\e{f}"
    await machine.host.serve(instance(*BASE, monitor(url_path=evil), root=load_balancer(name="x\nglobal\n")))
    assert machine.get().startswith("web")


async def test_traffic_of_an_old_process_is_counted(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    with netns.inside(machine.client):
        old = socket.create_connection((VIP, 80), timeout=5)
    with old:
        old.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        await machine.host.serve(instance(*BASE, listener(2, protocol_port=8080), generation=2))

        async def counters() -> Counters:
            return (await machine.host.observe(AMPHORA)).counters[key("1", 1)]

        async def still_open() -> bool:
            return (await counters()).active_connections == 1

        await eventually(still_open)
        before = await counters()
        old.sendall(b"\r\n")
        assert old.recv(100).startswith(b"HTTP/1.1 200")

        async def passed() -> bool:
            now = await counters()
            return now.bytes_out > before.bytes_out and now.active_connections == 0

        await eventually(passed)
    counted = await counters()
    # The file has it too: a restarted agent goes on from there.
    await machine.restart()
    await machine.host.serve(instance(*BASE, listener(2, protocol_port=8080), generation=2))
    assert await counters() == counted


async def test_counters_of_removed_members_are_forgotten(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*BASE))
    machine.get()
    machine.get()
    reloaded = listener(timeout_client_data=1000)
    for generation, children in enumerate([(reloaded, *BASE[1:3]), BASE[:3]], start=2):
        await machine.host.serve(instance(*children, generation=generation))

    async def kept() -> set[str]:
        written = (machine.amphora_files / "counters.json").read_text()
        return {name for name in (key("3", 1), key("3", 2)) if name in written}

    async def only_one() -> bool:
        return await kept() == {key("3", 1)}

    await eventually(only_one)
    assert (await machine.host.observe(AMPHORA)).counters[key("1", 1)].total_connections == 2


async def test_the_way_of_each_generation_is_observed(machine: Machine, web: list[Web]) -> None:
    steps = [
        (BASE, "start"),
        ((*BASE, member(3)), "runtime"),
        ((listener(name="named"), pool(), member(1), member(2), member(3)), "nothing"),
        ((listener(timeout_client_data=1000), pool(), member(1), member(2), member(3)), "reload"),
    ]
    for generation, (children, way) in enumerate(steps, start=1):
        await machine.host.serve(instance(*children, generation=generation))
        applied = (await machine.host.observe(AMPHORA)).applied
        assert applied is not None
        assert (applied.generation, applied.way) == (generation, way)
        assert (applied.lost_requests, applied.lost_connections) == (0, 0)
    await machine.restart()
    # The same generation again is no change.
    await machine.host.serve(instance(*steps[-1][0], generation=4))
    assert (await machine.host.observe(AMPHORA)).applied is None


async def test_connections_that_are_cut_with_an_old_process_are_counted_as_lost(
    machine: Machine, web: list[Web]
) -> None:
    tcp = (listener(protocol="TCP"), pool(protocol="TCP"), member(1))
    await machine.host.serve(instance(*tcp))
    with netns.inside(machine.client):
        client = socket.create_connection((VIP, 80))
    with client:
        old = machine.pid
        await machine.host.serve(instance(listener(protocol="TCP", timeout_client_data=99000), *tcp[1:], generation=2))
        assert machine.pid != old
        os.kill(old, signal.SIGKILL)

        async def counted() -> bool:
            applied = (await machine.host.observe(AMPHORA)).applied
            return applied is not None and (applied.way, applied.lost_connections) == ("reload", 1)

        await eventually(counted)
