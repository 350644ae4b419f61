"""What differs between two states of a load balancer's tree, attribute by attribute. Pure."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from hydria.model.base import INTERNAL, Resource
from hydria.model.health_monitor import HealthMonitor
from hydria.model.l7_policy import L7Policy
from hydria.model.l7_rule import L7Rule
from hydria.model.listener import Listener
from hydria.model.load_balancer import LoadBalancer
from hydria.model.member import Member
from hydria.model.pool import Pool
from hydria.model.tree import Tree

# The kinds of a tree's resources, by their names in differences. Parents come first.
KINDS: dict[str, type[Resource]] = {
    "loadbalancer": LoadBalancer,
    "listener": Listener,
    "pool": Pool,
    "member": Member,
    "healthmonitor": HealthMonitor,
    "l7policy": L7Policy,
    "l7rule": L7Rule,
}
_NAMES = {kind: name for name, kind in KINDS.items()}

# Attributes of a load balancer that count or report; they are no part of what its owner asked for.
COUNTED = frozenset({"generation", "change_id", "observed", "failed", "reason", "ticket_day"})

_LEFT_OUT = INTERNAL | COUNTED | {"updated_at", "created_at", "vip_port_owned"}

# The resources of a tree by id.
State = Mapping[str, Resource]


class Change(Struct, frozen=True, kw_only=True):
    """One difference. `attribute`, `before` and `after` are None where a whole resource was created or deleted."""

    action: Literal["created", "changed", "deleted"]
    resource: str
    id: str
    name: str
    attribute: str | None = None
    before: Any = None
    after: Any = None


def kind_name(resource: Resource) -> str:
    """Return the name of a resource's kind in differences."""
    return _NAMES[type(resource)]


def label(resource: Resource) -> str:
    """Return what people know a resource by: its name; a member's address, a rule's condition without one."""
    if resource.name:
        return resource.name
    if isinstance(resource, Member):
        return f"{resource.address}:{resource.protocol_port}"
    if isinstance(resource, L7Rule):
        return " ".join(filter(None, (resource.type, resource.key, resource.compare_type, resource.value)))
    return ""


def state_of(tree: Tree) -> dict[str, Resource]:
    """Return the resources of a tree by id, parents first."""
    parts = (
        (tree.load_balancer,),
        tree.listeners,
        tree.pools,
        tree.members,
        tree.health_monitors,
        tree.l7_policies,
        tree.l7_rules,
    )
    return {each.id: each for part in parts for each in part}


def tree_of_state(state: State) -> Tree:
    """Return the tree of a state, which has a load balancer; each kind is in the order of the state."""
    found: dict[type[Resource], list[Any]] = {kind: [] for kind in KINDS.values()}
    for resource in state.values():
        found[type(resource)].append(resource)
    return Tree(
        load_balancer=found[LoadBalancer][0],
        listeners=tuple(found[Listener]),
        pools=tuple(found[Pool]),
        members=tuple(found[Member]),
        health_monitors=tuple(found[HealthMonitor]),
        l7_policies=tuple(found[L7Policy]),
        l7_rules=tuple(found[L7Rule]),
    )


def differences(before: State, after: State) -> list[Change]:
    """Return the changes that lead from one state to the other: what is deleted, created and changed, in this order."""
    found = [_whole("deleted", before[key]) for key in before if key not in after]
    found += [_whole("created", after[key]) for key in after if key not in before]
    for key, resource in after.items():
        if key in before and before[key] != resource:
            found += _changed(before[key], resource)
    return found


def sentence(change: Change) -> str:
    """Return a change as a line: `+` for what was created, `-` for what was deleted, `~` for what changed."""
    what = f"{change.resource} {change.name or change.id}"
    if change.action != "changed":
        return f"{'+' if change.action == 'created' else '-'} {what}"
    return f"~ {what}: {change.attribute} {_short(change.before)} -> {_short(change.after)}"


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, str) or not value else value


def attributes(resource: Resource) -> dict[str, Any]:
    """Return the attributes of a resource that its owner decides, as JSON values, with its id."""
    return {name: msgspec.to_builtins(getattr(resource, name)) for name in _attributes(type(resource))}


def _whole(action: Literal["created", "deleted"], resource: Resource) -> Change:
    return Change(action=action, resource=kind_name(resource), id=resource.id, name=label(resource))


def _changed(before: Resource, after: Resource) -> Iterator[Change]:
    for name in _attributes(type(after)):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Change(
                action="changed",
                resource=kind_name(after),
                id=after.id,
                name=label(after),
                attribute=name,
                before=msgspec.to_builtins(old),
                after=msgspec.to_builtins(new),
            )


@cache
def _attributes(kind: type[Resource]) -> tuple[str, ...]:
    return tuple(field.name for field in structs.fields(kind) if field.name not in _LEFT_OUT)
