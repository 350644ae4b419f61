"""The resources of Octavia's API as frozen structs, and the rules over them. Pure: no I/O, no clock."""

from hydria.model.base import Child, Resource
from hydria.model.health_monitor import HealthMonitor
from hydria.model.l7_policy import L7Policy
from hydria.model.l7_rule import L7Rule
from hydria.model.listener import Listener
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool
from hydria.model.tree import Tree

__all__ = [
    "Child",
    "HealthMonitor",
    "L7Policy",
    "L7Rule",
    "Listener",
    "LoadBalancer",
    "Member",
    "Pool",
    "Resource",
    "Tree",
]
