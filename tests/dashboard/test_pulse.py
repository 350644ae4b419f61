"""Live events: each dashboard hears of the load balancers that its user may list, and of nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hydria.dashboard.pulse import EVERYTHING, Audience, Pulse, Subscriber
from tests.support.cloud import Cloud

pytestmark = pytest.mark.both_databases


@asynccontextmanager
async def beating(cloud: Cloud) -> AsyncIterator[Pulse]:
    """Yield a pulse that runs."""
    pulse, stop = Pulse(cloud.database, cloud.clock), asyncio.Event()
    task = asyncio.create_task(pulse.run(stop))
    yield pulse
    stop.set()
    pulse.close()
    await task


async def heard(subscriber: Subscriber, name: str) -> dict[str, Any]:
    """Return the data of the next event of a name."""
    while True:
        message = await asyncio.wait_for(subscriber.next(), 60)
        assert message is not None
        head, _, data = message.decode().partition("\ndata: ")
        if head == f"event: {name}":
            found: dict[str, Any] = json.loads(data)
            return found


async def test_the_first_event_has_everything_of_the_project(cloud: Cloud) -> None:
    made = await cloud.api("alice").create("loadbalancer", name="mine", vip_subnet_id=cloud.subnet.id)
    async with beating(cloud) as pulse:
        for scope, expected in (("p-red", [made["id"]]), (EVERYTHING, [made["id"]]), ("p-blue", [])):
            async with pulse.subscribed(Audience(scope=scope)) as subscriber:
                found = await heard(subscriber, "all")
                assert [row[0] for row in found["rows"]] == expected


async def test_a_change_is_told_to_those_who_may_see_it(cloud: Cloud) -> None:
    async with (
        beating(cloud) as pulse,
        pulse.subscribed(Audience(scope="p-red")) as mine,
        pulse.subscribed(Audience(scope="p-blue")) as other,
    ):
        await heard(mine, "all")
        await heard(other, "all")
        made = await cloud.api("alice").create("loadbalancer", name="new", vip_subnet_id=cloud.subnet.id)
        assert [row[:2] for row in (await heard(mine, "change"))["rows"]] == [[made["id"], "new"]]
        theirs = await cloud.api("admin").create(
            "loadbalancer", name="theirs", vip_subnet_id=cloud.subnet.id, project_id="p-blue"
        )
        assert [row[0] for row in (await heard(other, "change"))["rows"]] == [theirs["id"]]


async def test_a_dashboard_that_does_not_read_loses_its_stream(cloud: Cloud) -> None:
    subscriber = Subscriber(Audience(scope=EVERYTHING))
    for _ in range(100):
        subscriber.put(b"event: change\ndata: {}\n\n")
        if subscriber.ended:
            break
    assert await subscriber.next() is None


async def test_a_stopping_server_ends_all_streams(cloud: Cloud) -> None:
    async with beating(cloud) as pulse, pulse.subscribed(Audience(scope=EVERYTHING)) as subscriber:
        pulse.close()
        assert await subscriber.next() is None
