"""Server and agent together with a host that fails: the owner is shown the reason, and it mends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hydria.adapters.memory import MemoryHost
from hydria.errors import HostError
from tests.agent.headquarters import SlowHost
from tests.flow.user import LBAAS, User
from tests.flow.world import World, alive
from tests.support.databases import open_database
from tests.support.waiting import eventually


@pytest.fixture
async def user(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[User]:
    """A user of a whole world; a parameter is the class of its host."""
    (tmp_path / "state").mkdir()
    world = World(tmp_path, getattr(request, "param", MemoryHost)())
    open_database(world.settings.database_url).close()
    made = User(world)
    async with alive(world):
        await made.log_in()
        yield made


async def status(user: User) -> tuple[str, str | None]:
    """Return the load balancer's status and the reason that its owner is shown."""
    found = await user.find("loadbalancers")
    if not found:
        return "gone", None
    tree = await user.get(f"{LBAAS}/loadbalancers/{found[0]['id']}/status")
    why = tree["statuses"]["loadbalancer"].get("provisioning_status_reason") if tree else None
    return found[0]["provisioning_status"], why


async def becomes(user: User, wanted: str, reason: str | None = None) -> None:
    async def so() -> bool:
        return await status(user) == (wanted, reason)

    await eventually(so)


async def test_a_failed_creation_is_shown_and_mends(user: User) -> None:
    user.world.memory.faults.set("serve", HostError("The disk is full."))
    creating = asyncio.create_task(user.create())
    await becomes(user, "ERROR", "The disk is full.")
    user.world.memory.faults.clear()
    await creating
    await becomes(user, "ACTIVE")


async def test_a_failed_change_is_shown_and_mends(user: User) -> None:
    await user.create()
    user.world.memory.faults.set("serve", HostError("Address in use."))
    changing = asyncio.create_task(user.change())
    await becomes(user, "ERROR", "Address in use.")
    user.world.memory.faults.clear()
    await changing
    await becomes(user, "ACTIVE")


async def test_a_failed_deletion_is_shown_and_mends(user: User) -> None:
    await user.create()
    user.world.memory.faults.set("withdraw", HostError("Device busy."))
    deleting = asyncio.create_task(user.delete())
    await becomes(user, "ERROR", "Device busy.")
    user.world.memory.faults.clear()
    await deleting
    assert await user.ports() == []
    assert user.world.memory.instances == {}


async def test_a_failing_load_balancer_can_be_deleted(user: User) -> None:
    user.world.memory.faults.set("serve", HostError("no"))
    creating = asyncio.create_task(user.create())
    await becomes(user, "ERROR", "no")
    creating.cancel()
    await user.delete()
    assert await user.ports() == []


async def test_health_is_shown_to_the_user(user: User) -> None:
    await user.create()
    (pool,) = await user.find("pools")
    monitor = {"type": "HTTP", "delay": 5, "timeout": 5, "max_retries": 2, "pool_id": pool["id"]}
    await user.ask("POST", f"{LBAAS}/healthmonitors", {"healthmonitor": monitor})
    await user.active()
    first, _ = await user.find(f"pools/{pool['id']}/members")

    async def degraded() -> bool:
        (found,) = await user.find("loadbalancers")
        return bool(found["operating_status"] == "DEGRADED")

    user.world.memory.take_down(first["id"])
    await eventually(degraded)


@pytest.mark.parametrize("user", [SlowHost], indirect=True)
async def test_twenty_changes_while_the_host_is_busy_take_three_of_its_turns_at_most(user: User) -> None:
    host = user.world.memory
    assert isinstance(host, SlowHost)
    await user.create()
    (listener,) = await user.find("listeners")
    serve = ("serve", next(iter(host.instances)))
    serves = host.calls.count(serve)
    host.hanging.add(serve)
    for number in range(20):
        slower = {"listener": {"timeout_client_data": 1000 + number}}
        answer = await user.ask("PUT", f"{LBAAS}/listeners/{listener['id']}", slower)
        assert answer is not None
        assert answer.status_code == 200
    host.release()
    await user.active()
    (instance,) = host.instances.values()
    assert instance.tree.listeners[0].timeout_client_data == 1019
    # The first change, those that the agent had polled until then, and the rest.
    assert host.calls.count(serve) <= serves + 3


async def test_a_host_that_lost_everything_gets_it_from_the_database(user: User) -> None:
    await user.create()
    memory = user.world.memory
    served = dict(memory.instances)
    user.world.agent.end()
    memory.reboot()
    memory.instances.clear()

    async def back() -> bool:
        return memory.instances == served and memory.running == served.keys() and memory.topology is not None

    await eventually(back)
    # Between the loss and now the database said more than was true: that is what the check is for.
    assert user.world.failures
    user.world.failures.clear()


async def test_refused_passwords_are_counted_in_the_metrics(user: User) -> None:
    nobody = {"name": "nobody", "domain": {"id": "default"}, "password": "wrong"}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": nobody}}}}
    answers = []
    while 429 not in answers:
        answer = await user.ask("POST", "/identity/v3/auth/tokens", login)
        assert answer is not None
        answers.append(answer.status_code)
    scrape = await user.ask("GET", "/metrics")
    assert scrape is not None
    assert f'hydria_passwords_refused_total{{reason="wrong"}} {answers.count(401)}.0' in scrape.text
    assert 'hydria_passwords_refused_total{reason="limited"} 1.0' in scrape.text
