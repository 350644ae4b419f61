"""The contract between the server and a host's agent: desired state and reports. Pure data.

The exchange has two HTTP calls of the agent: `poll` (a long poll: `Holding` in, `Orders` out) and `report` (`Reports`).
"""

from hydria.contract.instance import (
    DEFAULT_ROUTES,
    Address,
    AddressPair,
    Duty,
    FirewallRule,
    Instance,
    Interface,
    Limit,
    Route,
    Sibling,
    Vrrp,
)
from hydria.contract.messages import (
    POLL_SECONDS,
    VERSION,
    Description,
    Facts,
    Holding,
    Joined,
    Joining,
    Orders,
    Reports,
)
from hydria.contract.observation import Counters, Observation, Report
from hydria.contract.topology import FloatingIp, Network, Router, Topology

__all__ = [
    "DEFAULT_ROUTES",
    "POLL_SECONDS",
    "VERSION",
    "Address",
    "AddressPair",
    "Counters",
    "Description",
    "Duty",
    "Facts",
    "FirewallRule",
    "FloatingIp",
    "Holding",
    "Instance",
    "Interface",
    "Joined",
    "Joining",
    "Limit",
    "Network",
    "Observation",
    "Orders",
    "Report",
    "Reports",
    "Route",
    "Router",
    "Sibling",
    "Topology",
    "Vrrp",
]
