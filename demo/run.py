"""`./dev demo`: the tutorial for a person to read along. Started by the script `dev`, which has set everything up."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from demo.shell import Shell
from demo.steps import Chapter
from demo.tutorial import REMOVAL, STOP, WALK
from demo.walk import Walk, WrongAnswerError
from hydria import settings as settings_package
from hydria.compose import supervisor
from hydria.errors import HydriaError
from hydria.settings import Settings

_ROOT = Path(__file__).resolve().parent.parent
_PROGRAMS = Path(sys.executable).parent


class Paper:
    """Writes the tutorial down: commands after `$`, their answers, and what the second terminal says."""

    def __init__(self, chapters: int) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._chapters = chapters
        self._number = 0
        self._begun = time.monotonic()
        self._told = 0.0

    def chapter(self, chapter: Chapter) -> None:
        """Write its title, how far we are, and what it is about."""
        self._number += 1
        place = f"[{self._number}/{self._chapters}, {time.monotonic() - self._begun:.0f} s]"
        self._console.print(f"\n[bold]==> {escape(place)} {escape(chapter.title)}[/]\n{escape(chapter.text)}")

    def typed(self, command: str, before: str) -> None:
        """Write a command as it is typed."""
        self._told = 0.0
        self._console.print(f"\n{escape(before)}" if before else "")
        self._console.print(f"[bold green]$ {escape(command)}[/]")

    def answered(self, answer: str) -> None:
        """Write an answer as it is."""
        if answer:
            self._console.print(answer.rstrip("\n"), markup=False)

    def waiting(self, seconds: float) -> None:
        """Say every few seconds that it is not stuck."""
        if seconds - self._told >= 5:
            self._told = seconds
            self._console.print(f"[dim]    … not yet, after {seconds:.0f} s[/]")

    def overheard(self, line: str) -> None:
        """Write a line of the second terminal, set off from the first one's."""
        self._console.print(f"[cyan]    second terminal | {escape(line)}[/]")

    def say(self, text: str) -> None:
        """Write a few words of our own."""
        self._console.print(f"\n{escape(text)}")

    def failed(self, failure: WrongAnswerError) -> None:
        """Write which step failed, what was expected and what was seen."""
        self._console.print(f"\n[bold red]FAILED: {escape(failure.chapter)}[/]\n    step: $ {escape(failure.command)}")
        for line in failure.complaint.splitlines():
            self._console.print(f"    {line}", markup=False)


def main() -> int:
    """Run the demo; 0 only if every step showed what it must."""
    parser = argparse.ArgumentParser(prog="./dev demo", description="Go through the tutorial with the stock client.")
    parser.add_argument("--once", action="store_true", help="tear everything down again at the end")
    once = parser.parse_args().once
    try:
        settings = settings_package.load(None, os.environ)
        _refuse_to_disturb(settings)
    except HydriaError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    signal.signal(signal.SIGTERM, _interrupt)
    chapters = (*WALK, *REMOVAL, STOP) if once else WALK
    paper = Paper(len(chapters))
    walk = Walk(Shell(_PROGRAMS, os.environ), paper)
    try:
        walk.go(chapters)
    except WrongAnswerError as failure:
        paper.failed(failure)
        return _give_up(paper, settings, once=once)
    except KeyboardInterrupt:
        paper.say("Interrupted.")
        return _give_up(paper, settings, once=once)
    if once:
        paper.say("Every step showed what it must. Nothing is left of it on this machine.")
    else:
        paper.say(_farewell(settings, walk.known["fip"]))
    return 0


def _refuse_to_disturb(settings: Settings) -> None:
    """Stay away from a Hydria that somebody uses. Raises HydriaError."""
    pid = supervisor.running(settings)
    if pid is not None:
        raise HydriaError(
            f"Hydria runs here already (process {pid}), perhaps from a demo; a demo begins with an empty one.\n"
            f"       Go on with what is there: {_activate()}\n"
            "       Or remove all of it, your load balancers too: ./dev stop"
        )
    if settings.state_dir.exists() and any(settings.state_dir.iterdir()):
        raise HydriaError(
            f"There is state of a Hydria in {settings.state_dir}. The demo begins with an empty one.\n"
            "       Go on with it: ./dev run hydria up --detach\n"
            "       Or remove all of it, its load balancers too: ./dev stop\n"
            "       Or let the demo use other directories, another port and prefix: HYDRIA_SETTINGS=FILE ./dev demo"
        )


def _give_up(paper: Paper, settings: Settings, *, once: bool) -> int:
    if not once:
        paper.say(
            f"All is left as it is, to look at. The log: {settings.state_dir / 'hydria.log'}\nRemove it: ./dev stop"
        )
        return 1
    # The log goes with the rest.
    paper.say(_end_of_log(settings))
    paper.say("Now everything is torn down.")
    try:
        Walk(Shell(_PROGRAMS, os.environ), paper).go((STOP,))
    except WrongAnswerError as failure:
        paper.failed(failure)
    return 1


def _end_of_log(settings: Settings) -> str:
    file = settings.state_dir / "hydria.log"
    try:
        return f"The end of {file}:\n" + "\n".join(file.read_text(errors="replace").splitlines()[-20:])
    except OSError as error:
        return f"There is no log: {error.strerror or error}."


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _activate() -> str:
    return f'export PATH="{_PROGRAMS}:$PATH"; eval "$(hydria env)"; openstack loadbalancer list'


def _farewell(settings: Settings, address: str) -> str:
    return f"""\
Every step showed what it must, and all of it goes on running.

  Use it in this shell        {_activate()}
  For other tools             export OS_CLIENT_CONFIG_FILE={settings.credentials_file} OS_CLOUD=hydria
  Ask the load balancer       curl http://{address}
  Be the client               hydria lab run client bash
  Break a web server, mend it hydria lab stop webserver2; hydria lab start webserver2
  The API                     {settings.public_url}/load-balancer/v2.0
  The log                     {settings.state_dir / "hydria.log"}
  The tutorial, explained     {_ROOT / "docs/tutorial.md"}
  Stop and remove everything  {_ROOT / "dev"} stop"""


if __name__ == "__main__":
    sys.exit(main())
