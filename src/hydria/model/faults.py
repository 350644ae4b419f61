"""Octavia's sentences for what a resource cannot be, used by the checks of every kind. Pure."""

from typing import Any

from hydria.errors import Invalid, Unsupported


def invalid_combination(detail: str) -> Invalid:
    """Return the refusal of something that does not fit together."""
    return Invalid(f"Validation failure: {detail}")


def invalid_value(value: Any, option: str) -> Invalid:
    """Return the refusal of a value that an option cannot have."""
    return Invalid(f"{value} is not a valid option for {option}")


def no_children(protocol: str) -> Invalid:
    """Return the refusal of a pool or policy of a listener that only answers by itself."""
    return Invalid(f"Protocol {protocol} listeners cannot have child objects.")


def unsupported(what: str) -> Unsupported:
    """Return the refusal of what the provider does not do."""
    return Unsupported(f"Provider 'amphora' does not support a requested option: {what}")
