"""The answer to the creation of a load balancer: everything below it in full, as Octavia gives it there only."""

from typing import Any

from hydria.api.resource_types import (
    HEALTH_MONITOR,
    L7_POLICY,
    L7_RULE,
    LISTENER,
    LOAD_BALANCER,
    MEMBER,
    POOL,
    ResourceType,
)
from hydria.api.views import LoadedResource, dressed, from_row, selection
from hydria.model import HealthMonitor, L7Policy, L7Rule, Member, Resource
from hydria.store import Transaction, columns

Body = dict[str, Any]


def whole_tree(transaction: Transaction, root: LoadedResource) -> Body:
    """Return the body of a load balancer with everything below it in full."""
    listeners, pools = _below(transaction, LISTENER, root), _below(transaction, POOL, root)
    # Nothing can stand in what is not there.
    members = _below(transaction, MEMBER, root) if pools else []
    monitors = _below(transaction, HEALTH_MONITOR, root) if pools else []
    policies = _below(transaction, L7_POLICY, root) if listeners else []
    rules = _below(transaction, L7_RULE, root) if policies else []

    def pool(shown: Body) -> Body:
        plain = _without(shown, "loadbalancers", "healthmonitor_id")
        plain["members"] = [each for owner, each in members if owner == shown["id"]]
        checked = [_without(each, "pools") for owner, each in monitors if owner == shown["id"]]
        return {**plain, "healthmonitor": checked[0] if checked else None}

    def listener(shown: Body) -> Body:
        mine = sorted((each for owner, each in policies if owner == shown["id"]), key=lambda each: each["position"])
        full = [{**each, "rules": [rule for owner, rule in rules if owner == each["id"]]} for each in mine]
        return {**_without(shown, "loadbalancers"), "l7policies": full}

    return {
        **dressed(LOAD_BALANCER, root, {}),
        "listeners": [listener(each) for _, each in listeners],
        "pools": [pool(each) for _, each in pools],
    }


def _below(transaction: Transaction, kind: ResourceType, root: LoadedResource) -> list[tuple[str, Body]]:
    """Return the bodies of a kind below a load balancer, each with the id of what it stands in."""
    c = columns(kind.struct)
    # Only a pool shows ids that are not put in in full here.
    whole = kind is POOL
    statement = (
        selection(kind, with_related=whole).where(c.load_balancer_id == root.resource.id).order_by(c.created_at, c.id)
    )
    found = [from_row(kind, row, with_related=whole) for row in transaction.execute(statement)]
    shown = [dressed(kind, each, each.related or {}) for each in found]
    return list(zip((_owner(each.resource) for each in found), shown, strict=True))


def _owner(resource: Resource) -> str:
    if isinstance(resource, Member | HealthMonitor):
        return resource.pool_id
    if isinstance(resource, L7Policy):
        return resource.listener_id
    return resource.l7policy_id if isinstance(resource, L7Rule) else ""


def _without(shown: Body, *names: str) -> Body:
    return {name: value for name, value in shown.items() if name not in names}
