"""What Octavia has stored and not told its driver.

Octavia 19 gives a driver its objects before all their parts are read back from its database: the policies of a listener
in a tree are always missing, and `allowed_cidrs` and others at times. So before a change is called done, the objects
are compared as the two APIs show them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydria_octavia_provider import bodies, trees
from hydria_octavia_provider.api import Api, Body, Refused
from hydria_octavia_provider.bodies import Kind
from hydria_octavia_provider.trees import Status, Tree

# In the order in which they can be created.
_KINDS: dict[str, Kind] = {
    trees.LOAD_BALANCERS: bodies.LOAD_BALANCER,
    trees.POOLS: bodies.POOL,
    trees.MEMBERS: bodies.MEMBER,
    trees.HEALTH_MONITORS: bodies.HEALTH_MONITOR,
    trees.LISTENERS: bodies.LISTENER,
    trees.L7_POLICIES: bodies.L7_POLICY,
    trees.L7_RULES: bodies.L7_RULE,
}
# Where a new object names its parent in its body; others have it in their path.
_PARENTS = {
    trees.POOLS: "loadbalancer_id",
    trees.HEALTH_MONITORS: "pool_id",
    trees.LISTENERS: "loadbalancer_id",
    trees.L7_POLICIES: "listener_id",
}
# The position of a policy follows from the order in which they are made.
_IGNORED = frozenset({"position"})


@dataclass(frozen=True)
class Difference:
    """The attributes in which an object differs; `missing` says that Hydria does not have it."""

    kind: str
    id: str
    names: tuple[str, ...]
    missing: bool = False


def differences(theirs: Tree, ours: Tree) -> Iterator[Difference]:
    """Yield what Hydria lacks of Octavia's objects that are created or changed, parents first."""
    found = sorted(theirs.values(), key=lambda each: (list(_KINDS).index(each.kind), each.body.get("position", 0)))
    for each in found:
        if not each.pending or each.provisioning == trees.PENDING_DELETE:
            continue
        own = ours.get(each.id)
        if own is None:
            if each.below is not None and each.provisioning == "PENDING_CREATE":
                yield Difference(each.kind, each.id, (), missing=True)
            continue
        attributes = sorted(_KINDS[each.kind].attributes - _IGNORED)
        names = tuple(
            name for name in attributes if _differ(name, each.body, own.body) and not _goes(each, name, theirs)
        )
        if names:
            yield Difference(each.kind, each.id, names)


def apply(hydria: Api, difference: Difference, theirs: Status) -> None:
    """Create or change an object of Hydria. Raises Refused, Unreachable."""
    kind = _KINDS[theirs.kind]
    path = _path(theirs)
    if not difference.missing:
        body = {name: theirs.body[name] for name in difference.names}
        hydria.change(f"{path}/{theirs.id}", kind.root, body)
        return
    own = {name: theirs.body.get(name) for name in kind.attributes | kind.fixed}
    body = bodies.new(kind, {**{name: value for name, value in own.items() if value is not None}, kind.key: theirs.id})
    if theirs.kind in _PARENTS:
        body[_PARENTS[theirs.kind]] = theirs.below
    try:
        hydria.create(path, kind.root, body)
    except Refused as refusal:
        # Another agent was faster.
        if refusal.status != 409 or hydria.find(f"{path}/{theirs.id}") is None:
            raise


def _path(theirs: Status) -> str:
    path = _KINDS[theirs.kind].path
    if theirs.kind == trees.MEMBERS:
        return f"pools/{theirs.below}/{path}"
    return f"l7policies/{theirs.below}/{path}" if theirs.kind == trees.L7_RULES else path


def _differ(name: str, theirs: Body, ours: Body) -> bool:
    return name in theirs and name in ours and _plain(theirs[name]) != _plain(ours[name])


def _goes(each: Status, name: str, theirs: Tree) -> bool:
    """Return whether an attribute names a pool that is being deleted: Octavia forgets it only after the deletion."""
    value = each.body[name]
    named = theirs.get(value) if isinstance(value, str) else None
    return named is not None and named.provisioning == trees.PENDING_DELETE


def _plain(value: Any) -> Any:
    """Return a value so that equal ones compare equal: what is empty is None, lists are sets."""
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if each is not None}
    elif isinstance(value, list):
        value = sorted(value, key=str)
    return None if value in ("", [], {}) else value
