"""The agent with a server that goes away and a host that fails: orders are carried out and reported."""

import asyncio
from typing import Any

from msgspec import structs

from hydria.agent.amphora_worker import LAST_RETRY, AmphoraWorker
from hydria.agent.turns import AT_ONCE, Turns
from hydria.backoff import Backoff
from hydria.contract import Address, Counters, Facts, Holding, Instance, Observation, Orders
from hydria.errors import HostError, WiringError
from tests.agent.headquarters import Headquarters, SlowHost, working
from tests.support.trees import AMPHORA, instance, key, listener, member, monitor, pool
from tests.support.waiting import eventually

OTHER = "bbbbbbbb-0000-4000-8000-000000000002"


def wanted(generation: int = 1, amphora_id: str = AMPHORA) -> Instance:
    return instance(listener(), pool(), member(1), monitor(), generation=generation, amphora_id=amphora_id)


def served(host: SlowHost, amphora_id: str = AMPHORA) -> int:
    held = host.instances.get(amphora_id)
    return 0 if held is None else held.generation


def held(server: Headquarters, amphora_id: str = AMPHORA) -> int | None:
    return server.polls[-1].amphorae.get(amphora_id) if server.polls else None


async def settled(server: Headquarters, generation: int = 1, amphora_id: str = AMPHORA) -> None:
    await eventually(lambda: (server.last(amphora_id).generation, server.last(amphora_id).reason) == (generation, None))


async def test_a_draining_amphora_is_observed_again_and_again(host: SlowHost, server: Headquarters) -> None:
    """The server waits for the end of its connections, which nothing tells the agent."""
    async with working(host, server, look_seconds=3600):
        server.want(structs.replace(wanted(), duty="draining"))
        await settled(server)
        seen = host.calls.count(("observe", AMPHORA))
        host.counters[key("1", 1)] = Counters(active_connections=7)
        await eventually(lambda: server.last(AMPHORA).counters[key("1", 1)].active_connections == 7)
        await eventually(lambda: host.calls.count(("observe", AMPHORA)) > seen + 1)


# --- orders ---


async def test_an_order_is_served_and_reported(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
    assert host.instances == {AMPHORA: wanted()}
    assert server.last(AMPHORA).servers[key("3", 1)] == "up"


async def test_orders_during_a_busy_moment_are_carried_out_as_one(host: SlowHost, server: Headquarters) -> None:
    host.hanging.add(("serve", AMPHORA))
    async with working(host, server):
        server.want(wanted(1))
        for generation in range(2, 20):
            server.want(wanted(generation))
            await eventually(lambda now=generation: held(server) == now)  # type: ignore[misc]
        host.release()
        await settled(server, 19)
    assert [report.generation for report in server.reports(AMPHORA)][-1] == 19
    # The one that hung and the newest.
    assert host.calls.count(("serve", AMPHORA)) == 2


async def test_the_newest_order_wins(host: SlowHost, server: Headquarters) -> None:
    host.hanging.add(("serve", AMPHORA))
    async with working(host, server):
        server.want(wanted())
        await eventually(lambda: held(server) == 1)
        server.leave(AMPHORA)
        await eventually(lambda: AMPHORA in server.polls[-1].withdrawing)
        host.release()
        await eventually(lambda: not server.leaving)
    assert host.instances == {}
    assert [call for call in host.calls if call[0] != "observe"] == [
        *(("remembered", ""), ("serve", AMPHORA), ("withdraw", AMPHORA))
    ]


async def test_the_last_counters_of_a_removed_amphora_are_reported(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        (listener_id,) = (each.id for each in wanted().tree.listeners)
        host.counters[listener_id] = Counters(total_connections=7)
        server.leave(AMPHORA)
        await eventually(lambda: not server.leaving)
    assert server.reports(AMPHORA)[-1].counters[listener_id].total_connections == 7


async def test_the_topology_is_made_before_the_amphorae_that_need_it(host: SlowHost, server: Headquarters) -> None:
    server.rewire()
    server.want(wanted())
    async with working(host, server):
        await settled(server)
    assert host.calls.index(("wire", "")) < host.calls.index(("serve", AMPHORA))
    assert host.topology == server.topology


async def test_a_restarted_agent_serves_beside_its_look_at_the_topology(host: SlowHost, server: Headquarters) -> None:
    server.rewire()
    async with working(host, server):
        await eventually(lambda: host.topology == server.topology)
    host.hanging.add(("wire", ""))
    server.want(wanted())
    async with working(host, server):
        await eventually(lambda: server.last(AMPHORA).generation == 1)
        host.release()
        await eventually(lambda: host.calls.count(("wire", "")) == 2)


async def test_after_a_reboot_the_topology_is_made_first(host: SlowHost, server: Headquarters) -> None:
    server.rewire()
    async with working(host, server):
        await eventually(lambda: host.topology == server.topology)
    host.topology = None
    server.want(wanted())
    async with working(host, server):
        await settled(server)
    last = len(host.calls) - 1 - host.calls[::-1].index(("wire", ""))
    assert last < host.calls.index(("serve", AMPHORA))


# --- failures ---


async def test_a_failure_is_reported_and_tried_again(host: SlowHost, server: Headquarters) -> None:
    host.faults.set("serve", HostError("The disk is full."), times=2)
    async with working(host, server):
        server.want(wanted())
        await settled(server)
    said = [(each.generation, each.attempted, each.reason) for each in server.reports(AMPHORA)]
    assert said[0] == (0, 1, "The disk is full.")
    assert said[-1] == (1, 0, None)
    assert host.calls.count(("serve", AMPHORA)) == 3


async def test_the_pause_after_each_failure_is_longer_until_one_order_succeeds(host: SlowHost) -> None:
    pauses: list[float] = []

    def draw(_: float, longest: float) -> float:
        pauses.append(longest)
        return longest

    host.faults.set("serve", HostError("no"), times=4)
    worker = AmphoraWorker(AMPHORA, host, lambda _: None, Turns(), Backoff(0.001, 0.004, draw))
    worker.serve(wanted())
    await eventually(lambda: worker.report.generation == 1)
    assert pauses == [0.001, 0.002, 0.004, 0.004]
    host.faults.set("serve", HostError("no"), times=1)
    worker.serve(wanted(2))
    await eventually(lambda: worker.report.generation == 2)
    assert pauses[4:] == [0.001]
    await worker.close()


async def test_a_newer_order_does_not_wait_for_the_pause_after_a_failure(host: SlowHost) -> None:
    reasons: list[tuple[int, str | None]] = []
    hour = 3600.0
    host.faults.set("serve", HostError("no"), times=1)
    worker = AmphoraWorker(
        AMPHORA,
        host,
        lambda worker: reasons.append((worker.report.attempted, worker.report.reason)),
        Turns(),
        Backoff(hour, hour),
    )
    worker.serve(wanted())
    await eventually(lambda: reasons == [(1, "no")])
    worker.serve(wanted(2))
    await eventually(lambda: worker.report.generation == 2)
    await worker.close()


async def test_the_same_failure_is_reported_once_for_each_generation(host: SlowHost, server: Headquarters) -> None:
    host.faults.set("serve", HostError("no"), times=3)
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        host.faults.set("serve", HostError("no"), times=2)
        server.want(wanted(2))
        await settled(server, 2)
    reports = [(each.attempted, each.reason) for each in server.reports(AMPHORA)]
    assert reports == [(1, "no"), (0, None), (2, "no"), (0, None)]


async def test_a_failed_change_leaves_the_last_instance_serving(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted(1))
        await settled(server, 1)
        host.faults.set("serve", HostError("Address in use."))
        server.want(wanted(2))
        await eventually(lambda: server.last(AMPHORA).reason == "Address in use.")
        assert (server.last(AMPHORA).generation, server.last(AMPHORA).attempted) == (1, 2)
        # Health is still reported, together with the reason.
        host.take_down(key("3", 1))
        await eventually(lambda: server.last(AMPHORA).servers[key("3", 1)] == "down")
        assert server.last(AMPHORA).reason == "Address in use."
        host.faults.clear()
        await settled(server, 2)


async def test_an_unexpected_exception_is_reported_as_a_failure(host: SlowHost, server: Headquarters) -> None:
    host.faults.set("serve", ZeroDivisionError("division by zero"), times=1)
    async with working(host, server):
        server.want(wanted())
        await eventually(lambda: server.last(AMPHORA).reason == "division by zero")
        await settled(server)


async def test_the_failure_of_a_superseded_order_is_not_reported(host: SlowHost, server: Headquarters) -> None:
    host.hanging.add(("serve", AMPHORA))
    host.faults.set("serve", HostError("no"), times=1)
    async with working(host, server):
        server.want(wanted(1))
        await eventually(lambda: held(server) == 1)
        server.want(wanted(2))
        await eventually(lambda: held(server) == 2)
        host.release()
        await settled(server, 2)
    assert [report.reason for report in server.reports(AMPHORA)] == [None]


async def test_a_failed_removal_is_reported_and_tried_again(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        host.faults.set("withdraw", HostError("Device busy."), times=2)
        server.leave(AMPHORA)
        await eventually(lambda: server.last(AMPHORA).reason == "Device busy.")
        await eventually(lambda: not server.leaving)
    assert host.instances == {}


async def test_a_failed_topology_is_reported_and_delays_no_amphora(host: SlowHost, server: Headquarters) -> None:
    host.faults.set("wire", WiringError("No bridge.", {"lan": "No bridge."}), times=3)
    server.rewire()
    async with working(host, server):
        await eventually(lambda: bool(server.heard) and server.heard[-1].topology_reason == "No bridge.")
        assert server.heard[-1].networks_down == {"lan": "No bridge."}
        server.want(wanted())
        await settled(server)
        await eventually(lambda: server.heard[-1].topology_reason is None)
        assert [each.networks_down for each in server.heard if each.networks_down is not None][-1] == {}
        assert host.topology == server.topology
        # It was ordered once; all else was the agent's own affair.
        assert len([each for each in server.polls if each.topology == 0]) == 1


# --- what happens on the host ---


async def test_an_event_leads_to_a_report(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        host.take_down(key("3", 1))
        await eventually(lambda: server.last(AMPHORA).servers[key("3", 1)] == "down")
        host.bring_up(key("3", 1))
        await eventually(lambda: server.last(AMPHORA).servers[key("3", 1)] == "up")


async def test_the_last_state_of_flapping_health_is_reported(host: SlowHost) -> None:
    class Slow(Headquarters):
        gate = asyncio.Event()

        async def report(self, reports: Any) -> None:
            await self.gate.wait()
            await super().report(reports)

    server = Slow()
    server.gate.set()
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        server.gate.clear()
        for shake in (host.take_down, host.bring_up, host.take_down, host.bring_up):
            looks = len(host.calls)
            shake(key("3", 1))
            await eventually(lambda before=looks: len(host.calls) > before)  # type: ignore[misc]
        server.gate.set()
        await eventually(lambda: server.last(AMPHORA).servers[key("3", 1)] == "up")


async def test_an_ended_amphora_is_served_again_at_once(host: SlowHost, server: Headquarters) -> None:
    # The agent does not look by itself within this test.
    async with working(host, server, look_seconds=3600):
        server.want(wanted())
        await settled(server)
        host.kill(AMPHORA)
        await eventually(lambda: AMPHORA in host.running)


async def test_an_amphora_that_keeps_ending_is_tried_with_pauses(host: SlowHost, server: Headquarters) -> None:
    class Dying(SlowHost):
        async def observe(self, amphora_id: str) -> Any:
            seen = await super().observe(amphora_id)
            self.kill(amphora_id)
            return seen

    dying = Dying()
    async with working(dying, server):
        server.want(wanted())
        await eventually(lambda: "does not run" in (server.last(AMPHORA).reason or ""))
        await eventually(lambda: dying.calls.count(("serve", AMPHORA)) == 3)
        begun = dying.calls.count(("observe", AMPHORA))
        await eventually(lambda: dying.calls.count(("serve", AMPHORA)) == 4)
        assert dying.calls.count(("observe", AMPHORA)) <= begun + 4


async def test_amphorae_are_observed_without_events(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server, look_seconds=0.01):
        server.want(wanted())
        await settled(server)
        # No event tells of it.
        host.running.discard(AMPHORA)
        await eventually(lambda: AMPHORA in host.running)
        messages = len(server.heard)
        looks = len(host.calls)
        await eventually(lambda: len(host.calls) > looks + 20)
        # Nothing new is nothing to say.
        assert len(server.heard) <= messages + 2


class BusyHost(SlowHost):
    """A host whose first listener gets traffic all the time."""

    async def observe(self, amphora_id: str) -> Observation:
        known = self.counters.get(key("1", 1), Counters())
        self.counters[key("1", 1)] = structs.replace(known, bytes_in=known.bytes_in + 1)
        return await super().observe(amphora_id)


async def first_is_observed_more_often(host: SlowHost, server: Headquarters, other: Instance) -> None:
    async with working(host, server, look_seconds=0.01):
        server.want(wanted(), other)
        await settled(server)
        await settled(server, amphora_id=OTHER)
        await eventually(
            lambda: host.calls.count(("observe", AMPHORA)) > host.calls.count(("observe", OTHER)) + 20,
        )
        # The other one is observed, too.
        looks = host.calls.count(("observe", OTHER))
        await eventually(lambda: host.calls.count(("observe", OTHER)) > looks + 2)


async def test_amphorae_with_traffic_are_observed_more_often(server: Headquarters) -> None:
    await first_is_observed_more_often(BusyHost(), server, instance(listener(number=2), pool(), amphora_id=OTHER))


async def test_amphorae_in_which_nothing_is_done_are_observed_seldom(host: SlowHost, server: Headquarters) -> None:
    host.at_rest.add(OTHER)
    await first_is_observed_more_often(host, server, wanted(amphora_id=OTHER))


async def test_a_hanging_amphora_delays_no_other(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server, look_seconds=0.05):
        server.want(wanted(), wanted(amphora_id=OTHER))
        await settled(server)
        await settled(server, amphora_id=OTHER)
        host.hanging |= {("observe", AMPHORA), ("serve", AMPHORA)}
        # Both have the member: the first hangs at once, with an event and with an order.
        host.take_down(key("3", 1))
        server.want(wanted(2))
        await eventually(lambda: server.last(OTHER).servers[key("3", 1)] == "down")
        server.want(wanted(2, amphora_id=OTHER))
        await settled(server, 2, OTHER)
        host.kill(OTHER)
        await eventually(lambda: OTHER in host.running)
        host.release()
        await settled(server, 2)


# --- the server goes, the agent goes ---


async def test_all_reports_are_sent_again_after_the_server_was_away(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted(), wanted(amphora_id=OTHER))
        await settled(server)
        await settled(server, amphora_id=OTHER)
        await server.go_away()
        host.take_down(key("3", 1))
        server.heard.clear()
        server.come_back()
        await eventually(lambda: bool(server.reports(AMPHORA) and server.reports(OTHER)))
        assert server.last(AMPHORA).servers[key("3", 1)] == "down"
    assert served(host) == 1


async def test_unchanged_reports_are_sent_to_a_server_that_comes_back_empty(
    host: SlowHost, server: Headquarters
) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        await server.go_away()
        server.heard.clear()
        server.come_back()
        await eventually(lambda: server.last(AMPHORA).generation == 1)
    assert host.calls.count(("serve", AMPHORA)) == 1


async def test_work_done_while_the_server_is_away_is_reported_later(host: SlowHost, server: Headquarters) -> None:
    host.hanging.add(("serve", AMPHORA))
    async with working(host, server):
        server.want(wanted())
        await eventually(lambda: held(server) == 1)
        await server.go_away()
        host.release()
        await eventually(lambda: served(host) == 1)
        assert server.reports(AMPHORA) == []
        server.come_back()
        await settled(server)


async def test_a_removal_is_reported_again_when_the_answer_was_lost(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        host.hanging.add(("withdraw", AMPHORA))
        server.leave(AMPHORA)
        await eventually(lambda: server.polls[-1].withdrawing == (AMPHORA,))
        await server.go_away()
        host.release()
        await eventually(lambda: not host.instances)
        server.come_back()
        await eventually(lambda: not server.leaving)
        # Lost on the way back: it is said twice, and then forgotten.
        server.want(wanted(amphora_id=OTHER))
        await settled(server, amphora_id=OTHER)
        server.lossy = True
        server.leave(OTHER)
        await eventually(lambda: len([each for each in server.heard if OTHER in each.withdrawn]) >= 2)
        server.lossy, said = False, len(server.heard)
        await eventually(lambda: len(server.heard) > said)
        server.want(wanted(3, "bbbbbbbb-0000-4000-8000-000000000003"))
        await eventually(
            lambda: server.polls[-1].amphorae.keys() == server.wanted.keys() and not server.polls[-1].withdrawing
        )


async def test_a_restarted_agent_serves_what_it_remembers_before_it_polls(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted(4))
        await settled(server, 4)
    host.reboot()
    server.heard.clear()
    server.away = True
    async with working(host, server):
        await eventually(lambda: AMPHORA in host.running)
        server.come_back()
        await settled(server, 4)
    # It said what it holds, so nothing was ordered again.
    assert host.calls.count(("serve", AMPHORA)) == 2


def with_vips(generation: int = 1) -> Instance:
    return structs.replace(wanted(generation), vips=(Address(ip="10.0.0.10", prefix=32),))


async def rebooted(host: SlowHost, server: Headquarters) -> None:
    """Have the host serve an amphora, and lose its power and the server."""
    async with working(host, server):
        server.want(with_vips())
        await settled(server)
    host.reboot()
    server.heard.clear()
    server.polls.clear()
    server.away = True


async def test_after_a_power_cut_the_vips_wait_for_the_servers_answer(host: SlowHost, server: Headquarters) -> None:
    await rebooted(host, server)
    async with working(host, server):
        await eventually(lambda: host.duties[AMPHORA] == "standby" and server.refused > 2)
        # Meanwhile another amphora has taken them.
        server.want(structs.replace(with_vips(2), duty="standby"))
        server.come_back()
        await settled(server, 2)
        assert server.polls[0].amphorae == {AMPHORA: 0}
    assert host.duties[AMPHORA] == "standby"


async def test_after_a_power_cut_the_vips_are_taken_when_no_server_answers(
    host: SlowHost, server: Headquarters
) -> None:
    await rebooted(host, server)
    async with working(host, server, alone=0.5):
        await eventually(lambda: host.duties[AMPHORA] == "standby")
        await eventually(lambda: host.duties[AMPHORA] == "active")
        server.come_back()
        await settled(server)
        await eventually(lambda: held(server) == 1)


async def test_a_restarted_agent_leaves_the_vips_of_a_running_amphora(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(with_vips())
        await settled(server)
    server.away = True
    seen = host.calls.count(("serve", AMPHORA))
    async with working(host, server):
        await eventually(lambda: host.calls.count(("serve", AMPHORA)) > seen)
        assert host.duties[AMPHORA] == "active"


async def test_a_remembered_part_is_served_and_not_reported(host: SlowHost, server: Headquarters) -> None:
    # What a host makes of an instance whose secrets it lost.
    host.instances[AMPHORA] = wanted(0)
    server.want(wanted(4))
    server.away = True
    async with working(host, server, look_seconds=0.01):
        await eventually(lambda: AMPHORA in host.running)
        host.take_down(key("3", 1))
        await eventually(lambda: host.calls.count(("observe", AMPHORA)) > 2)
        host.hanging.add(("serve", AMPHORA))
        server.come_back()
        await eventually(lambda: held(server) == 4)
        assert server.polls[0].amphorae == {AMPHORA: 0}
        assert server.reports(AMPHORA) == []
        host.release()
        await settled(server, 4)
    assert host.instances == {AMPHORA: wanted(4)}


async def test_after_a_restart_the_deleted_goes_and_the_unknown_serves_on(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted(), wanted(amphora_id=OTHER))
        await settled(server)
        await settled(server, amphora_id=OTHER)
    server.leave(AMPHORA)
    # The server does not know the other one any more.
    del server.wanted[OTHER]
    async with working(host, server):
        await eventually(lambda: not server.leaving and server.described == {OTHER})
        assert host.instances.keys() == host.running == {OTHER}


async def test_the_removal_of_an_amphora_that_was_never_here_is_reported(host: SlowHost, server: Headquarters) -> None:
    server.leaving.add(AMPHORA)
    async with working(host, server):
        await eventually(lambda: not server.leaving)


async def test_closing_leaves_everything_running(host: SlowHost) -> None:
    worker = AmphoraWorker(AMPHORA, host, lambda _: None, Turns())
    worker.serve(wanted())
    await eventually(lambda: AMPHORA in host.running)
    await worker.close()
    assert host.instances == {AMPHORA: wanted()}


# --- what cannot be asked ---


async def test_an_amphora_that_cannot_be_asked_is_reported_as_that(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server, look_seconds=0.01):
        server.want(wanted())
        await settled(server)
        host.faults.set("observe", HostError("HAProxy does not answer."))
        await eventually(lambda: server.last(AMPHORA).reason == "HAProxy does not answer.")
        said = server.last(AMPHORA)
        assert (said.reachable, said.servers) == (False, {})
        host.faults.clear()
        await settled(server)
        assert server.last(AMPHORA).reachable is True


async def test_an_amphora_that_is_killed_repeatedly_is_back_soon(host: SlowHost, server: Headquarters) -> None:
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        loop, gaps = asyncio.get_running_loop(), []
        for _ in range(8):
            begun = loop.time()
            host.kill(AMPHORA)
            await eventually(lambda: AMPHORA in host.running)
            gaps.append(loop.time() - begun)
        # It never waits as long as after a failure to start.
        assert min(gaps[4:]) < LAST_RETRY / 2


async def test_the_last_instance_is_served_again_while_a_change_fails(host: SlowHost, server: Headquarters) -> None:
    class Picky(SlowHost):
        async def serve(self, instance: Instance) -> None:
            if instance.generation == 2:
                raise HostError("A port is taken.")
            await super().serve(instance)

    picky = Picky()
    async with working(picky, server):
        server.want(wanted(1))
        await settled(server, 1)
        server.want(wanted(2))
        await eventually(lambda: server.last(AMPHORA).reason == "A port is taken.")
        picky.kill(AMPHORA)
        await eventually(lambda: AMPHORA in picky.running)
        await eventually(lambda: server.last(AMPHORA).reachable is True)
        assert (server.last(AMPHORA).generation, server.last(AMPHORA).reason) == (1, "A port is taken.")


async def test_all_reports_are_sent_again_when_the_server_asks(host: SlowHost) -> None:
    class Doubting(Headquarters):
        doubts = asyncio.Event()

        async def poll(self, holding: Holding) -> Orders:
            if self.doubts.is_set():
                self.doubts.clear()
                return Orders(report=True)
            return await super().poll(holding)

    server = Doubting()
    async with working(host, server):
        server.want(wanted())
        await settled(server)
        server.heard.clear()
        server.doubts.set()
        server.rewire()
        await eventually(lambda: server.last(AMPHORA).generation == 1)


# --- facts ---


async def test_an_agent_polls_again_when_the_facts_of_its_host_change(host: SlowHost, server: Headquarters) -> None:
    bridges = ["br0"]

    def facts() -> Facts:
        if not bridges:
            raise HostError("no bridges can be listed")
        return Facts(version="1", physical_networks=tuple(bridges))

    async with working(host, server, facts=facts):
        await eventually(lambda: server.polls and server.polls[-1].facts == facts())
        bridges.append("br1")
        await eventually(lambda: server.polls[-1].facts.physical_networks == ("br0", "br1"))
        # What cannot be read is said as it was.
        bridges.clear()
        server.want(wanted())
        await settled(server)
        assert server.polls[-1].facts.physical_networks == ("br0", "br1")


# --- many amphorae ---


async def test_an_order_does_not_wait_for_all_that_is_brought_back(host: SlowHost, server: Headquarters) -> None:
    keys = [f"cccccccc-0000-4000-8000-{number:012}" for number in range(5 * AT_ONCE)]
    host.instances = {each: wanted(amphora_id=each) for each in keys}
    host.running = set(keys)
    host.hanging = {("serve", each) for each in keys}
    server.want(*host.instances.values(), wanted())
    async with working(host, server):
        await settled(server)
        # All are known to be here, so that nothing is sent again.
        assert server.polls[0].amphorae == dict.fromkeys(keys, 1)
        host.release()
        for each in keys:
            await settled(server, amphora_id=each)
    tried = [key for verb, key in host.calls if verb == "serve"]
    # Those that hang keep up the others for a while only.
    assert tried.index(AMPHORA) < len(keys) - AT_ONCE


class Recorder(SlowHost):
    """A host that records which amphorae it had take VIPs, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.took: list[str] = []

    async def serve(self, instance: Instance) -> None:
        await super().serve(instance)
        if instance.duty == "active":
            self.took.append(instance.amphora_id)


async def test_the_busiest_amphorae_have_their_vips_first_after_a_reboot(server: Headquarters) -> None:
    keys = [f"cccccccc-0000-4000-8000-{number:012}" for number in range(5 * AT_ONCE)]
    whole = [structs.replace(with_vips(), amphora_id=each) for each in keys]
    host = Recorder()
    # A host remembers the busiest first.
    host.instances = {each.amphora_id: each for each in reversed(whole)}
    server.want(*whole)
    async with working(host, server):
        await eventually(lambda: len(host.took) == len(keys))
    assert set(keys[-AT_ONCE:]) <= set(host.took[: 2 * AT_ONCE])
