"""What one amphora may use of the machine: memory, processor time and processes, by control groups v2 or v1.

`<mount>/<prefix>/<amphora>` for each controller. Whatever a machine has of them is used.
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

# The weight of all amphorae together beside the machine's other programs and groups, which have 100 each.
_TOGETHER = 400
# A group is busy for a moment after its last process has ended (seconds).
_PATIENCE = 5.0


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of one amphora: bytes, a weight beside others (usually 100), processes and threads."""

    memory_bytes: int
    cpu_weight: int
    pids: int


class Controller(Struct, frozen=True):
    """One controller, and where its hierarchy is mounted."""

    name: str
    mount: Path
    version: int


class Cgroups:
    """The groups of all amphorae of one prefix on this machine."""

    def __init__(self, prefix: str, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        self._prefix = prefix
        # Told once, not at every change.
        self._told: set[str] = set()
        self.controllers = tuple(_found(mounts))

    def ensure(self, amphora_id: str, limits: Limits) -> list[Path]:
        """Make an amphora's groups with these limits; returns the files into which its processes write themselves.

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
                if controller.name not in self._told:
                    self._told.add(controller.name)
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
        """Try to make the groups of all amphorae; returns the controllers that are not to be had."""
        able = []
        for controller in self.controllers:
            with contextlib.suppress(OSError):
                self._prepare(controller)
                able.append(controller.name)
        return [name for name in CONTROLLERS if name not in able]

    def tidy(self) -> None:
        """Remove the groups of all amphorae where there is no amphora."""
        for parent in self._parents():
            with contextlib.suppress(OSError):
                parent.rmdir()

    def amphorae(self) -> set[str]:
        """Return the amphorae that have groups."""
        return {group.name for parent in self._parents() for group in parent.iterdir() if group.is_dir()}

    def remove(self, amphora_id: str) -> None:
        """End what runs in an amphora's groups and remove them; none there is fine. Raises HostError."""
        for parent in self._parents():
            _remove(parent / amphora_id)

    def remove_all(self) -> None:
        """Do so with all of them. Raises HostError."""
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
    """Read from the mounts where each controller is; v2 goes first."""
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
            # A kernel without swap has none: what is over the limit ends, and does not slow others down by swapping.
            (group / "memory.swap.max").write_text("0")


def _limit_memory(group: Path, limit: int) -> None:
    """Set the limit of v1, where memory with swap must never have the smaller one."""
    files = [file for name in _LIMIT_FILES["memory", 1] if (file := group / name).exists()]
    if int(files[-1].read_text()) < limit:
        files.reverse()
    for file in files:
        file.write_text(str(limit))


def _weigh(controller: Controller, group: Path, weight: int) -> None:
    if controller.version == 1:
        # 1024 is there what 100 is here.
        (group / "cpu.shares").write_text(str(max(2, weight * 1024 // 100)))
    else:
        (group / "cpu.weight").write_text(str(weight))


def _remove(group: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            for pid in (group / "cgroup.procs").read_text().split():
                # 0 is one that this process cannot see.
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
