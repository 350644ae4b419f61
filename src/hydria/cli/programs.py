"""The programs: `up`, `down`, `server`, `agent`."""

from pathlib import Path
from typing import Annotated

import typer

from hydria.cli.base import Given, console, errors, load_settings, need_root, run_until_stopped
from hydria.settings import Settings

commands = typer.Typer()

Noop = Annotated[
    bool,
    typer.Option(
        "--noop",
        help="Run the API without amphorae: everything is ACTIVE at once. Needs no root. For tests.",
    ),
]
UntilStdinEnds = Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)]
LogFile = Annotated[Path | None, typer.Option("--log-file", hidden=True)]


@commands.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when Hydria is ready; log to a file.")] = False,
    noop: Noop = False,
    log_file: LogFile = None,
) -> None:
    """Run the server and the agent on this machine (as root, except with --noop)."""
    from hydria.compose import supervisor  # noqa: PLC0415 - each command loads what it needs

    settings = load_settings()
    if not noop:
        need_root("hydria up")
        warn_of_hidden_addresses(settings)
    if detach:
        from hydria.compose.background import start  # noqa: PLC0415

        log_file = start(settings, Given.file, noop=noop)
        console.print(f"Hydria runs: {settings.public_url} (log: {log_file})", soft_wrap=True)
        console.print('Next: eval "$(hydria env)"; openstack loadbalancer list')
        return
    run_until_stopped(
        settings,
        lambda stop: supervisor.supervise(settings, stop, Given.file, noop=noop, log_file=log_file),
        log_file=log_file,
    )


@commands.command()
def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove all amphorae, networks, the database and the credentials.")
    ] = False,
) -> None:
    """Stop what `hydria up` started. Amphorae go on, except with --purge."""
    from hydria.compose import supervisor  # noqa: PLC0415

    settings = load_settings()
    stopped = supervisor.end(settings)
    console.print("Hydria is stopped." if stopped else "Hydria was not running.")
    if purge:
        from hydria.compose.purge import purge as remove  # noqa: PLC0415

        remove(settings)
        console.print("Everything that Hydria made on this machine is removed.")


@commands.command()
def server(noop: Noop = False, until_stdin_ends: UntilStdinEnds = False, log_file: LogFile = None) -> None:
    """Run the server: the API, the home cloud and the controller. Needs no root."""
    import uvloop  # noqa: PLC0415

    from hydria.compose.server import run_server  # noqa: PLC0415

    settings = load_settings()
    run_until_stopped(
        settings,
        lambda stop: run_server(settings, stop, noop=noop),
        until_stdin_ends=until_stdin_ends,
        log_file=log_file,
        run=uvloop.run,
    )


@commands.command()
def agent(until_stdin_ends: UntilStdinEnds = False, log_file: LogFile = None) -> None:
    """Run this host's agent (as root)."""
    from hydria.compose.agent import run_agent  # noqa: PLC0415

    settings = load_settings()
    need_root("hydria agent")
    run_until_stopped(
        settings, lambda stop: run_agent(settings, stop), until_stdin_ends=until_stdin_ends, log_file=log_file
    )


def warn_of_hidden_addresses(settings: Settings) -> None:
    """Warn when the external network's range hides addresses that this machine uses."""
    from hydria.doctor import external_network  # noqa: PLC0415

    for finding in external_network(settings):
        if finding.ok != "ok":
            errors.print(f"warning: {finding.name}: {finding.seen}; {finding.mend}", style="yellow", soft_wrap=True)
