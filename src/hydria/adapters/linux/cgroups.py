"""Control groups v2 or v1 that limit an amphora's memory, processor time and processes.

There is a group `<mount>/<prefix>/<amphora>` for each controller that the machine has.
"""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from msgspec import Struct

from hydria.errors import HostError

log = structlog.get_logger(__name__)

CONTROLLERS = ("memory", "cpu", "pids")

# Where the limits are, by controller and version.
_LIMIT_FILES = {
    ("memory", 1): ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    ("memory", 2): ("memory.max", "memory.swap.max"),
    ("cpu", 1): ("cpu.shares",),
    ("cpu", 2): ("cpu.weight",),
    ("pids", 1): ("pids.max",),
    ("pids", 2): ("pids.max",),
}

# The weight of all amphorae together; the machine's other programs and groups have 100 each.
_TOGETHER = 400
# A group is busy for a moment after its last process has ended (seconds).
_PATIENCE = 5.0


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of one amphora: bytes, a relative weight (usually 100), processes and threads."""

    memory_bytes: int
    cpu_weight: int
    pids: int


class Controller(Struct, frozen=True):
    """One controller, and the mount of its hierarchy."""

    name: str
    mount: Path
    version: int


class Cgroups:
    """The groups of all amphorae of one prefix on this machine."""

    def __init__(self, prefix: str, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        self._prefix = prefix
        # Controllers that a warning was logged for, so that it is logged once.
        self._warned: set[str] = set()
        self.controllers = tuple(_found(mounts))

    def ensure(self, amphora_id: str, limits: Limits) -> list[Path]:
        """Make an amphora's groups with these limits; return the files to which its processes write their ids.

        A controller that does not work is left out.
        """
        files = []
        for controller in self.controllers:
            group = controller.mount / self._prefix / amphora_id
            try:
                self._prepare(controller)
                group.mkdir(mode=0o755, exist_ok=True)
                _limit(controller, group, limits)
            except OSError as error:
                if controller.name not in self._warned:
                    self._warned.add(controller.name)
                    log.warning("limit_not_set", controller=controller.name, amphora=amphora_id, reason=str(error))
                continue
            files.append(group / "cgroup.procs")
        return list(dict.fromkeys(files))

    def limit_files(self, amphora_id: str) -> list[Path]:
        """Return the files with the limits of an amphora that are there."""
        files = [
            controller.mount / self._prefix / amphora_id / name
            for controller in self.controllers
            for name in _LIMIT_FILES[controller.name, controller.version]
        ]
        return [file for file in files if file.exists()]

    def missing(self) -> list[str]:
        """Try to make the groups of all amphorae; return the controllers that are not available."""
        able = []
        for controller in self.controllers:
            with contextlib.suppress(OSError):
                self._prepare(controller)
                able.append(controller.name)
        return [name for name in CONTROLLERS if name not in able]

    def tidy(self) -> None:
        """Remove the groups of all amphorae that contain no amphora."""
        for parent in self._parents():
            with contextlib.suppress(OSError):
                parent.rmdir()

    def amphorae(self) -> set[str]:
        """Return the amphorae that have groups."""
        return {group.name for parent in self._parents() for group in parent.iterdir() if group.is_dir()}

    def remove(self, amphora_id: str) -> None:
        """End the processes in an amphora's groups and remove the groups, if there are any. Raises HostError."""
        for parent in self._parents():
            _remove(parent / amphora_id)

    def remove_all(self) -> None:
        """Do the same for every amphora. Raises HostError."""
        for amphora_id in self.amphorae():
            self.remove(amphora_id)
        for parent in self._parents():
            _remove(parent)

    def _parents(self) -> list[Path]:
        parents = dict.fromkeys(controller.mount / self._prefix for controller in self.controllers)
        return [parent for parent in parents if parent.is_dir()]

    def _prepare(self, controller: Controller) -> None:
        """Make the group of all amphorae."""
        parent = controller.mount / self._prefix
        if controller.version == 2:
            _enable(controller.mount, controller.name)
        parent.mkdir(mode=0o755, exist_ok=True)
        if controller.version == 2:
            _enable(parent, controller.name)
        if controller.name == "cpu":
            _weigh(controller, parent, _TOGETHER)


def _found(mounts: Path) -> Iterator[Controller]:
    """Yield the controllers of the mounts, those of v2 first."""
    found: dict[str, Controller] = {}
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        place, (kind, _, options) = Path(before.split(" ")[4]), after.split(" ", 2)
        if kind == "cgroup2":
            with contextlib.suppress(OSError):
                there = (place / "cgroup.controllers").read_text().split()
                found |= {name: Controller(name, place, 2) for name in CONTROLLERS if name in there}
        elif kind == "cgroup":
            for name in options.split(","):
                if name in CONTROLLERS:
                    found.setdefault(name, Controller(name, place, 1))
    return (found[name] for name in CONTROLLERS if name in found)


def _enable(group: Path, controller: str) -> None:
    file = group / "cgroup.subtree_control"
    if controller not in file.read_text().split():
        file.write_text(f"+{controller}")


def _limit(controller: Controller, group: Path, limits: Limits) -> None:
    if controller.name == "pids":
        (group / "pids.max").write_text(str(limits.pids))
    elif controller.name == "cpu":
        _weigh(controller, group, limits.cpu_weight)
    elif controller.version == 1:
        _limit_memory(group, limits.memory_bytes)
    else:
        (group / "memory.max").write_text(str(limits.memory_bytes))
        with contextlib.suppress(FileNotFoundError):
            # A kernel without swap lacks the file. A process above the limit ends, instead of slowing others by swap.
            (group / "memory.swap.max").write_text("0")


def _limit_memory(group: Path, limit: int) -> None:
    """Set the limits of v1, where the one of memory with swap must never be the smaller."""
    files = [file for name in _LIMIT_FILES["memory", 1] if (file := group / name).exists()]
    if int(files[-1].read_text()) < limit:
        files.reverse()
    for file in files:
        file.write_text(str(limit))


def _weigh(controller: Controller, group: Path, weight: int) -> None:
    if controller.version == 1:
        # The default is 1024 there and 100 here.
        (group / "cpu.shares").write_text(str(max(2, weight * 1024 // 100)))
    else:
        (group / "cpu.weight").write_text(str(weight))


def _remove(group: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            for pid in (group / "cgroup.procs").read_text().split():
                # 0 stands for a process that this one cannot see.
                if pid != "0":
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENODEV) or time.monotonic() > deadline:
                raise HostError(f"The control group {group} cannot be removed: {error.strerror}.") from None
            time.sleep(0.01)
