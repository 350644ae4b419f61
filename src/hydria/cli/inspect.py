"""Commands that inspect: `env`, `doctor`, `logs`, `amphora`, `orphan`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hydria.cli import findings
from hydria.cli.base import console, errors, load_settings, need_root, run_until_stopped
from hydria.errors import SettingsError

commands = typer.Typer()


@commands.command()
def env(
    clouds_yaml: Annotated[
        Path | None, typer.Option("--clouds-yaml", metavar="FILE", help="Write a clouds.yaml there instead.")
    ] = None,
) -> None:
    """Print the environment variables for OpenStack clients: eval "$(hydria env)"."""
    from hydria.compose.credentials import CLOUD, Credentials  # noqa: PLC0415

    settings = load_settings()
    credentials = Credentials.kept(settings)
    if clouds_yaml is None:
        sys.stdout.write(credentials.exports() + "\n")
        return
    if clouds_yaml.exists():
        raise SettingsError(f"{clouds_yaml} exists already. Name another file, or move it away.")
    credentials.write(clouds_yaml)
    console.print(f"{clouds_yaml} is written. Use it with: export OS_CLOUD={CLOUD}", soft_wrap=True)


@commands.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check whether this machine can run Hydria, and say how to fix what is wrong. Exits 1 when something is bad."""
    from hydria.doctor import examine  # noqa: PLC0415

    findings.show(examine(load_settings()), as_json=as_json)


@commands.command("logs")
def show_logs(
    load_balancer: Annotated[str, typer.Argument(metavar="LOAD-BALANCER", help="Name or id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show the access log of a load balancer on this host (as root).

    Failed requests, TCP connections and changes of members' health are kept in memory. Successful requests are logged
    only while --follow runs.
    """
    from hydria.compose import access_log  # noqa: PLC0415

    settings = load_settings()
    need_root("hydria logs")
    log = access_log.AccessLog(settings, load_balancer)

    def print_line(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def warn(line: str) -> None:
        errors.print(line, markup=False, soft_wrap=True)

    form = access_log.as_json if as_json else access_log.as_line
    try:
        run_until_stopped(settings, lambda stop: log.show(print_line, form, stop if follow else None, warn))
    except BrokenPipeError:
        # The reader, such as head, has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@commands.command()
def orphan(
    action: Annotated[str, typer.Argument(metavar="list|adopt|remove")] = "list",
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """List what hosts serve and the server does not know, adopt it into the database, or remove it from its host."""
    from hydria.compose.orphans import perform  # noqa: PLC0415

    for line in perform(load_settings(), action, ids or [], everything=everything):
        console.print(line, soft_wrap=True, markup=False)


@commands.command()
def amphora(load_balancer: Annotated[str, typer.Argument(metavar="LOAD-BALANCER", help="Name or id.")]) -> None:
    """Show where a load balancer runs on this host: namespace, process, files, and what differs (as root)."""
    from hydria.compose.amphora_view import describe  # noqa: PLC0415

    settings = load_settings()
    need_root("hydria amphora")
    for line in describe(settings, load_balancer):
        console.print(line, soft_wrap=True, markup=False)
