"""The control groups of one amphora as a part: made, joined, and checked for changes by others."""

import asyncio
import contextlib
import os
from pathlib import Path

from hydria.adapters.linux.haproxy import Haproxy
from hydria.adapters.linux.limits import AmphoraLimits
from hydria.adapters.linux.parts import Part, Place
from hydria.contract import Instance
from hydria.errors import HostError

# One of so many looks for drift includes the groups: it costs several files for each amphora.
_LOOKS = 5
# Files of groups are shorter (bytes).
_LONGEST = 4096


class ControlGroups(Part):
    """The groups that HAProxy's processes join before they start."""

    def __init__(self, place: Place, haproxy: Haproxy) -> None:
        self._place = place
        self._haproxy = haproxy
        # The content of the limits' files after they were written, and HAProxy's groups as the kernel names them.
        self._limits: dict[Path, bytes | None] = {}
        self._membership: bytes | None = None
        self._looks = 0

    async def ensure(self, instance: Instance) -> bool:
        """Make the groups; a process that runs already joins them."""
        limits = AmphoraLimits.of(self._place.host.settings, instance.flavor)
        self._haproxy.memory_mb = limits.memory_mb
        if self._place.host.settings.limits == "off":
            return False
        drifted = self._differ()
        await asyncio.to_thread(self._ensure, limits)
        return drifted

    @property
    def drifted(self) -> bool:
        """Whether a group, a limit or HAProxy's membership is not as it was left. It is looked at now and then."""
        self._looks += 1
        return self._looks % _LOOKS == 0 and self._differ()

    def _differ(self) -> bool:
        if not self._limits:
            return False
        if any(_read(file) != text for file, text in self._limits.items()):
            return True
        now = self._groups_of_haproxy()
        if self._membership is None:
            # This is the first look since HAProxy was started in the groups.
            self._membership = now
        # A process that has ended is noticed elsewhere.
        return now is not None and now != self._membership

    def _ensure(self, limits: AmphoraLimits) -> None:
        settings, cgroups = self._place.host.settings, self._place.host.cgroups
        self._haproxy.groups = cgroups.ensure(self._place.amphora_id, limits.group)
        self._limits = {file: _read(file) for file in cgroups.limit_files(self._place.amphora_id)}
        missing = cgroups.missing() if settings.limits == "required" else []
        if missing:
            raise HostError(f"The host has no control groups for {', '.join(missing)}. See: hydria doctor")
        process, now = self._haproxy.process, self._groups_of_haproxy()
        if process is not None and (self._membership is None or now != self._membership):
            for file in self._haproxy.groups:
                # A process that has ended meanwhile is started again in the groups.
                with contextlib.suppress(OSError):
                    file.write_text(str(process.pid))
            self._membership = self._groups_of_haproxy()

    def _groups_of_haproxy(self) -> bytes | None:
        process = self._haproxy.process
        return None if process is None else _read(Path(f"/proc/{process.pid}/cgroup"))

    async def remove(self) -> None:
        """End what runs in the groups, and remove them."""
        await asyncio.to_thread(self._place.host.cgroups.remove, self._place.amphora_id)


def _read(file: Path) -> bytes | None:
    # Much cheaper than `Path.read_bytes`, and this is done for each amphora again and again.
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _LONGEST)
    except OSError:
        return None
    finally:
        os.close(descriptor)
