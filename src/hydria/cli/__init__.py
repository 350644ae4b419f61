"""The command line: the composition root. Nobody imports it."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli import inspect, programs, surroundings
from hydria.cli.base import Given, console, errors
from hydria.errors import HydriaError

app = typer.Typer(
    help="Load balancers with OpenStack Octavia's API, in network namespaces instead of virtual machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (programs, inspect, surroundings):
    app.add_typer(part.commands)

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file; hydria.toml.example has every key."),
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only this needs it

        console.print(f"hydria {version('hydria')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
]


@app.callback()
def _main(settings: SettingsOption = None, version: VersionOption = False) -> None:
    Given.file = settings
    # What we make is its owner's alone; where others need a way in, it is given by name.
    os.umask(0o077)


def main() -> None:
    """Run a command; what fails on purpose says one sentence and exits 1."""
    try:
        app(standalone_mode=True)
    except* HydriaError as group:
        for error in _leaves(group):
            errors.print(f"error: {error}", style="red", soft_wrap=True, markup=False)
        sys.exit(1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
