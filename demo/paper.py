"""What a reader of the demo sees: commands, their answers, and what runs beside them."""

import time

from rich.console import Console
from rich.markup import escape

from demo.steps import Chapter
from demo.walk import WrongAnswerError


class Paper:
    """Prints the tutorial: commands after `$`, their answers, and the output of the second terminal."""

    def __init__(self, chapters: int) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._chapters = chapters
        self._number = 0
        self._begun = time.monotonic()
        self._reported = 0.0

    def chapter(self, chapter: Chapter) -> None:
        """Print the title, the progress, and the description of a chapter."""
        self._number += 1
        place = f"[{self._number}/{self._chapters}, {time.monotonic() - self._begun:.0f} s]"
        self._console.print(f"\n[bold]==> {escape(place)} {escape(chapter.title)}[/]\n{escape(chapter.text)}")

    def typed(self, command: str, before: str) -> None:
        """Print a command."""
        self._reported = 0.0
        self._console.print(f"\n{escape(before)}" if before else "")
        self._console.print(f"[bold green]$ {escape(command)}[/]")

    def answered(self, answer: str) -> None:
        """Print an answer unchanged."""
        if answer:
            self._console.print(answer.rstrip("\n"), markup=False)

    def waiting(self, seconds: float) -> None:
        """Print every few seconds that the step still waits."""
        if seconds - self._reported >= 5:
            self._reported = seconds
            self._console.print(f"[dim]    … not yet, after {seconds:.0f} s[/]")

    def overheard(self, line: str) -> None:
        """Print a line of the second terminal, with a mark."""
        self._console.print(f"[cyan]    second terminal | {escape(line)}[/]")

    def say(self, text: str) -> None:
        """Print a message."""
        self._console.print(f"\n{escape(text)}")

    def failed(self, failure: WrongAnswerError) -> None:
        """Print the failed step with the expected and the actual answer."""
        self._console.print(f"\n[bold red]FAILED: {escape(failure.chapter)}[/]\n    step: $ {escape(failure.command)}")
        for line in failure.complaint.splitlines():
            self._console.print(f"    {line}", markup=False)
