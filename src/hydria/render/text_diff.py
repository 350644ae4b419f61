"""The difference of two configurations, section by section, in time that grows with their length only. Pure."""

import difflib
from collections import Counter
from collections.abc import Iterator

# A section with more lines is compared line by line without regard to their order: finding the shortest difference
# takes time that grows with the square of its length.
_LONG = 150

# Lines around a change that are shown too.
_AROUND = 1


def text_diff(before: str, after: str, names: tuple[str, str]) -> str:
    """Return a unified diff, empty where the texts are equal. The numbers of lines count within their section."""
    if before == after:
        return ""
    old, new = _sections(before), _sections(after)
    lines = [f"--- {names[0]}", f"+++ {names[1]}"]
    for head in [*(head for head in old if head not in new), *new]:
        first, second = old.get(head, []), new.get(head, [])
        if first != second:
            lines += _hunks(head, first, second)
    return "".join(f"{line}\n" for line in lines)


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section by its head, which is its first line; lines without text are left out."""
    found: dict[str, list[str]] = {}
    head = ""
    for line in text.splitlines():
        if not line.strip():
            continue
        if not line[0].isspace() or line.endswith("{"):
            head = line
            while head in found:
                head += " "
        found.setdefault(head, []).append(line)
    return found


def _hunks(head: str, before: list[str], after: list[str]) -> Iterator[str]:
    if not before or not after:
        yield _place(head, before, after)
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
    elif max(len(before), len(after)) > _LONG:
        yield _place(head, before, after)
        yield from _unordered(before, after)
    else:
        for line in list(difflib.unified_diff(before, after, n=_AROUND, lineterm=""))[2:]:
            yield f"{line} {head.strip()}" if line.startswith("@@") else line


def _place(head: str, before: list[str], after: list[str]) -> str:
    return f"@@ -{min(1, len(before))},{len(before)} +{min(1, len(after))},{len(after)} @@ {head.strip()}"


def _unordered(before: list[str], after: list[str]) -> Iterator[str]:
    """Yield the lines that only one side has; a line that replaces another follows it."""
    old, new = Counter(before), Counter(after)
    fresh: dict[str, list[str]] = {}
    for line in (new - old).elements():
        fresh.setdefault(_key(line), []).append(line)
    for line in (old - new).elements():
        yield f"-{line}"
        for other in fresh.pop(_key(line), ()):
            yield f"+{other}"
    for lines in fresh.values():
        yield from (f"+{line}" for line in lines)


def _key(line: str) -> str:
    """Return what a line is about: its first two words."""
    return " ".join(line.split(maxsplit=2)[:2])
