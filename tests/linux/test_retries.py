"""Retries at another member when a member fails during a request."""

import asyncio
import http.client
from typing import Any

from hydria.adapters.linux.netns import inside
from tests.linux.haproxies import Web, get
from tests.linux.machines import VIP, Machine
from tests.support.trees import AMPHORA, instance, listener, member, monitor, pool
from tests.support.waiting import eventually

TREE = (listener(), pool(), member(1), member(2))


async def test_an_unanswered_first_request_goes_to_another_member(machine: Machine, web: list[Web]) -> None:
    web[0].status = 0
    await machine.host.serve(instance(*TREE))

    for _ in range(4):
        assert await asyncio.to_thread(machine.get) == "web2"
    assert web[0].requests


async def test_unrepeatable_requests_are_not_sent_again(machine: Machine, web: list[Web]) -> None:
    web[0].status = 0
    await machine.host.serve(instance(*TREE))

    answers = [await asyncio.to_thread(get, machine.client, VIP, method="POST") for _ in range(4)]

    assert sorted(status for status, _ in answers) == [200, 200, 502, 502]
    assert (web[0].requests, web[1].requests) == (2, 2)


async def test_a_kept_connection_is_closed_when_a_member_does_not_answer(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE[:3]))
    connection = _connect(machine)
    before = await asyncio.to_thread(_ask, connection)

    web[0].status = 0

    # A client with a kept connection sends the request again on a new one: it sees no error.
    assert (before, await asyncio.to_thread(_ask, connection)) == (200, None)


async def test_a_request_with_a_500_is_sent_at_most_twice(machine: Machine, web: list[Web]) -> None:
    # The checks go to another server, which answers 200.
    checked, place = monitor(), {"monitor_address": "10.0.0.13"}
    one = (*TREE[:2], member(1, **place))
    await machine.host.serve(instance(*one, member(2, **place), checked))
    for each in web[:2]:
        each.status = 503

    status, _ = await asyncio.to_thread(get, machine.client, VIP)

    assert status == 503
    assert [each.requests for each in web[:2]] == [1, 1]
    # Only one member is usable: the other is drained, switched off, a backup or removed, without or with a reload.
    choices: list[list[dict[str, Any]]] = [[{"weight": 0}], [{"admin_state_up": False}], [{"backup": True}], []]
    for generation, second in enumerate(choices, start=2):
        others = (member(2, **place, **each) for each in second)
        await machine.host.serve(instance(*one, *others, checked, generation=generation))
        before = [each.requests for each in web[:2]]
        status, _ = await asyncio.to_thread(get, machine.client, VIP)
        assert status == 503
        assert [each.requests for each in web[:2]] == [before[0] + 1, before[1]], second


async def test_a_request_is_sent_at_most_twice_when_answers_time_out(machine: Machine, web: list[Web]) -> None:
    for each in web:
        each.status = 0
    await machine.host.serve(instance(*TREE))

    status, _ = await asyncio.to_thread(get, machine.client, VIP)

    assert status == 502
    assert [each.requests for each in web[:2]] == [1, 1]


async def test_an_unreachable_member_causes_no_error(machine: Machine, web: list[Web]) -> None:
    # Nothing listens there, so an unrepeatable request was not sent either.
    await machine.host.serve(instance(*TREE[:3], member(2, protocol_port=9)))

    for method in ("GET", "POST"):
        answers = [await asyncio.to_thread(get, machine.client, VIP, method=method) for _ in range(4)]
        assert [status for status, _ in answers] == [200] * 4


async def test_a_500_before_the_monitor_fails_causes_no_error(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE, monitor(delay=2)))

    async def checked() -> bool:
        return set((await machine.host.observe(AMPHORA)).servers.values()) == {"up"}

    await eventually(checked)
    web[0].status = 500
    connection = _connect(machine)

    assert [await asyncio.to_thread(_ask, connection) for _ in range(6)] == [200] * 6


def _connect(machine: Machine) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(VIP, timeout=5)
    with inside(machine.client):
        connection.connect()
    # http.client must not reconnect by itself.
    connection.auto_open = False
    return connection


def _ask(connection: http.client.HTTPConnection) -> int | None:
    """Return the answer's status, or None when the connection ended."""
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
    except http.client.RemoteDisconnected:
        return None
    return answer.status
