"""The ports over plain memory: for tests, and for running without touching a machine. They fail on demand."""

from hydria.adapters.memory.authority import MemoryAuthority
from hydria.adapters.memory.clock import ManualClock
from hydria.adapters.memory.faults import Faults
from hydria.adapters.memory.host import MemoryHost
from hydria.adapters.memory.identity import MemoryIdentity
from hydria.adapters.memory.networking import MemoryNetworking
from hydria.adapters.memory.secrets import MemorySecrets
from hydria.adapters.memory.topologies import MemoryTopologies

__all__ = [
    "Faults",
    "ManualClock",
    "MemoryAuthority",
    "MemoryHost",
    "MemoryIdentity",
    "MemoryNetworking",
    "MemorySecrets",
    "MemoryTopologies",
]
