"""The status tree of a load balancer: what `openstack loadbalancer status show` prints.

Beyond Octavia, it says why a load balancer is in ERROR: the stock client prints whatever stands here.
"""

from typing import Any

from hydria.api.views import LoadedResource
from hydria.model import HealthMonitor, LoadBalancer, Member, Pool, Resource
from hydria.model.status import UNREPORTED, provisioning_status
from hydria.store import Transaction
from hydria.store.resources import health_of, pending_parents, tree


def status_tree(transaction: Transaction, root: LoadedResource[LoadBalancer]) -> dict[str, Any]:
    """Return the statuses of a load balancer and of everything below it."""
    load_balancer = root.resource
    whole = tree(transaction, load_balancer)
    known = health_of(transaction, load_balancer.id)
    pending = root.progress.observed < root.progress.generation
    above = pending_parents(transaction, load_balancer.id) if pending else frozenset()

    def node(resource: Resource) -> dict[str, Any]:
        health = known.get(resource.id)
        trouble = health.trouble if health else None
        status = provisioning_status(resource, root.progress, trouble, pending_below=resource.id in above)
        return {
            "id": resource.id,
            "name": resource.name,
            "operating_status": health.operating_status if health else UNREPORTED,
            "provisioning_status": status,
            **({"provisioning_status_reason": trouble} if trouble and status == "ERROR" else {}),
        }

    def member(each: Member) -> dict[str, Any]:
        return {**node(each), "address": each.address, "protocol_port": each.protocol_port}

    def monitor(each: HealthMonitor) -> dict[str, Any]:
        return {**node(each), "type": each.type}

    def pool(each: Pool) -> dict[str, Any]:
        checked = whole.monitor_of(each.id)
        members = [member(one) for one in whole.members_of(each.id)]
        return {**node(each), "members": members, "health_monitor": monitor(checked) if checked else None}

    listeners = [{**node(each), "pools": [pool(one) for one in whole.pools_of(each)]} for each in whole.listeners]
    shown = {**node(load_balancer), "listeners": listeners}
    alone = [pool(each) for each in whole.pools if not whole.listeners_of(each.id)]
    if alone:
        shown["pools"] = alone
    if shown["provisioning_status"] == "ERROR":
        shown["provisioning_status_reason"] = load_balancer.reason
    if shown["operating_status"] == "ERROR" and load_balancer.reason is not None:
        shown["operating_status_reason"] = load_balancer.reason
    return {"loadbalancer": shown}
