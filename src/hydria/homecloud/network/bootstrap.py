"""The first start of a home cloud: makes the external network `provider`."""

import ipaddress
import uuid
from datetime import datetime

from hydria.homecloud.network import changes
from hydria.homecloud.network.addresses import default_gateway, default_pools
from hydria.homecloud.network.rows import Network, Pool, Subnet, TopologyCounter
from hydria.store import Transaction, columns
from hydria.times import zoned_stamp

NAME = "provider"


def is_empty(transaction: Transaction) -> bool:
    """Say whether nothing was ever made in this database."""
    return not transaction.find(TopologyCounter)


def bootstrap(
    transaction: Transaction,
    now: datetime,
    project_id: str,
    external_cidr: str,
    ids: tuple[str, str] | None = None,
) -> tuple[str, str] | None:
    """Make the external network `provider` and its subnet for a project, unless there is an external network.

    `ids` are what both are to be called. Returns what they are called; None for a network that others made.
    """
    for found in transaction.find(Network, columns(Network).external, columns(Network).name == NAME):
        subnets = transaction.find(Subnet, columns(Subnet).network_id == found.id)
        if len(subnets) == 1:
            return found.id, subnets[0].id
    if transaction.find(Network, columns(Network).external):
        return None
    cidr = ipaddress.IPv4Network(external_cidr)
    gateway, time = default_gateway(cidr), zoned_stamp(now)
    network_id, subnet_id = ids or (str(uuid.uuid4()), str(uuid.uuid4()))
    network = Network(
        id=network_id,
        project_id=project_id,
        name=NAME,
        description="The way out of this machine's networks, and where floating IPs come from",
        external=True,
        is_default=True,
        created_at=time,
        updated_at=time,
    )
    subnet = Subnet(
        id=subnet_id,
        project_id=project_id,
        network_id=network.id,
        name=f"{NAME}-subnet",
        ip_version=4,
        cidr=str(cidr),
        gateway_ip=gateway,
        enable_dhcp=False,
        allocation_pools=_pools(cidr, gateway),
        created_at=time,
        updated_at=time,
    )
    changes.add(transaction, network, subnet)
    return network_id, subnet_id


def _pools(cidr: ipaddress.IPv4Network, gateway: str) -> tuple[Pool, ...]:
    """Return the pools; a /24 keeps some addresses at both ends free for manual use."""
    if cidr.prefixlen != 24:
        return default_pools(cidr, gateway)
    return (Pool(start=str(cidr[10]), end=str(cidr[250])),)
