"""Neutron's API v2.0 of the home cloud, and the protocols through which the server uses the same networks."""

from hydria.homecloud.network import (
    discovery,
    floating_ips,
    networks,
    ports,
    qos,
    routers,
    security_groups,
    subnets,
    tags,
)
from hydria.homecloud.network.bootstrap import bootstrap, is_empty
from hydria.homecloud.network.dialect import NeutronDialect
from hydria.homecloud.network.networking import HomeNetworking
from hydria.homecloud.network.topology import HomeTopologies
from hydria.http.operation import Mount

__all__ = ["HomeNetworking", "HomeTopologies", "bootstrap", "is_empty", "mounts"]

_PARTS = (networks, subnets, ports, routers, floating_ips, security_groups, qos, tags, discovery)


def mounts() -> tuple[Mount, ...]:
    """Return the network service's mounts: its versions, and its API."""
    dialect = NeutronDialect()
    operations = tuple(operation for part in _PARTS for operation in part.OPERATIONS)
    return (
        Mount(prefixes=(discovery.ROOT,), operations=discovery.VERSIONS, dialect=dialect),
        Mount(prefixes=(discovery.VERSION,), operations=operations, dialect=dialect),
    )
