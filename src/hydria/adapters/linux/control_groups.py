"""The control groups of one amphora, and the limits that the settings give it."""

import asyncio
import contextlib
import os

from hydria.adapters.linux.cgroups import Limits
from hydria.adapters.linux.haproxy import Haproxy
from hydria.adapters.linux.parts import Part, Place
from hydria.contract import Instance
from hydria.errors import HostError
from hydria.settings import AgentSettings

_MEBIBYTE = 1024 * 1024
# What starting a HAProxy takes besides (MiB).
_TO_START = 32


class ControlGroups(Part):
    """The groups that HAProxy's processes join before they start."""

    def __init__(self, place: Place, haproxy: Haproxy) -> None:
        self._place = place
        self._haproxy = haproxy
        # Whether a process that an earlier agent started has joined.
        self._joined = False

    async def ensure(self, instance: Instance) -> bool:
        """Make the groups; a process that runs already joins them."""
        if self._place.host.settings.limits != "off":
            await asyncio.to_thread(self._ensure)
        return False

    def _ensure(self) -> None:
        settings, cgroups = self._place.host.settings, self._place.host.cgroups
        self._haproxy.groups = cgroups.ensure(self._place.amphora_id, _limits(settings))
        missing = cgroups.missing() if settings.limits == "required" else []
        if missing:
            raise HostError(f"The host has no control groups for {', '.join(missing)}. See: hydria doctor")
        process = self._haproxy.process
        if process is not None and not self._joined:
            for file in self._haproxy.groups:
                with contextlib.suppress(OSError):
                    file.write_text(str(process.pid))
        self._joined = True

    async def remove(self) -> None:
        """End what runs in the groups, and remove them."""
        await asyncio.to_thread(self._place.host.cgroups.remove, self._place.amphora_id)


def memory_bytes(settings: AgentSettings) -> int:
    """Return how much memory one HAProxy may use."""
    limit = settings.memory_mb
    return limit * _MEBIBYTE if limit else _machine_bytes()


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limits(settings: AgentSettings) -> Limits:
    """Return what one amphora may use: during a reload it has two HAProxies, and to start one takes some more."""
    own = settings.memory_mb
    memory = _machine_bytes() // 2 if own is None else (2 * own + _TO_START) * _MEBIBYTE
    return Limits(memory_bytes=memory, cpu_weight=settings.cpu_weight, pids=settings.pids)
