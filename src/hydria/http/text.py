"""Texts of clients: the words for yes and no, and characters that can be neither stored nor sent."""

from typing import Any

TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


def truth(text: str) -> bool | None:
    """Return what a word means, or None where it means neither yes nor no."""
    word = text.strip().lower()
    return True if word in TRUE else False if word in FALSE else None


def is_storable(text: str) -> bool:
    """Say whether a text can be stored: PostgreSQL takes no NUL, and half a surrogate pair is not valid UTF-8."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def has_nul(value: Any) -> bool:
    """Say whether a NUL is in any text of a JSON value, the keys of its objects included."""
    remaining = [value]
    while remaining:
        part = remaining.pop()
        if isinstance(part, str):
            if "\0" in part:
                return True
        elif isinstance(part, list):
            remaining += part
        elif isinstance(part, dict):
            remaining += [*part, *part.values()]
    return False


def sendable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which JSON lets in and UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode()
