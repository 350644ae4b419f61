"""The parts of a tutorial: chapters of steps. Data only."""

from collections.abc import Mapping

from msgspec import Struct

from demo.answers import NOTHING, Expected


class Type(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command, its expected answer, and the values to keep.

    `$names` stand for values kept before. `within` repeats the command until the answer is right, at most so many
    seconds. `keeps` maps names to fields of the answer, `answer` names the whole of it. `refused` expects that
    the command fails. A `sources` command changes the shell that the others are typed in.
    """

    command: str
    shows: Expected | None = None
    keeps: Mapping[str, str] = {}
    answer: str | None = None
    within: float = 0.0
    refused: bool = False
    sources: bool = False
    before: str = ""


class Open(Struct, frozen=True, kw_only=True):
    """A command in a second terminal that goes on during the following steps."""

    command: str
    before: str = ""


class Hear(Struct, frozen=True, kw_only=True):
    """The next lines of the second terminal: hits of these hosts in turn, in this order; all others are errors."""

    hosts: tuple[str, ...]
    hits: int
    before: str = ""


class Close(Struct, frozen=True, kw_only=True):
    """End the second terminal; every line of it must have been a hit."""


Step = Type | Open | Hear | Close


class Chapter(Struct, frozen=True, kw_only=True):
    """Steps with a title and a description."""

    title: str
    text: str
    steps: tuple[Step, ...]


def silent(command: str, *, before: str = "") -> Type:
    """Return a command without output."""
    return Type(command=command, shows=NOTHING, before=before)
