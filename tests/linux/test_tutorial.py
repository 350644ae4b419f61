"""The whole tutorial (demo/tutorial.py) with the stock clients. Nothing of it is left afterwards."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from demo import tutorial
from demo.shell import Shell
from demo.steps import Chapter
from demo.walk import Walk
from hydria.adapters.linux.kernel import links
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside, namespaces
from tests.support.warm_client import WarmShell

_BEGIN = (tutorial.START, tutorial.SURROUNDINGS, tutorial.LOAD_BALANCER)
_BUILD = (
    tutorial.LISTENER,
    tutorial.POOL,
    tutorial.MEMBERS,
    tutorial.FLOATING_IP,
    tutorial.HEALTH_MONITOR,
)
# These chapters do not affect each other; the first mostly waits for health checks.
_TOGETHER = ((tutorial.OUTAGE, tutorial.TIMEOUTS), (tutorial.NO_ROUTER,), (tutorial.NO_PORT_SECURITY,))


class _NoScreen:
    """A screen without output."""

    def chapter(self, chapter: Chapter) -> None: ...

    def typed(self, command: str, before: str) -> None: ...

    def answered(self, answer: str) -> None: ...

    def waiting(self, seconds: float) -> None: ...

    def overheard(self, line: str) -> None: ...


def _firewall() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def test_the_tutorial_succeeds_and_leaves_nothing(shell: Shell, names: Names, place: Path) -> None:
    machine = f"{names.prefix}machine"
    untouched = links(machine), _firewall()
    cold = Walk(shell, _NoScreen())
    cold.go(_BEGIN)
    with closing(WarmShell(shell, place / "state")) as warm:
        _walk_on(Walk(warm, _NoScreen(), cold.known), warm, machine)
    # Only the uplink to the external network remains.
    assert namespaces(names.prefix) == [names.switch]
    assert list((place / "run/amphorae").iterdir()) == []
    assert list((place / "run/lab").iterdir()) == []
    cold.go((tutorial.STOP,))
    assert namespaces(names.prefix) == []
    assert (links(machine), _firewall()) == untouched
    assert [entry.name for entry in place.iterdir()] == ["hydria.toml"]
    assert _processes_of(place) == []


def _walk_on(walk: Walk, shell: Shell, machine: str) -> None:
    walk.go(_BUILD)

    def branch(chapters: tuple[Chapter, ...]) -> None:
        with inside(machine):
            Walk(shell, _NoScreen(), walk.known).go(chapters)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(branch, chapters) for chapters in _TOGETHER]:
            done.result()
    walk.go(tutorial.REMOVAL)


def test_every_chapter_is_walked() -> None:
    walked = {chapter.title for chapters in (_BEGIN, _BUILD, *_TOGETHER) for chapter in chapters}
    assert walked == {chapter.title for chapter in tutorial.WALK}


def _processes_of(directory: Path) -> list[str]:
    """Return the processes with a directory in their arguments or as working directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_text().replace("\0", " ")
            if str(directory) in line or Path(os.readlink(entry / "cwd")).is_relative_to(directory):
                found.append(line)
        except OSError:
            continue
    return found
