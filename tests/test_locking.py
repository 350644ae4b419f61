"""Lock files: a second process gets the first one's id, and the kernel releases the lock of a killed process."""

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


def test_a_second_process_gets_the_id_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "agent.lock"
    with holder(path) as first:
        with pytest.raises(HostError, match=rf"Another agent runs already \(process {first.pid}, .*Stop it"):
            lock_once(path, "agent").__enter__()
        first.communicate()
    with lock_once(path, "agent"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_lock_of_a_killed_process_is_released(tmp_path: Path) -> None:
    path = tmp_path / "agent.lock"
    with holder(path) as first:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    with lock_once(path, "agent"), pytest.raises(HostError), lock_once(path, "agent"):
        pass


def test_a_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "agent.lock"
    with lock_once(path, "agent"):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with lock_once(path, "agent"):
        child.communicate()
