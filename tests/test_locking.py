"""One of a kind: the second says who the first is, and the kernel frees what a killed one held."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hydria.errors import HostError
from hydria.locking import lock_once

HOLD = """
import sys
from pathlib import Path
from hydria.locking import lock_once
with lock_once(Path(sys.argv[1]), "agent"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_learns_who_the_first_is(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "agent.lock"
    with holder(path) as first:
        with pytest.raises(HostError, match=rf"Another agent runs already \(process {first.pid}, .*Stop it"):
            lock_once(path, "agent").__enter__()
        first.communicate()
    with lock_once(path, "agent"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "agent.lock"
    with holder(path) as first:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    with lock_once(path, "agent"), pytest.raises(HostError), lock_once(path, "agent"):
        pass


def test_a_child_of_the_holder_does_not_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.lock"
    with lock_once(path, "agent"):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with lock_once(path, "agent"):
        child.communicate()
