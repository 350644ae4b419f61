"""What a home cloud has from its first start: the external network `provider`."""

import ipaddress
import uuid
from datetime import datetime

from hydria.homecloud.network import changes
from hydria.homecloud.network.addresses import default_gateway, default_pools
from hydria.homecloud.network.rows import Network, Pool, Subnet
from hydria.store import Transaction, columns

NAME = "provider"


def bootstrap(transaction: Transaction, now: datetime, project_id: str, external_cidr: str) -> None:
    """Make the external network `provider` and its subnet for a project, unless there is an external network."""
    if transaction.find(Network, columns(Network).external):
        return
    cidr = ipaddress.IPv4Network(external_cidr)
    gateway, time = default_gateway(cidr), changes.stamp(now)
    network = Network(
        id=str(uuid.uuid4()),
        project_id=project_id,
        name=NAME,
        description="The way out of this machine's networks, and where floating IPs come from",
        external=True,
        is_default=True,
        created_at=time,
        updated_at=time,
    )
    subnet = Subnet(
        id=str(uuid.uuid4()),
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


def _pools(cidr: ipaddress.IPv4Network, gateway: str) -> tuple[Pool, ...]:
    """Leave some addresses at both ends to whoever gives them out by hand, where there are enough."""
    if cidr.prefixlen != 24:
        return default_pools(cidr, gateway)
    return (Pool(start=str(cidr[10]), end=str(cidr[250])),)
