"""How a user's text enters HAProxy's configuration: in strong quotes, or not at all. Pure."""

import re

# No form takes these where a configuration has a text (`L7Rule` and the patterns of `model.fields`).
LINE_ENDS = "\0\r\n"

# What needs no quotes.
_SAFE = re.compile(r"[A-Za-z0-9_./:@%=,!+-]+")


def quote(text: str) -> str:
    """Return `text` as one word of HAProxy's configuration. Raises ValueError for what would end its line."""
    if any(char in text for char in LINE_ENDS):
        raise ValueError(f"no line of a configuration can hold {text!r}")
    if _SAFE.fullmatch(text):
        return text
    # Nothing is special between strong quotes but their own end.
    return "\\'".join(f"'{part}'" if part else "" for part in text.split("'")) or "''"


def literal(text: str) -> str:
    """Return `text` as one word where HAProxy expects a log format, so that nothing in it is evaluated."""
    return quote(text.replace("%", "%%"))


def argument(text: str) -> str:
    """Return `text` as the one argument of a sample fetch; the whole word is still to be quoted."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
