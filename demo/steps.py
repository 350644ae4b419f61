"""What a tutorial consists of: chapters of steps. Data only."""

from collections.abc import Mapping

from msgspec import Struct

from demo.answers import NOTHING, Expected


class Type(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command, what its answer must show, and what is kept of it.

    `$names` stand for what was kept before. `within` repeats the command until it shows what it must, at most so many
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
    """A command in a second terminal that goes on while the next ones are typed."""

    command: str
    before: str = ""


class Hear(Struct, frozen=True, kw_only=True):
    """What comes next in the second terminal: so many hits in turn by these hosts, in this order, all else fails."""

    hosts: tuple[str, ...]
    hits: int
    before: str = ""


class Close(Struct, frozen=True, kw_only=True):
    """End the second terminal: everything in it must have been a hit."""


Step = Type | Open | Hear | Close


class Chapter(Struct, frozen=True, kw_only=True):
    """Steps under a title, with a few words before them."""

    title: str
    text: str
    steps: tuple[Step, ...]


def silent(command: str, *, before: str = "") -> Type:
    """Return a command that answers nothing."""
    return Type(command=command, shows=NOTHING, before=before)
