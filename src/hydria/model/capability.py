"""What a provider lets an admin set in a flavor or availability zone profile, and whether some data keeps to it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_TYPES: dict[str, type[Any]] = {"string": str, "boolean": bool, "array": list}


class Capability(Struct, frozen=True, kw_only=True):
    """One key of a profile's data; `type` is JSON Schema's name of a type, `values` all there are, if bounded."""

    description: str
    type: str = "string"
    values: tuple[str | bool, ...] = ()


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
        capability, value = capabilities[name], data[name]
        if not isinstance(value, _TYPES[capability.type]):
            return f"{name} {value!r} is not of type '{capability.type}'"
        if capability.values and value not in capability.values:
            return f"{name} {value!r} is not one of {list(capability.values)!r}"
    return None
