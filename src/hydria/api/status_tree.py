"""The status tree of a load balancer: what `openstack loadbalancer status show` prints.

Beyond Octavia, it shows the reason of an ERROR, what a pending change waits for, and which references cannot be read
any more: the stock client prints all attributes.
"""

from collections.abc import Mapping
from typing import Any

from hydria.api.references import doubts
from hydria.api.views import LoadedResource
from hydria.model import HealthMonitor, LoadBalancer, Member, Pool, Resource
from hydria.model.status import UNREPORTED, provisioning_status
from hydria.protocols import Secrets
from hydria.store import Transaction
from hydria.store.resources import Wait, health_of, tree
from hydria.store.statuses import pending_parents


def status_tree(transaction: Transaction, root: LoadedResource[LoadBalancer], secrets: Secrets) -> dict[str, Any]:
    """Return the statuses of a load balancer and of everything below it."""
    load_balancer = root.resource
    children = tree(transaction, load_balancer)
    known = health_of(transaction, load_balancer.id)
    pending = root.progress.observed < root.progress.generation
    above = pending_parents(transaction, load_balancer.id) if pending else frozenset()
    doubted = doubts(secrets, children)

    def node(resource: Resource) -> dict[str, Any]:
        health = known.get(resource.id)
        trouble = health.trouble if health else None
        status = provisioning_status(resource, root.progress, trouble, pending_below=resource.id in above)
        reason = trouble if status == "ERROR" else None
        return {
            "id": resource.id,
            "name": resource.name,
            "operating_status": health.operating_status if health else UNREPORTED,
            "provisioning_status": status,
            **_reason(reason or doubted.get(resource.id)),
        }

    def member(resource: Member) -> dict[str, Any]:
        return {**node(resource), "address": resource.address, "protocol_port": resource.protocol_port}

    def monitor(resource: HealthMonitor) -> dict[str, Any]:
        return {**node(resource), "type": resource.type}

    def pool(resource: Pool) -> dict[str, Any]:
        checked_by = children.monitor_of(resource.id)
        members = [member(one) for one in children.members_of(resource.id)]
        return {**node(resource), "members": members, "health_monitor": monitor(checked_by) if checked_by else None}

    listeners = [
        {**node(listener), "pools": [pool(one) for one in children.pools_of(listener)]}
        for listener in children.listeners
    ]
    shown = {**node(load_balancer), "listeners": listeners}
    unused = [pool(one) for one in children.pools if not children.listeners_of(one.id)]
    if unused:
        shown["pools"] = unused
    wait = transaction.get(Wait, load_balancer.id) if pending or load_balancer.deleted_in is not None else None
    if shown["provisioning_status"] == "ERROR":
        shown["provisioning_status_reason"] = load_balancer.reason
    elif wait is not None:
        shown["provisioning_status_reason"] = wait.sentence
    if shown["operating_status"] == "ERROR" and load_balancer.reason is not None:
        shown["operating_status_reason"] = load_balancer.reason
    return {"loadbalancer": shown}


def _reason(text: str | None) -> Mapping[str, str]:
    return {} if text is None else {"provisioning_status_reason": text}
