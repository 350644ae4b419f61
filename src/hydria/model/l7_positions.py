"""The order of a listener's L7 policies: positions always count from 1 without gaps. Pure."""

from collections.abc import Iterable

from msgspec import structs

from hydria.model.l7_policy import L7Policy


def numbered(policies: Iterable[L7Policy]) -> tuple[L7Policy, ...]:
    """Return policies in their order, numbered anew."""
    return _count(sorted(policies, key=lambda policy: policy.position))


def inserted(others: Iterable[L7Policy], policy: L7Policy) -> tuple[L7Policy, ...]:
    """Return all in their order, with `policy` at its own position, or last where that is past the end."""
    ordered = sorted(others, key=lambda other: other.position)
    ordered.insert(policy.position - 1, policy)
    return _count(ordered)


def _count(ordered: Iterable[L7Policy]) -> tuple[L7Policy, ...]:
    return tuple(structs.replace(policy, position=number) for number, policy in enumerate(ordered, 1))
