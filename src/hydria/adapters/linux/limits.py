"""The limits of one amphora: its flavor's where that has any, else the agent's settings."""

import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hydria.adapters.linux.cgroups import Limits
from hydria.settings import AgentSettings

_MEBIBYTE = 1024 * 1024
# Memory for the start of a HAProxy, besides what it may use then (MiB).
_TO_START = 32


class AmphoraLimits(Struct, frozen=True, kw_only=True):
    """`memory_mb` is the limit of one HAProxy in MiB or None, `flows` the most flows that the kernel remembers."""

    memory_mb: int | None
    cpu_weight: int
    pids: int
    flows: int

    @classmethod
    def of(cls, settings: AgentSettings, flavor: Mapping[str, Any]) -> "AmphoraLimits":
        """Return the limits of an amphora of a flavor."""
        return cls(**{name: flavor.get(name, getattr(settings, name)) for name in cls.__struct_fields__})

    @property
    def memory_bytes(self) -> int:
        """The memory that one HAProxy may use."""
        return self.memory_mb * _MEBIBYTE if self.memory_mb else _machine_bytes()

    @property
    def group(self) -> Limits:
        """The limits of the control groups: an amphora has two HAProxies during a reload."""
        memory = (2 * self.memory_mb + _TO_START) * _MEBIBYTE if self.memory_mb else _machine_bytes() // 2
        return Limits(memory_bytes=memory, cpu_weight=self.cpu_weight, pids=self.pids)


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
