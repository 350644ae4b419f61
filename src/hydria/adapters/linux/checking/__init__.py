"""Health checks by the agent, where HAProxy has none: of members of datagram pools, and pings."""

from hydria.adapters.linux.checking.checks import Checks

__all__ = ["Checks"]
