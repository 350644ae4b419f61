"""HAProxy is upgraded under load: the processes that run are replaced by themselves, and nothing is lost."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hydria.adapters.linux.processes import hold
from tests.linux.haproxies import Load, Web
from tests.linux.machines import VIP, Machine, attended
from tests.support.trees import AMPHORA, instance, listener, member, pool
from tests.support.waiting import eventually

TREE = (listener(), pool(), member(1), member(2))


class Installed:
    """A program of the test's own, which can be installed again, as a package does it: by a new file of its name."""

    def __init__(self, directory: Path, name: str = "haproxy") -> None:
        self.path = directory / name
        self.install()

    def install(self, *, broken: bool = False) -> None:
        draft = self.path.with_suffix(".new")
        if broken:
            draft.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
            draft.chmod(0o755)
        else:
            found = shutil.which(self.path.name)
            assert found is not None
            shutil.copy(found, draft)
        draft.rename(self.path)

    def runs(self, pid: int) -> bool:
        return os.path.samefile(f"/proc/{pid}/exe", self.path)


@pytest.fixture
def installed(place: Path) -> Installed:
    return Installed(place)


@pytest.fixture
async def kept(machine: Machine, web: list[Web], installed: Installed) -> AsyncIterator[Machine]:
    """A host with that HAProxy and an agent's worker."""
    await machine.restart(haproxy=str(installed.path))
    async with attended(machine, instance(*TREE)):
        yield machine


async def test_a_new_haproxy_takes_over_without_loss(kept: Machine, installed: Installed) -> None:
    assert installed.runs(kept.pid)
    with Load(kept.client, VIP) as load:
        await eventually(lambda: load.answers > 20)
        installed.install()
        assert not installed.runs(kept.pid)
        await eventually(lambda: installed.runs(kept.pid))
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
    assert load.failures == []


async def test_a_broken_haproxy_replaces_nothing(kept: Machine, installed: Installed) -> None:
    before = kept.pid
    with Load(kept.client, VIP) as load:
        with capture_logs() as logs:
            installed.install(broken=True)
            await eventually(lambda: any(entry["event"] == "haproxy_not_upgraded" for entry in logs))
        seen = await kept.host.observe(AMPHORA)
        assert (seen.carries_vip, set(seen.servers.values()), kept.pid) == (True, {"unchecked"}, before)
        # The next one works.
        installed.install()
        await eventually(lambda: kept.pid != before and installed.runs(kept.pid))
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
    assert load.failures == []


async def test_an_upgrade_while_no_agent_ran_is_noticed(machine: Machine, web: list[Web], installed: Installed) -> None:
    await machine.restart(haproxy=str(installed.path))
    await machine.host.serve(instance(*TREE))
    await machine.stop()
    installed.install()
    await machine.host.open()
    with Load(machine.client, VIP) as load:
        await machine.host.serve(instance(*TREE))
        assert installed.runs(machine.pid)
        answers = load.answers
        await eventually(lambda: load.answers > answers + 20)
    assert load.failures == []


async def test_a_script_that_starts_haproxy_is_no_other_haproxy(machine: Machine, place: Path, web: list[Web]) -> None:
    script = place / "start"
    script.write_text('#!/bin/sh\nexec haproxy "$@"\n')
    script.chmod(0o755)
    await machine.restart(haproxy=str(script))
    await machine.host.serve(instance(*TREE))
    before = machine.pid
    await machine.restart()
    await machine.host.serve(instance(*TREE))
    assert machine.pid == before
    process = hold(before, lambda _: True)
    assert process is not None
    process.close()
