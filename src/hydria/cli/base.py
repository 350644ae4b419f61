"""What all commands share: the settings, the two consoles, and how a program runs until it is stopped."""

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

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Given:
    """What was typed before the command."""

    file: Path | None = None


def load_settings() -> Settings:
    """Return the settings that were given. Raises SettingsError."""
    settings = settings_package.load(Given.file, os.environ)
    return settings if os.geteuid() == 0 else settings_package.at_home(settings, os.environ)


def need_root(command: str) -> None:
    """Raise HydriaError for anybody but root."""
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
    """Run until the work ends or somebody asks to stop. Raises HydriaError when a part of it ended by a defect."""
    from hydria import logs  # noqa: PLC0415
    from hydria.tasks import DefectHandler  # noqa: PLC0415

    logs.set_up(settings, log_file)
    # Where a program hangs: kill -USR1 writes what each thread does to the log.
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
