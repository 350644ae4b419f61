"""A node: process 1 of its own network, mount, process and host name namespaces.

Everything of a node ends with that process: its programs, its namespaces, its mounts and its ends of the cables. It is
found by its command line, so nothing has to be remembered to clean up after a crash.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from hydria.adapters.linux.processes import Process, find_all, hold_all
from hydria.errors import HostError

# The directory of a node's home where its programs keep what outlives a power cut.
STATE = "state"

_SECONDS = 20.0
_PAUSE = 0.01

# A directory /run of its own stands for what a reboot empties. bash reaps orphaned processes, which process 1 must.
_FIRST = """
set -e
mount -t tmpfs -o mode=755,size=64m none /run
mkdir -p /run/netns /run/groups
if mount --rbind /sys/fs/cgroup /run/groups; then
    mount -t sysfs none /sys
    mount --rbind /run/groups /sys/fs/cgroup
    umount -l /run/groups
fi
rmdir /run/groups
[[ -z $2 ]] || mount -o loop "$2" "$3"
hostname "$1"
ip link set lo up
: >/run/ready
while :; do sleep 1000 & wait; done
"""

# What systemd does for a service with Restart=always.
_RESPAWN = """
exec >>"$0" 2>&1 </dev/null
while :; do "$@" || true; sleep 0.5; done
"""


class Node:
    """A node with a directory of its own, which is its disk. It may be running or not."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home

    @property
    def _marker(self) -> str:
        """The word in the command lines of the node's first process and of its parent."""
        return f"node:{self.home}"

    def start(self, disk_mb: int | None = None) -> None:
        """Start it; with `disk_mb` its state is on a disk of this size. Raises HostError when it does not start."""
        self.home.mkdir(parents=True, exist_ok=True)
        # PostgreSQL and HAProxy run as other users.
        self.home.chmod(0o711)
        disk = self._disk(disk_mb) if disk_mb else None
        own = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        log = self.home / "node.log"
        with log.open("ab") as out:
            # It becomes a child of this machine's process 1, which reaps it.
            subprocess.run(
                [
                    "setsid",
                    "--fork",
                    *own,
                    "bash",
                    "-c",
                    _FIRST,
                    self._marker,
                    self.name,
                    disk or "",
                    self.home / STATE,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                check=True,
            )
        until(self._ready, f"The node {self.name} does not start, see {log}")

    @property
    def pid(self) -> int | None:
        """The number of its first process on this machine, or None when it does not run."""
        for process in find_all(self._marker):
            process.close()
            if _is_first(process.pid):
                return process.pid
        return None

    @property
    def running(self) -> int:
        """The number of its first process. Raises HostError when it does not run."""
        pid = self.pid
        if pid is None:
            raise HostError(f"The node {self.name} is switched off: ./dev cluster power-on {self.name}")
        return pid

    @property
    def network(self) -> str:
        """The file of its network namespace, as `netns.inside` takes it. Raises HostError when it does not run."""
        return f"/proc/{self.running}/ns/net"

    @property
    def root(self) -> Path:
        """Its root directory as seen from outside, with its own /run. Raises HostError when it does not run."""
        return Path(f"/proc/{self.running}/root")

    @property
    def state(self) -> Path:
        """The directory of its programs' state, as seen from outside. Raises HostError when it does not run."""
        return self.root / (self.home / STATE).relative_to("/")

    def kill(self) -> None:
        """End everything of it at once, as a power cut does; also of one that has half started. Raises HostError."""
        deadline = time.monotonic() + _SECONDS
        while processes := list(find_all(self._marker)):
            for process in processes:
                process.signal(signal.SIGKILL)
            for process in processes:
                process.ended(1.0)
                process.close()
            if time.monotonic() > deadline:
                raise HostError(f"The node {self.name} does not end: {[process.pid for process in processes]}.")

    def command(self, *command: str) -> list[str]:
        """Return a command that runs another one inside. Raises HostError when the node does not run."""
        return ["nsenter", "--target", str(self.running), "--net", "--mount", "--pid", "--uts", "--", *command]

    def keep(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program that is started again whenever it ends. Its output goes to `<name>.log`."""
        log = self.home / f"{name}.log"
        self.run("setsid", "--fork", "bash", "-c", _RESPAWN, str(log), *command, environment=environment)

    def run(self, *command: str, environment: Mapping[str, str], seconds: float = 60) -> str:
        """Run a command inside and return its output. Raises HostError when it fails."""
        done = subprocess.run(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=dict(environment),
            check=False,
        )
        if done.returncode != 0:
            raise HostError(f"{' '.join(command)} on {self.name} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def processes(self, *names: str) -> Iterator[Process]:
        """Find its processes whose programs have one of these names, or a word of the command line that is one.

        The shells that start programs again are not among them.
        """
        space = os.stat(f"/proc/{self.running}/ns/pid").st_ino
        wanted = set(names)
        return hold_all(
            lambda pid: (
                _space(pid) == space and not (called := _called(pid)).isdisjoint(wanted) and "bash" not in called
            )
        )

    def _disk(self, size_mb: int) -> Path:
        """Make the file of the disk, unless it exists; the node mounts it where its programs keep their state."""
        image = self.home / "disk.img"
        (self.home / STATE).mkdir(mode=0o711, exist_ok=True)
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(size_mb * 1024 * 1024)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        return image

    def _ready(self) -> bool:
        pid = self.pid
        return pid is not None and Path(f"/proc/{pid}/root/run/ready").exists()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a node's programs: this Python's programs first on the path."""
    kept = {key: os.environ[key] for key in ("LANG", "TERM", "HOME", "COLUMNS") if key in os.environ}
    path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{path}", **settings}


def all_nodes(directory: Path) -> list[Node]:
    """Return every node of a cluster that runs, and every one that has a directory."""
    found = {path.name for path in directory.glob("*/") if path.is_dir()}
    start = f"node:{directory}/"
    for process in hold_all(lambda pid: any(word.startswith(start) for word in _called(pid))):
        found |= {word.removeprefix(start) for word in _called(process.pid) if word.startswith(start)}
        process.close()
    return [Node(name, directory / name) for name in sorted(found)]


def missing_programs(*names: str) -> list[str]:
    """Return the programs that this machine does not have."""
    return [name for name in names if shutil.which(name) is None]


def _is_first(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    own = len(next(line.split()[1:] for line in Path("/proc/self/status").read_text().splitlines() if "NSpid" in line))
    return len(numbers) > own and numbers[-1] == "1"


def _space(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None


def _called(pid: int) -> set[str]:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return {*words, Path(f"/proc/{pid}/comm").read_text().strip()}
    except OSError:
        return set()


def until(condition: Callable[[], object], failure: str, seconds: float = _SECONDS) -> None:
    """Wait for a condition. Raises HostError with `failure`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HostError(f"{failure}.")
        time.sleep(_PAUSE)
