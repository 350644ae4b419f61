"""Shared by all commands: the settings, the two consoles, and the main loop of the programs."""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from hydria import settings as settings_package
from hydria.errors import HydriaError
from hydria.settings import Settings

# What goes into a file or to another program is not broken.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
errors = Console(stderr=True, highlight=False)


class Given:
    """The options before the command."""

    file: Path | None = None
    # Whether the command is only to say what it would do.
    dry_run: bool = False


def refuse_dry_run(command: str) -> None:
    """Raise HydriaError for `hydria --dry-run` with a command that cannot be tried."""
    if Given.dry_run:
        raise HydriaError(f"hydria {command} has no dry run: nothing was done. Leave out --dry-run.")


def load_settings() -> Settings:
    """Load the settings; a user other than root gets directories of their own. Raises SettingsError."""
    settings = settings_package.load(Given.file, os.environ)
    return settings if os.geteuid() == 0 else settings_package.at_home(settings, os.environ)


def need_root(command: str) -> None:
    """Raise HydriaError unless this process runs as root."""
    if os.geteuid() != 0:
        raise HydriaError(f"{command} makes network namespaces and needs root: sudo {command}")


def run_until_stopped(
    settings: Settings,
    work: Callable[[asyncio.Event], Awaitable[None]],
    *,
    until_stdin_ends: bool = False,
    log_file: Path | None = None,
    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
) -> None:
    """Run `work` until it ends; signals set its stop event. Raises HydriaError when an endless task ended."""
    from hydria import logs  # noqa: PLC0415
    from hydria.tasks import DefectHandler  # noqa: PLC0415

    logs.set_up(settings, log_file)
    # For a program that hangs: kill -USR1 writes the stack of each thread to the log.
    faulthandler.register(signal.SIGUSR1, file=2)

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        defects = DefectHandler(loop, stop)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if until_stdin_ends:
            loop.add_reader(sys.stdin.fileno(), _at_end, stop)
        await work(stop)
        if defects.defect is not None:
            raise HydriaError(f"The task {defects.defect} ended, which is a defect; the log says why.")

    run(main())


def _at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()
