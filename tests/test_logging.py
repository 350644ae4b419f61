"""Logging never fails: full disks, closed pipes, odd values, and rotation of a file with several writers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hydria.logs import rotate

LOGGING = """
import sys, structlog
from pathlib import Path
from hydria import logs
from hydria.settings import Settings

logs.set_up(Settings(), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
log = structlog.get_logger("test")
"""

WORK = """
for number in range(3):
    try:
        raise RuntimeError("no server")
    except RuntimeError as error:
        log.warning("server_away", reason=str(error))
        log.exception("failed")
print("worked", flush=True)
"""


def run(code: str, *arguments: str, **popen: object) -> "subprocess.CompletedProcess[str]":
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 60, **popen}
    return subprocess.run([sys.executable, "-c", LOGGING + code, *arguments], check=False, **given)  # type: ignore[call-overload, no-any-return]


def test_a_full_disk_stops_no_work() -> None:
    with open("/dev/full", "w") as full:
        done = run(WORK, stderr=full)
    assert (done.returncode, done.stdout) == (0, "worked\n")


def test_a_closed_pipe_stops_no_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(WORK, stderr=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, "worked\n")


def test_a_closed_descriptor_stops_no_work() -> None:
    done = run("import os; os.close(2)" + WORK)
    assert (done.returncode, done.stdout) == (0, "worked\n")


def test_lost_lines_are_reported_when_the_disk_has_space(tmp_path: Path) -> None:
    code = """
import os
before = os.dup(2)
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
log.warning("lost")
log.warning("lost")
os.dup2(before, 2)
log.warning("written")
"""
    lines = [json.loads(line) for line in run(code).stderr.splitlines()]
    assert [(line["event"], line.get("count")) for line in lines] == [("log_lines_lost", 2), ("written", None)]


@pytest.mark.parametrize(
    "value",
    [
        "type('Odd', (), {'__repr__': lambda self: 1 / 0})()",
        "{1: {2: object()}, (1, 2): 3}",
        "'\\ud800'",
        "b'\\xff'",
    ],
)
def test_a_value_that_cannot_be_formatted_stops_no_work(value: str) -> None:
    done = run(f"log.warning('odd', value={value})\nprint('worked')")
    assert (done.returncode, done.stdout) == (0, "worked\n")
    assert "odd" in done.stderr


def test_a_long_text_is_truncated() -> None:
    line = json.loads(run("log.warning('long', value='x' * 1_000_000)").stderr)
    assert line["value"] == "x" * 4000 + "… (1000000 characters)"


def test_a_renamed_file_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "hydria.log"
    code = """
import os, sys
log.warning("first")
Path(sys.argv[1]).rename(sys.argv[1] + ".1")
log.warning("second")
os.write(2, b"of another library\\n")
print("printed", flush=True)
"""
    assert run(code, str(file)).returncode == 0
    (first,) = (tmp_path / "hydria.log.1").read_text().splitlines()
    second, other, printed = file.read_text().splitlines()
    assert (json.loads(first)["event"], json.loads(second)["event"]) == ("first", "second")
    assert (other, printed) == ("of another library", "printed")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_large_file_is_rotated_and_one_old_file_is_kept(tmp_path: Path) -> None:
    file, old = tmp_path / "log", tmp_path / "log.1"
    assert not rotate(file, 10)
    file.write_text("0123456789")
    assert not rotate(file, 10)
    for text in ("older" * 10, "newer" * 10):
        file.write_text(text)
        assert rotate(file, 10)
        assert old.read_text() == text
    assert sorted(tmp_path.iterdir()) == [old]
