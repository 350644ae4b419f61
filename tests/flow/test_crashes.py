"""Create, change, fail over, delete, with a crash before and after each effect on the database or the host."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hydria.adapters.memory import MemoryHost
from tests.flow.user import MEMBERS, NEW_MEMBER, User
from tests.flow.world import World, alive
from tests.support.databases import open_database

Step = Callable[[User], Awaitable[None]]

STEPS: dict[str, Step] = {
    "create": User.create,
    "change": User.change,
    "failover": User.fail_over,
    "delete": User.delete,
}

# The interfaces of the amphora after each step, and the ports: one more is the VIP's, which is plugged nowhere.
INTERFACES = {"create": 1, "change": 2, "failover": 2}
PORTS = {"create": 2, "change": 3, "failover": 3, "delete": 0}


class Snapshot:
    """A world at rest: its files, the host's state, and the user's token and subnets."""

    def __init__(self, directory: Path, memory: MemoryHost, user: User) -> None:
        self.directory = directory
        self.instances = dict(memory.instances)
        self.topology = memory.topology
        self.token, self.subnets = user.token, user.subnets

    def thaw(self, directory: Path) -> tuple[World, User]:
        """Return a copy of the world, in a directory that is emptied first."""
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.directory, directory)
        memory = MemoryHost()
        memory.instances, memory.topology = dict(self.instances), self.topology
        memory.running = set(self.instances)
        world = World(directory, memory)
        return world, User(world, self.token, self.subnets)


class Snapshots:
    """The world before each step, below a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made: dict[str, Snapshot] = {}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    return Snapshots(tmp_path_factory.mktemp("before"))


async def frozen(before: Snapshots, step: str) -> Snapshot:
    """Return the world before a step; it is made at first use."""
    if step in before.made:
        return before.made[step]
    directory = before.directory / step
    if step == "create":
        (directory / "state").mkdir(parents=True)
        world = World(directory)
        open_database(world.settings.database_url).close()
        user = User(world)
        async with alive(world):
            await user.log_in()
    else:
        previous = list(STEPS)[list(STEPS).index(step) - 1]
        world, user = (await frozen(before, previous)).thaw(directory)
        async with alive(world):
            await STEPS[previous](user)
    before.made[step] = Snapshot(directory, world.memory, user)
    return before.made[step]


def as_asked(step: str, memory: MemoryHost) -> None:
    """Assert that the host serves what the user asked for, and nothing else."""
    if step == "delete":
        assert memory.instances == {}
        return
    (instance,) = memory.instances.values()
    addresses = {member.address for member in instance.tree.members}
    assert len(instance.interfaces) == INTERFACES[step]
    assert addresses == ({*MEMBERS} if step == "create" else {MEMBERS[1], NEW_MEMBER})
    assert [listener.timeout_client_data for listener in instance.tree.listeners] == (
        [50000] if step == "create" else [60000]
    )
    assert memory.running == memory.instances.keys()


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_moment_ends_in_the_desired_state(step: str, before: Snapshots, tmp_path: Path) -> None:
    snapshot = await frozen(before, step)
    fatal, survived = 0, False
    while not survived:
        world, user = snapshot.thaw(tmp_path / "world")
        world.fatal = fatal
        async with alive(world):
            await STEPS[step](user)
            as_asked(step, world.memory)
            assert len(await user.ports()) == PORTS[step]
            assert world.checks or step == "delete"
        survived = not world.deaths
        fatal += 1
    assert fatal > 20
