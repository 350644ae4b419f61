"""The statuses of a load balancer and of everything below it, as Octavia or Hydria shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hydria_octavia_provider.api import Api, Body

# The kinds of objects as Octavia's library names them, children first.
LOAD_BALANCERS = "loadbalancers"
LISTENERS = "listeners"
POOLS = "pools"
MEMBERS = "members"
HEALTH_MONITORS = "healthmonitors"
L7_POLICIES = "l7policies"
L7_RULES = "l7rules"

# The kinds whose statuses `measured` returns.
MEASURED = frozenset({LOAD_BALANCERS, LISTENERS, POOLS, MEMBERS, HEALTH_MONITORS})

DELETED = "DELETED"
ERROR = "ERROR"
PENDING_DELETE = "PENDING_DELETE"
OFFLINE = "OFFLINE"


@dataclass(frozen=True)
class Status:
    """One object with its statuses.

    `below` is the id of the object that it belongs to, `body` is as its API shows it.
    """

    kind: str
    id: str
    below: str | None
    provisioning: str
    operating: str
    body: Body = field(default_factory=dict, compare=False, repr=False)

    @property
    def pending(self) -> bool:
        """Whether the object is about to change."""
        return self.provisioning.startswith("PENDING")


Tree = Mapping[str, Status]


def read_tree(api: Api, key: str) -> Tree | None:
    """Return the objects of a load balancer by id, or None where there is none. Raises Refused, Unreachable."""
    root = api.find(f"loadbalancers/{key}")
    if root is None:
        return None
    found = [status_of(LOAD_BALANCERS, root), *_listeners(api, key), *_pools(api, key)]
    return {each.id: each for each in found}


def _listeners(api: Api, key: str) -> Iterator[Status]:
    for listener in _children(api, "listeners", "loadbalancers", key):
        yield status_of(LISTENERS, listener, key)
        if not listener["l7policies"]:
            continue
        for policy in api.list("l7policies", listener_id=listener["id"]):
            yield status_of(L7_POLICIES, policy, listener["id"])
            if policy["rules"]:
                for rule in api.list(f"l7policies/{policy['id']}/rules"):
                    yield status_of(L7_RULES, rule, policy["id"])


def _pools(api: Api, key: str) -> Iterator[Status]:
    for pool in _children(api, "pools", "loadbalancers", key):
        yield status_of(POOLS, pool, key)
        if pool["members"]:
            for member in api.list(f"pools/{pool['id']}/members"):
                yield status_of(MEMBERS, member, pool["id"])
        if pool.get("healthmonitor_id"):
            for monitor in _children(api, "healthmonitors", "pools", pool["id"]):
                yield status_of(HEALTH_MONITORS, monitor, pool["id"])


def _children(api: Api, path: str, parents: str, key: str) -> Iterator[Body]:
    """Yield the resources of a collection below one parent, also if the API should not know the filter."""
    for body in api.list(path, **{f"{parents[:-1]}_id": key}):
        if {"id": key} in body[parents]:
            yield body


def status_of(kind: str, body: Body, below: str | None = None) -> Status:
    """Return the statuses in a body of either API."""
    return Status(
        kind=kind,
        id=body["id"],
        below=below,
        provisioning=body["provisioning_status"],
        operating=body["operating_status"],
        body=body,
    )


def measured(api: Api, key: str) -> Tree | None:
    """Return the objects of the kinds in `MEASURED` in one call of Hydria, or None. Raises Refused, Unreachable."""
    answer = api.find(f"loadbalancers/{key}/status")
    if answer is None:
        return None
    root: Mapping[str, Any] = answer["loadbalancer"]
    found = [status_of(LOAD_BALANCERS, dict(root))]
    pools = [*root.get("pools", ())]
    for listener in root["listeners"]:
        found.append(status_of(LISTENERS, listener, key))
        pools += listener["pools"]
    for pool in pools:
        found.append(status_of(POOLS, pool, key))
        found += [status_of(MEMBERS, member, pool["id"]) for member in pool["members"]]
        if pool["health_monitor"]:
            found.append(status_of(HEALTH_MONITORS, pool["health_monitor"], pool["id"]))
    return {each.id: each for each in found}
