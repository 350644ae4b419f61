"""The command line: the composition root. Nobody imports it."""

import asyncio
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hydria import settings as settings_package
from hydria.errors import HydriaError, SettingsError
from hydria.settings import Settings

if TYPE_CHECKING:
    from hydria.lab import Lab

app = typer.Typer(
    help="Load balancers with OpenStack Octavia's API, in network namespaces instead of virtual machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(db, name="db")
lab = typer.Typer(help="The tutorial's surroundings: a network, web servers, a client (as root).", no_args_is_help=True)
app.add_typer(lab, name="lab")

_console = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file; hydria.toml.example has every key."),
]


class How(StrEnum):
    """How a host of the lab breaks."""

    power = "power"
    service = "service"
    error = "error"


class _Given:
    """What stands before the command."""

    file: Path | None = None


def _settings() -> Settings:
    settings = settings_package.load(_Given.file, os.environ)
    return settings if os.geteuid() == 0 else settings_package.at_home(settings, os.environ)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only this needs it

        _console.print(f"hydria {version('hydria')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
]


@app.callback()
def _main(settings: SettingsOption = None, version: VersionOption = False) -> None:
    _Given.file = settings
    # What we make is its owner's alone; where others need a way in, it is given by name.
    os.umask(0o077)


Noop = Annotated[
    bool,
    typer.Option(
        "--noop",
        help="The API with nothing behind it: everything is ACTIVE at once, no root, no namespaces. For tests.",
    ),
]
UntilStdinEnds = Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)]
LogFile = Annotated[Path | None, typer.Option("--log-file", hidden=True)]


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when it works; log to a file.")] = False,
    noop: Noop = False,
    log_file: LogFile = None,
) -> None:
    """Run the server and the agent on this machine (as root, but for --noop)."""
    from hydria.compose import supervisor  # noqa: PLC0415 - each command loads what it needs

    settings = _settings()
    if not noop:
        _need_root("hydria up")
        _warn_of_hidden(settings)
    if detach:
        from hydria.compose.detached import start  # noqa: PLC0415

        log_file = start(settings, _Given.file, noop=noop)
        _console.print(f"Hydria runs: {settings.public_url} (log: {log_file})", soft_wrap=True)
        _console.print('Next: eval "$(hydria env)"; openstack loadbalancer list')
        return
    _run(
        settings,
        lambda stop: supervisor.supervise(settings, stop, _Given.file, noop=noop, log_file=log_file),
        log_file=log_file,
    )


@app.command()
def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove all amphorae, networks, the database and the credentials.")
    ] = False,
) -> None:
    """Stop what `hydria up` started. Traffic goes on, unless everything is purged."""
    from hydria.compose import supervisor  # noqa: PLC0415

    settings = _settings()
    stopped = supervisor.end(settings)
    _console.print("Hydria is stopped." if stopped else "Hydria was not running.")
    if purge:
        from hydria.compose.purge import purge as remove  # noqa: PLC0415

        remove(settings)
        _console.print("Everything that it made on this machine is removed.")


@app.command()
def server(noop: Noop = False, until_stdin_ends: UntilStdinEnds = False, log_file: LogFile = None) -> None:
    """Run the server: the API, the home cloud and the controller. Needs no root."""
    import uvloop  # noqa: PLC0415

    from hydria.compose.server import run_server  # noqa: PLC0415

    settings = _settings()
    _run(
        settings,
        lambda stop: run_server(settings, stop, noop=noop),
        until_stdin_ends=until_stdin_ends,
        log_file=log_file,
        run=uvloop.run,
    )


@app.command()
def agent(until_stdin_ends: UntilStdinEnds = False, log_file: LogFile = None) -> None:
    """Run this host's agent (as root)."""
    from hydria.compose.agent import run_agent  # noqa: PLC0415

    settings = _settings()
    _need_root("hydria agent")
    _run(settings, lambda stop: run_agent(settings, stop), until_stdin_ends=until_stdin_ends, log_file=log_file)


@app.command()
def env(
    clouds_yaml: Annotated[
        Path | None, typer.Option("--clouds-yaml", metavar="FILE", help="Write a clouds.yaml there instead.")
    ] = None,
) -> None:
    """Print what an OpenStack client's shell exports: eval "$(hydria env)"."""
    from hydria.compose.credentials import CLOUD, Credentials  # noqa: PLC0415

    settings = _settings()
    credentials = Credentials.kept(settings)
    if clouds_yaml is None:
        sys.stdout.write(credentials.exports() + "\n")
        return
    if clouds_yaml.exists():
        raise SettingsError(f"{clouds_yaml} is there already. Name another file, or move it away.")
    credentials.write(clouds_yaml)
    _console.print(f"{clouds_yaml} is written. Use it by: export OS_CLOUD={CLOUD}", soft_wrap=True)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Say whether this machine is able, and how to mend what is not. Exits 1 when something is bad."""
    from hydria.doctor import examine  # noqa: PLC0415

    findings = examine(_settings())
    if as_json:
        import msgspec  # noqa: PLC0415

        sys.stdout.write(json.dumps(msgspec.to_builtins(findings), indent=2) + "\n")
    else:
        table = Table("", "what", "seen", "how to mend it")
        marks = {"ok": "[green]ok", "warning": "[yellow]warning", "bad": "[red]bad"}
        for finding in findings:
            table.add_row(marks[finding.ok], finding.name, finding.seen, finding.mend)
        _console.print(table)
    if any(finding.ok == "bad" for finding in findings):
        raise typer.Exit(1)


@app.command("logs")
def show_logs(
    load_balancer: Annotated[str, typer.Argument(metavar="LOAD-BALANCER", help="Name or id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the access log of a load balancer of this host (as root).

    What failed, TCP connections and changes of members' health are kept in memory; ordinary requests are written only
    while somebody follows.
    """
    from hydria.compose import traffic  # noqa: PLC0415

    settings = _settings()
    _need_root("hydria logs")
    shown = traffic.TrafficLog(settings, load_balancer)

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def warn(line: str) -> None:
        _errors.print(line, markup=False, soft_wrap=True)

    form = traffic.as_json if as_json else traffic.as_line
    try:
        _run(settings, lambda stop: shown.show(say, form, stop if follow else None, warn))
    except BrokenPipeError:
        # Whoever read it, such as head, has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def orphan(
    action: Annotated[str, typer.Argument(metavar="list|adopt|remove")] = "list",
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Show what hosts serve and the server does not know, adopt it into the database, or remove it from its host."""
    from hydria.compose.orphans import perform  # noqa: PLC0415

    for line in perform(_settings(), action, ids or [], everything=everything):
        _console.print(line, soft_wrap=True, markup=False)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this version's schema."""
    from hydria.compose.schema import upgrade_database  # noqa: PLC0415

    upgrade_database(_settings())
    _console.print("The database has this version's schema.")


@lab.command("up")
def lab_up() -> None:
    """Make the tutorial's network, its router, two web servers and a client."""
    made = _lab()
    made.up()
    _console.print(f"The lab is there: {', '.join(made.hosts)}.")


@lab.command("down")
def lab_down() -> None:
    """Remove it again."""
    _lab().down()
    _console.print("The lab is removed.")


@lab.command("stop")
def lab_stop(
    host: str,
    how: Annotated[
        How, typer.Option(help="power cuts the link, service ends the web server, error makes it answer 500.")
    ] = How.power,
) -> None:
    """Break a host."""
    _lab().stop(host, how.value)


@lab.command("start")
def lab_start(host: str) -> None:
    """Mend a host."""
    _lab().start(host)


@lab.command("run", context_settings={"ignore_unknown_options": True})
def lab_run(host: str, command: Annotated[list[str], typer.Argument(metavar="COMMAND...")]) -> None:
    """Type a command on a host: hydria lab run client curl http://203.0.113.10, or: hydria lab run client bash"""
    _lab().become(host, command)


@app.command()
def plug(
    port: Annotated[str, typer.Argument(help="Name or id of a port of the home cloud.")],
    namespace: Annotated[
        str, typer.Argument(help="Network namespace: its name, or a path such as /proc/PID/ns/net of a container.")
    ] = "",
    link: Annotated[str, typer.Option(help="Name of the link inside.")] = "eth0",
    tap: Annotated[str, typer.Option(help="Tap device of a virtual machine, instead of a namespace.")] = "",
) -> None:
    """Attach a namespace, container or virtual machine of this machine to a home-cloud port (as root)."""
    from hydria.compose.plugging import plug_port  # noqa: PLC0415

    settings = _settings()
    _need_root("hydria plug")
    _console.print(plug_port(settings, port, namespace, link, tap), soft_wrap=True)


@app.command()
def unplug(port: Annotated[str, typer.Argument(help="Name or id of a port of the home cloud.")]) -> None:
    """Take off a port what `hydria plug` attached to it; only then can the port be deleted (as root)."""
    from hydria.compose.plugging import unplug_port  # noqa: PLC0415

    settings = _settings()
    _need_root("hydria unplug")
    _console.print(unplug_port(settings, port), soft_wrap=True)


def _warn_of_hidden(settings: Settings) -> None:
    """Say what of the machine's own the external network's range would hide."""
    from hydria.doctor import external_network  # noqa: PLC0415

    for finding in external_network(settings):
        if finding.ok != "ok":
            _errors.print(f"warning: {finding.name}: {finding.seen}; {finding.mend}", style="yellow", soft_wrap=True)


def _lab() -> "Lab":
    from hydria.adapters.linux.names import Names  # noqa: PLC0415
    from hydria.compose.agent import host_identity  # noqa: PLC0415
    from hydria.compose.plugging import connection  # noqa: PLC0415
    from hydria.lab import Lab  # noqa: PLC0415

    settings = _settings()
    _need_root("hydria lab")
    return Lab(connection(settings), Names(settings.agent.prefix), settings.run_dir, host_identity(settings).name)


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise HydriaError(f"{command} makes network namespaces and needs root: sudo {command}")


def _run(
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


def main() -> None:
    """Run a command; what fails on purpose says one sentence and exits 1."""
    try:
        app(standalone_mode=True)
    except* HydriaError as group:
        for error in _leaves(group):
            _errors.print(f"error: {error}", style="red", soft_wrap=True, markup=False)
        sys.exit(1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    main()
