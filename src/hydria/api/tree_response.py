"""The answer to the creation of a load balancer with children: Octavia shows them in full only there."""

from typing import Any

from hydria.api.resource_types import (
    HEALTH_MONITOR,
    L7_POLICY,
    L7_RULE,
    LISTENER,
    MEMBER,
    POOL,
    ResourceType,
)
from hydria.api.views import LoadedResource, body_with, from_row, selection
from hydria.model import HealthMonitor, L7Policy, L7Rule, LoadBalancer, Member, Resource
from hydria.store import Transaction, columns

Body = dict[str, Any]


def tree_body(transaction: Transaction, root: LoadedResource[LoadBalancer]) -> Body:
    """Return the body of a load balancer with everything below it in full."""
    listeners, pools = _below(transaction, LISTENER, root), _below(transaction, POOL, root)
    # Without parents there are no children.
    members = _below(transaction, MEMBER, root) if pools else []
    monitors = _below(transaction, HEALTH_MONITOR, root) if pools else []
    policies = _below(transaction, L7_POLICY, root) if listeners else []
    rules = _below(transaction, L7_RULE, root) if policies else []

    def pool(shown: Body) -> Body:
        plain = _without(shown, "loadbalancers", "healthmonitor_id")
        plain["members"] = [member for owner, member in members if owner == shown["id"]]
        monitor = [_without(monitor, "pools") for owner, monitor in monitors if owner == shown["id"]]
        return {**plain, "healthmonitor": monitor[0] if monitor else None}

    def listener(shown: Body) -> Body:
        own = sorted((policy for owner, policy in policies if owner == shown["id"]), key=lambda own: own["position"])
        full = [{**policy, "rules": [rule for owner, rule in rules if owner == policy["id"]]} for policy in own]
        return {**_without(shown, "loadbalancers"), "l7policies": full}

    return {
        **body_with(root, {}),
        "listeners": [listener(shown) for _, shown in listeners],
        "pools": [pool(shown) for _, shown in pools],
    }


def _below(
    transaction: Transaction, kind: ResourceType[Any], root: LoadedResource[LoadBalancer]
) -> list[tuple[str, Body]]:
    """Return the bodies of all resources of a kind below a load balancer, each with the id of its parent."""
    c = columns(kind.struct)
    # Only a pool refers to resources that are not shown inside it.
    with_related = kind is POOL
    statement = selection(kind, with_related=with_related)
    statement = statement.where(c.load_balancer_id == root.resource.id).order_by(c.created_at, c.id)
    found = [from_row(kind, row, with_related=with_related) for row in transaction.execute(statement)]
    return [(_owner(item.resource), body_with(item, item.related or {})) for item in found]


def _owner(resource: Resource) -> str:
    if isinstance(resource, Member | HealthMonitor):
        return resource.pool_id
    if isinstance(resource, L7Policy):
        return resource.listener_id
    return resource.l7policy_id if isinstance(resource, L7Rule) else ""


def _without(shown: Body, *names: str) -> Body:
    return {name: value for name, value in shown.items() if name not in names}
