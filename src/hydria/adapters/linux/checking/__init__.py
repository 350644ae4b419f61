"""Health checks by the agent, where HAProxy has none: of datagram pools' members, and pings."""

from hydria.adapters.linux.checking.checks import Checks
from hydria.adapters.linux.checking.probes import Target, targets

__all__ = ["Checks", "Target", "targets"]
