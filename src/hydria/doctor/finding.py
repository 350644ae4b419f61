"""A finding: one line of the doctor's table."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """The result of one check: what was seen, and how to fix it (empty when it is ok)."""

    name: str
    ok: Literal["ok", "warning", "bad"]
    seen: str
    mend: str = ""


def fine(name: str, seen: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(name=name, ok="ok", seen=seen)


def odd(name: str, seen: str, mend: str) -> Finding:
    """Return a warning: Hydria works nevertheless."""
    return Finding(name=name, ok="warning", seen=seen, mend=mend)


def bad(name: str, seen: str, mend: str) -> Finding:
    """Return a finding that keeps Hydria from working."""
    return Finding(name=name, ok="bad", seen=seen, mend=mend)
