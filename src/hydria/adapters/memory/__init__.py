"""The protocols implemented in memory, for tests and for noop mode. They fail on demand (`Faults`)."""

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
