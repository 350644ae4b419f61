"""The answer to the creation of a load balancer: everything below it in full, as Octavia gives it there only."""

from typing import Any

from hydria.api.kinds import HEALTH_MONITOR, LISTENER, LOAD_BALANCER, MEMBER, POOL, Kind
from hydria.api.views import Seen, bodies, body, seen, selection
from hydria.model import HealthMonitor, Member
from hydria.store import Transaction, columns

Body = dict[str, Any]


def whole_tree(transaction: Transaction, root: Seen) -> Body:
    """Return the body of a load balancer with listeners, pools, members and monitors in full."""
    members = _below(transaction, MEMBER, root)
    monitors = _below(transaction, HEALTH_MONITOR, root)

    def pool(shown: Body) -> Body:
        plain = _without(shown, "loadbalancers", "healthmonitor_id")
        plain["members"] = [each for owner, each in members if owner == shown["id"]]
        checked = [_without(each, "pools") for owner, each in monitors if owner == shown["id"]]
        return {**plain, "healthmonitor": checked[0]} if checked else plain

    return {
        **body(transaction, LOAD_BALANCER, root),
        "listeners": [_without(each, "loadbalancers") for _, each in _below(transaction, LISTENER, root)],
        "pools": [pool(each) for _, each in _below(transaction, POOL, root)],
    }


def _below(transaction: Transaction, kind: Kind, root: Seen) -> list[tuple[str, Body]]:
    """Return the bodies of a kind below a load balancer, each with the id of its pool where it has one."""
    c = columns(kind.struct)
    statement = selection(kind).where(c.load_balancer_id == root.resource.id).order_by(c.created_at, c.id)
    found = [seen(kind, row) for row in transaction.execute(statement)]
    owners = [each.resource.pool_id if isinstance(each.resource, Member | HealthMonitor) else "" for each in found]
    return list(zip(owners, bodies(transaction, kind, found), strict=True))


def _without(shown: Body, *names: str) -> Body:
    return {name: value for name, value in shown.items() if name not in names}
