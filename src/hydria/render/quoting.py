"""The quoting of users' texts in HAProxy's configuration: strong quotes, or a refusal. Pure."""

import re

# The API refuses these characters in every text that is rendered (`L7Rule` and the patterns of `model.fields`).
LINE_ENDS = "\0\r\n"

# Texts that need no quotes.
_SAFE = re.compile(r"[A-Za-z0-9_./:@%=,!+-]+")


def quote(text: str) -> str:
    """Return `text` as one word of HAProxy's configuration. Raises ValueError for a text with a line break."""
    if any(char in text for char in LINE_ENDS):
        raise ValueError(f"no line of a configuration can hold {text!r}")
    if _SAFE.fullmatch(text):
        return text
    # Between strong quotes only the closing quote is special.
    return "\\'".join(f"'{part}'" if part else "" for part in text.split("'")) or "''"


def literal(text: str) -> str:
    """Return `text` as one word where HAProxy expects a log format, without anything to evaluate."""
    return quote(text.replace("%", "%%"))


def argument(text: str) -> str:
    """Return `text` as the argument of a sample fetch; the caller still has to quote the whole word."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
