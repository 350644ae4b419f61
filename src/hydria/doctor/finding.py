"""One line of what the doctor says."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """Something looked at: what was seen, and how to mend it (empty when nothing is to be mended)."""

    name: str
    ok: Literal["ok", "warning", "bad"]
    seen: str
    mend: str = ""


def fine(name: str, seen: str) -> Finding:
    """Return what is as it should be."""
    return Finding(name=name, ok="ok", seen=seen)


def odd(name: str, seen: str, mend: str) -> Finding:
    """Return what Hydria can live with."""
    return Finding(name=name, ok="warning", seen=seen, mend=mend)


def bad(name: str, seen: str, mend: str) -> Finding:
    """Return what Hydria cannot work with."""
    return Finding(name=name, ok="bad", seen=seen, mend=mend)
