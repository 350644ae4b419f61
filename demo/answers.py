"""Expected answers of commands. Pure: text in, complaint out."""

import re
from collections.abc import Mapping, Sequence
from string import Template
from typing import Protocol

from msgspec import Struct

# A placeholder for a value that differs between runs. Clients print None where those of 2019 printed nothing.
_PATTERNS = {
    "": r"(None)?",
    "None": r"(None)?",
    "<id>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<project>": r"[0-9a-f]{32}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?",
    "<address>": r"\d+\.\d+\.\d+\.\d+",
    "<any>": r".*",
}


class Expected(Protocol):
    """An expected answer. `complaint` returns None for a correct answer; `known` has the values of `$names`."""

    def complaint(self, answer: str, known: Mapping[str, str]) -> str | None:
        """Return the expected and the actual text, or None."""


class Record(Struct, frozen=True):
    """A table of fields and values, which has at least these; one `field value` a line."""

    text: str

    def complaint(self, answer: str, known: Mapping[str, str]) -> str | None:
        """Return the first field that is missing or differs."""
        seen = record(answer)
        for field, value in _fields(self.text).items():
            if field not in seen:
                return f"expected the field {field}, seen: {', '.join(seen) or answer.strip() or 'nothing'}"
            if not _fits(value, seen[field], known):
                return f"expected {field} to be {_shown(value, known)}, seen: {seen[field]!r}"
        return None


class Rows(Struct, frozen=True):
    """A table with columns, which has exactly these rows; a row is `column value` lines.

    The order does not matter, because Octavia sorts resources of the same second by id.
    """

    texts: tuple[str, ...]

    def complaint(self, answer: str, known: Mapping[str, str]) -> str | None:
        """Return the first row that is missing."""
        left = rows(answer)
        if len(left) != len(self.texts):
            return f"expected {len(self.texts)} rows, seen: {len(left)}\n{answer}"
        for fields in map(_fields, self.texts):
            if unknown := sorted(fields.keys() - left[0].keys()):
                return f"expected a column {unknown[0]}, seen: {', '.join(left[0])}"
            fitting = [row for row in left if all(_fits(fields[column], row[column], known) for column in fields)]
            if not fitting:
                wanted = ", ".join(f"{column} {_shown(value, known)}" for column, value in fields.items())
                return f"expected a row with {wanted}, seen:\n{answer}"
            left.remove(fitting[0])
        return None


class Names(Struct, frozen=True):
    """A list of exactly these names, one a line, in any order."""

    names: tuple[str, ...]

    def complaint(self, answer: str, known: Mapping[str, str]) -> str | None:
        """Return the difference."""
        del known
        seen = sorted(line.strip() for line in answer.splitlines())
        return None if seen == sorted(self.names) else f"expected {_listed(self.names)}, seen: {_listed(seen)}"


class Says(Struct, frozen=True):
    """Text that contains this. `$names` stand for their values; white space is compared as one space."""

    text: str

    def complaint(self, answer: str, known: Mapping[str, str]) -> str | None:
        """Return text and answer when the answer does not contain the text."""
        wanted = Template(self.text).substitute(known)
        return None if wanted in " ".join(answer.split()) else f"expected {wanted!r}, seen: {answer.strip()!r}"


class Lines(Struct, frozen=True):
    """Lines that match these regular expressions, in this order; a single one may be repeated `times`."""

    patterns: tuple[str, ...]
    times: int = 1

    def complaint(self, answer: str, known: Mapping[str, str]) -> str | None:
        """Return the first line that differs."""
        del known
        wanted, seen = self.patterns * self.times, answer.splitlines()
        for number, (pattern, line) in enumerate(zip(wanted, seen, strict=False), 1):
            if not re.fullmatch(pattern, line):
                return f"expected line {number} to be {pattern!r}, seen: {line!r} in\n{answer}"
        return None if len(wanted) == len(seen) else f"expected {len(wanted)} lines, seen: {len(seen)}\n{answer}"


NOTHING = Lines(())


def record(answer: str) -> dict[str, str]:
    """Return the fields of a table `Field | Value`; values may have several lines."""
    found: dict[str, str] = {}
    field = ""
    for cells in _cells(answer)[1:]:
        if len(cells) != 2:
            return {}
        if cells[0]:
            field = cells[0]
            found[field] = cells[1]
        elif field:
            found[field] += f"\n{cells[1]}"
    return found


def rows(answer: str) -> list[dict[str, str]]:
    """Return the rows of a table by its columns."""
    cells = _cells(answer)
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def _cells(answer: str) -> list[list[str]]:
    lines = [line.strip() for line in answer.splitlines()]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines if re.match(r"\|.*\|$", line)]


def _fields(text: str) -> dict[str, str]:
    pairs = [line.strip().partition(" ") for line in text.strip().splitlines()]
    return {field: value.strip() for field, _, value in pairs}


def _fits(value: str, seen: str, known: Mapping[str, str]) -> bool:
    wanted = _PATTERNS.get(value)
    return re.fullmatch(wanted, seen) is not None if wanted else Template(value).substitute(known) == seen


def _shown(value: str, known: Mapping[str, str]) -> str:
    return repr(value if value in _PATTERNS else Template(value).substitute(known))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
