"""`./dev demo`: the tutorial, printed for a reader. The script `dev` starts it after the set-up."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo import hosts
from demo.paper import Paper
from demo.shell import Shell
from demo.tutorial import REMOVAL, STOP, WALK
from demo.walk import Walk, WrongAnswerError
from hydria import settings as settings_package
from hydria.compose import supervisor
from hydria.errors import HydriaError
from hydria.settings import Settings

_ROOT = Path(__file__).resolve().parent.parent
_PROGRAMS = Path(sys.executable).parent


def main() -> int:
    """Run the demo; return 0 only when every step gave the expected answer."""
    parser = argparse.ArgumentParser(prog="./dev demo", description="Go through the tutorial with the stock client.")
    parser.add_argument("--once", action="store_true", help="remove everything at the end")
    about = "go through a tour of a simulated cluster with N hosts instead"
    parser.add_argument("--hosts", type=int, metavar="N", help=about)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    return _tutorial(once=given.once) if given.hosts is None else hosts.run(given.hosts, once=given.once)


def _tutorial(*, once: bool) -> int:
    try:
        settings = settings_package.load(None, os.environ)
        _refuse_to_disturb(settings)
    except HydriaError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
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
        paper.say("Every step gave the expected answer. Nothing is left on this machine.")
    else:
        paper.say(_farewell(settings, walk.known["fip"]))
    return 0


def _refuse_to_disturb(settings: Settings) -> None:
    """Raise HydriaError when this machine has a Hydria in use."""
    pid = supervisor.running(settings)
    if pid is not None:
        raise HydriaError(
            f"Hydria runs already (process {pid}), perhaps from an earlier demo. A demo needs an empty one.\n"
            f"       Use the running one: {_activate()}\n"
            "       Or remove it with its load balancers: ./dev stop"
        )
    if settings.state_dir.exists() and any(settings.state_dir.iterdir()):
        raise HydriaError(
            f"There is state of a Hydria in {settings.state_dir}. A demo needs an empty one.\n"
            "       Start that one: ./dev run hydria up --detach\n"
            "       Or remove it with its load balancers: ./dev stop\n"
            "       Or let the demo use other directories, another port and prefix: HYDRIA_SETTINGS=FILE ./dev demo"
        )


def _give_up(paper: Paper, settings: Settings, *, once: bool) -> int:
    if not once:
        paper.say(
            f"Everything is left for inspection. The log: {settings.state_dir / 'hydria.log'}\nRemove it: ./dev stop"
        )
        return 1
    # Print the log, because it is removed too.
    paper.say(_end_of_log(settings))
    paper.say("Removing everything.")
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
Every step gave the expected answer. Hydria goes on running.

  Use it in this shell        {_activate()}
  For other tools             export OS_CLIENT_CONFIG_FILE={settings.credentials_file} OS_CLOUD=hydria
  Send a request              curl http://{address}
  A shell on the client       hydria lab run client bash
  Break, repair a web server  hydria lab stop webserver2; hydria lab start webserver2
  The dashboard               {settings.public_url}/dashboard  (user admin, its password is in clouds.yaml)
  The API                     {settings.public_url}/load-balancer/v2.0
  The log                     {settings.state_dir / "hydria.log"}
  The tutorial, explained     {_ROOT / "docs/tutorial.md"}
  Stop and remove everything  {_ROOT / "dev"} stop"""


if __name__ == "__main__":
    sys.exit(main())
