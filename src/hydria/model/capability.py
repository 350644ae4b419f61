"""The options that a provider offers in a flavor or availability zone profile, and the check of given options."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_TYPES: dict[str, type[Any]] = {"string": str, "boolean": bool, "array": list, "integer": int}


class Capability(Struct, frozen=True, kw_only=True):
    """One key of a profile's data; `type` is a type's name in JSON Schema, `values` are those allowed (empty: all).

    `minimum` and `maximum` bound an integer.
    """

    description: str
    type: str = "string"
    values: tuple[str | bool, ...] = ()
    minimum: int = 0
    maximum: int = 2**63 - 1


def violation(data: Any, capabilities: Mapping[str, Capability]) -> str | None:
    """Return what is wrong with a profile's data, in the words of JSON Schema's validators, or None."""
    if not isinstance(data, dict):
        return f"{data!r} is not of type 'object'"
    extra = sorted(set(data) - set(capabilities))
    if extra:
        were = "was" if len(extra) == 1 else "were"
        return f"Additional properties are not allowed ({', '.join(map(repr, extra))} {were} unexpected)"
    # The validators report the wrong key that is the last in the alphabet.
    for name in sorted(data, reverse=True):
        if (wrong := _violation(data[name], capabilities[name])) is not None:
            return f"{name} {data[name]!r} {wrong}"
    return None


def _violation(value: Any, capability: Capability) -> str | None:
    """Return what is wrong with one value, or None."""
    boolean = isinstance(value, bool)
    if not isinstance(value, _TYPES[capability.type]) or boolean != (capability.type == "boolean"):
        return f"is not of type '{capability.type}'"
    if capability.values and value not in capability.values:
        return f"is not one of {list(capability.values)!r}"
    if capability.type == "integer" and value < capability.minimum:
        return f"is less than the minimum of {capability.minimum}"
    if capability.type == "integer" and value > capability.maximum:
        return f"is greater than the maximum of {capability.maximum}"
    return None
