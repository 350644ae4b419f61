"""The command line: the composition root, which no other package imports."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli import changes, hosts, inspect, openstack, programs, surroundings
from hydria.cli.base import Given, console, errors, refuse_dry_run
from hydria.errors import HydriaError

app = typer.Typer(
    help="Load balancers with OpenStack Octavia's API, in network namespaces instead of virtual machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (programs, inspect, changes, hosts, openstack, surroundings):
    app.add_typer(part.commands)

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file; hydria.toml.example has every key."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only --version needs it

        console.print(f"hydria {version('hydria')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
]


DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would change: rollback, host drain, enable, disable, forget.")
]

# The commands that can be tried, and those that change nothing; the parts of `host` decide for themselves.
_TRIED = ("rollback", "host")
_READING = ("explain", "history", "diff", "env", "doctor", "logs", "amphora")


@app.callback()
def _main(
    context: typer.Context,
    settings: SettingsOption = None,
    dry_run: DryRunOption = False,
    version: VersionOption = False,
) -> None:
    Given.file = settings
    Given.dry_run = dry_run
    if context.invoked_subcommand not in (*_TRIED, *_READING):
        refuse_dry_run(str(context.invoked_subcommand))
    # Files are readable by their owner only, unless a call sets another mode.
    os.umask(0o077)


def main() -> None:
    """Run a command. Print the sentences of HydriaErrors and exit 1."""
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
