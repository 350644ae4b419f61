"""What a provider lets an admin set in a flavor or availability zone profile, and whether some data keeps to it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_TYPES: dict[str, type[Any]] = {"string": str, "boolean": bool, "array": list, "integer": int}


class Capability(Struct, frozen=True, kw_only=True):
    """One key of a profile's data; `type` is JSON Schema's name of a type, `values` all there are, if bounded.

    `minimum` and `maximum` bound an integer.
    """

    description: str
    type: str = "string"
    values: tuple[str | bool, ...] = ()
    minimum: int = 0
    maximum: int = 2**63 - 1


def violation(data: Any, capabilities: Mapping[str, Capability]) -> str | None:
    """Say what is wrong with a profile's data as JSON Schema's validators do, or return None."""
    if not isinstance(data, dict):
        return f"{data!r} is not of type 'object'"
    extra = sorted(set(data) - set(capabilities))
    if extra:
        were = "was" if len(extra) == 1 else "were"
        return f"Additional properties are not allowed ({', '.join(map(repr, extra))} {were} unexpected)"
    # Of several misfits the validators name the one whose key is the last in the alphabet.
    for name in sorted(data, reverse=True):
        if (misfit := _misfit(data[name], capabilities[name])) is not None:
            return f"{name} {data[name]!r} {misfit}"
    return None


def _misfit(value: Any, capability: Capability) -> str | None:
    """Say how a value does not fit, in JSON Schema's words."""
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
