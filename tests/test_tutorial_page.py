"""docs/tutorial.md has the commands of the walk, in order, and answers that the walk accepts."""

import re
from pathlib import Path
from string import Template

import pytest

from demo import tutorial
from demo.answers import record
from demo.steps import Open, Type

_PAGE = Path(__file__).parent.parent / "docs/tutorial.md"
_STEPS = [
    step
    for chapter in (*tutorial.WALK, *tutorial.REMOVAL, tutorial.STOP)
    for step in chapter.steps
    if isinstance(step, Type | Open)
]
_BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class _Command:
    """A command of the page, the name that it assigns, and its answer."""

    def __init__(self, line: str) -> None:
        assigned = re.fullmatch(r"(\w+)=\$\((.*)\)  # (\S+)", line)
        self.answer_name: str | None = assigned.group(1) if assigned else None
        command = assigned.group(2) if assigned else line
        # On the page the user's shell inserts the values, so its quotes are exchanged.
        self.command = _unquoted(command)
        self.answer = f"{assigned.group(3)}\n" if assigned else None
        self.kept = {assigned.group(1): assigned.group(3)} if assigned else {}


def _unquoted(command: str) -> str:
    return command.replace("\\$(", "$(").translate(str.maketrans("", "", "'\""))


def _commands() -> list[_Command]:
    found: list[_Command] = []
    for kind, text in _BLOCK.findall(_PAGE.read_text()):
        if kind == "text":
            found[-1].answer = text
            continue
        for line in text.splitlines():
            kept = re.fullmatch(r"(\w+)=([^$]\S*)", line)
            if kept:
                found[-1].kept[kept.group(1)] = kept.group(2)
            else:
                found.append(_Command(line))
    return found


def test_the_page_has_the_commands_of_the_walk() -> None:
    typed = [(each.command, each.answer_name) for each in _commands()]
    wanted = [(_unquoted(step.command), step.answer if isinstance(step, Type) else None) for step in _STEPS]
    assert typed == wanted


def test_the_page_keeps_the_values_that_the_walk_keeps() -> None:
    for each, step in _pairs():
        assert set(each.kept) <= ({*step.keeps, step.answer} if isinstance(step, Type) else set())
    needed = {name for step in _STEPS for name in Template(step.command).get_identifiers()}
    assert needed <= {name for each in _commands() for name in each.kept}


@pytest.mark.parametrize("number", [number for number, each in enumerate(_commands()) if each.answer is not None])
def test_the_page_shows_answers_that_the_walk_accepts(number: int) -> None:
    each, step = _pairs()[number]
    assert isinstance(step, Type)
    assert each.answer is not None
    if step.shows is not None:
        assert step.shows.complaint(each.answer, _known()) is None


def _pairs() -> list[tuple[_Command, Type | Open]]:
    return list(zip(_commands(), _STEPS, strict=True))


def _known() -> dict[str, str]:
    """Return the values in the page's answers."""
    known: dict[str, str] = {}
    for each, step in _pairs():
        known |= each.kept
        if isinstance(step, Type) and step.keeps and each.answer is not None:
            fields = record(each.answer)
            known |= {name: fields[field] for name, field in step.keeps.items()}
    return known
