"""Goes through chapters: runs each command, checks its answer, and shows both on a screen."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from string import Template
from typing import Protocol, assert_never

from demo.answers import record
from demo.shell import Answer, Shell, Terminal
from demo.steps import Chapter, Close, Hear, Open, Step, Type

_PAUSE = 0.5
_HIT = re.compile(r"\d\d:\d\d:\d\d you hit: (\w+)")
# The longest silence of the second terminal (seconds): a lost member costs 5 s for each attempt.
_SILENCE = 30.0


class WrongAnswerError(Exception):
    """A step did not give the expected answer."""

    def __init__(self, chapter: str, command: str, complaint: str) -> None:
        super().__init__(f"{chapter}: $ {command}\n{complaint}")
        self.chapter, self.command, self.complaint = chapter, command, complaint


class Screen(Protocol):
    """Shows the tutorial to a reader."""

    def chapter(self, chapter: Chapter) -> None:
        """Show the beginning of a chapter."""

    def typed(self, command: str, before: str) -> None:
        """Show a command; `before` explains it."""

    def answered(self, answer: str) -> None:
        """Show its answer."""

    def waiting(self, seconds: float) -> None:
        """Show that the answer is not right yet after some seconds."""

    def overheard(self, line: str) -> None:
        """Show a line of the second terminal."""


class Walk:
    """One run through the tutorial. `known` has the kept values, perhaps of an earlier run."""

    def __init__(self, shell: Shell, screen: Screen, known: Mapping[str, str] | None = None) -> None:
        self.known = dict(known or {})
        self._shell = shell
        self._screen = screen
        self._terminal: Terminal | None = None
        self._heard: list[str] = []
        self._watched = ""
        self._chapter = ""

    def go(self, chapters: Iterable[Chapter]) -> None:
        """Go through chapters. Raises WrongAnswerError at the first wrong answer."""
        try:
            for chapter in chapters:
                self._chapter = chapter.title
                self._screen.chapter(chapter)
                for step in chapter.steps:
                    self._take(step)
        finally:
            self.close()

    def close(self) -> None:
        """End the second terminal."""
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    def _take(self, step: Step) -> None:
        match step:
            case Type():
                self._type(step)
            case Open():
                self._watched = self._written(step.command)
                self._screen.typed(self._watched, step.before)
                self._terminal, self._heard = self._shell.open(self._watched), []
            case Hear():
                self._hear(step)
            case Close():
                self._listen()
                self.close()
            case _:
                assert_never(step)

    def _type(self, step: Type) -> None:
        command = self._written(step.command)
        self._screen.typed(command, step.before)
        begun = time.monotonic()
        while True:
            answer = self._shell.source(command) if step.sources else self._shell.type(command)
            complaint = self._complaint(step, answer)
            waited = time.monotonic() - begun
            self._listen()
            if complaint is None or waited > step.within:
                break
            self._screen.waiting(waited)
            # The stock client takes a second of a core, so long waits repeat it less often.
            time.sleep(max(_PAUSE, step.within / 30))
        self._screen.answered(answer.text)
        if complaint is not None:
            raise self._wrong(command, complaint + (f"\nwaited {waited:.0f} s" if step.within else ""))
        with self._blaming(command):
            self._keep(step, answer)

    def _complaint(self, step: Type, answer: Answer) -> str | None:
        if (answer.status != 0) != step.refused:
            wanted = "that it is refused" if step.refused else "that it works"
            return f"expected {wanted}, seen: exit status {answer.status}\n{answer.text.strip()}"
        if step.shows is None:
            return None
        return step.shows.complaint(answer.text if step.refused else answer.out, self.known)

    def _keep(self, step: Type, answer: Answer) -> None:
        if step.answer is not None:
            self.known[step.answer] = answer.out.strip()
        if step.keeps:
            fields = record(answer.out)
            self.known |= {name: fields[field] for name, field in step.keeps.items()}

    def _hear(self, step: Hear) -> None:
        self._listen()
        first, deadline = len(self._heard), time.monotonic() + _SILENCE + step.hits
        while len(self._heard) < first + step.hits:
            if time.monotonic() > deadline:
                raise self._wrong(self._watched, f"expected {step.hits} more hits, seen: {self._heard[first:]}")
            time.sleep(_PAUSE)
            self._listen()
        seen = self._heard[first : first + step.hits]
        begin = step.hosts.index(seen[0]) if seen[0] in step.hosts else 0
        wanted = [step.hosts[(begin + number) % len(step.hosts)] for number in range(step.hits)]
        if seen != wanted:
            raise self._wrong(self._watched, f"expected hits of {wanted}, seen: {seen}")

    def _listen(self) -> None:
        """Read the second terminal; a line that is no hit is an error that the client saw."""
        for line in self._terminal.lines() if self._terminal else ():
            self._screen.overheard(line)
            hit = _HIT.fullmatch(line)
            if hit is None:
                raise self._wrong(self._watched, f"expected no error at the client, seen: {line!r}")
            self._heard.append(hit.group(1))

    def _written(self, command: str) -> str:
        return Template(command).safe_substitute(self.known)

    def _wrong(self, command: str, complaint: str) -> WrongAnswerError:
        return WrongAnswerError(self._chapter, command, complaint)

    @contextmanager
    def _blaming(self, command: str) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            raise self._wrong(command, f"expected a field {error}") from None
