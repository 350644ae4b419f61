"""The protocols implemented in memory, for tests and for noop mode. They fail on demand (`Faults`)."""

from hydria.adapters.memory.authority import MemoryAuthority
from hydria.adapters.memory.barbican import MemoryBarbican
from hydria.adapters.memory.clock import ManualClock
from hydria.adapters.memory.faults import Faults
from hydria.adapters.memory.host import MemoryHost
from hydria.adapters.memory.identity import MemoryIdentity
from hydria.adapters.memory.networking import MemoryNetworking
from hydria.adapters.memory.neutron import MemoryNeutron
from hydria.adapters.memory.secrets import MemorySecrets
from hydria.adapters.memory.topologies import MemoryTopologies

__all__ = [
    "Faults",
    "ManualClock",
    "MemoryAuthority",
    "MemoryBarbican",
    "MemoryHost",
    "MemoryIdentity",
    "MemoryNetworking",
    "MemoryNeutron",
    "MemorySecrets",
    "MemoryTopologies",
]
