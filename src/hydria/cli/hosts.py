"""The commands `hydria host …`: the machines that amphorae are on."""

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hydria.cli.base import Given, console, load_settings, need_root, refuse_dry_run

commands = typer.Typer()
host = typer.Typer(help="Hosts: the machines that amphorae are on.", no_args_is_help=True)
commands.add_typer(host, name="host")

# The width from which on a list of hosts has the ids.
_WIDE = 120

Key = Annotated[str, typer.Argument(metavar="HOST", help="Name or id.")]


@host.command("list")
def list_hosts() -> None:
    """List the hosts."""
    from hydria.agent.commands import hosts  # noqa: PLC0415 - each command loads what it needs
    from hydria.compose.hosts import HEADINGS, row  # noqa: PLC0415

    found = hosts(load_settings())
    table = Table()
    # A narrow terminal has no place for ids, which hydria host show has too.
    shown = [place for place, heading in enumerate(HEADINGS) if heading != "id" or console.width >= _WIDE]
    for place in shown:
        table.add_column(HEADINGS[place], no_wrap=HEADINGS[place] == "id")
    for each in found:
        cells = row(each)
        table.add_row(*(cells[place] for place in shown))
    console.print(table if found else "There are no hosts. Start an agent: hydria up")


@host.command()
def show(key: Key) -> None:
    """Show a host."""
    from hydria.agent.commands import host as found  # noqa: PLC0415

    table = Table("attribute", "value")
    for name, value in found(load_settings(), key).items():
        table.add_row(name.replace("_", " "), _text(value))
    console.print(table)


@host.command()
def invite(
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help="Availability zone of the new host.")] = "",
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="https://ADDRESS:PORT by which the new host reaches this server."),
    ] = None,
) -> None:
    """Print the command by which a new machine joins. It works once, within an hour."""
    from hydria.agent.commands import invite as invited  # noqa: PLC0415

    refuse_dry_run("host invite")
    found = invited(load_settings(), url, zone)
    console.print("Type this on the new machine, as root, within an hour:")
    console.print(found["command"], soft_wrap=True, markup=False)


@host.command()
def join(
    invitation: Annotated[str, typer.Argument(metavar="INVITATION", help="What hydria host invite printed.")],
    start: Annotated[bool, typer.Option("--start", help="Run the agent then.")] = False,
) -> None:
    """Let this machine join (as root)."""
    from hydria.cli.programs import agent  # noqa: PLC0415
    from hydria.compose.hosts import join as joined  # noqa: PLC0415

    refuse_dry_run("host join")
    need_root("hydria host join")
    console.print(joined(load_settings(), invitation), soft_wrap=True, markup=False)
    if start:
        agent()
    else:
        console.print("Next: hydria agent (now and after each boot)")


@host.command()
def drain(key: Key, no_wait: Annotated[bool, typer.Option("--no-wait", help="Return at once.")] = False) -> None:
    """Move all amphorae of a host to others, without losing a request. The host gets no new ones."""
    from hydria.agent.commands import change_host  # noqa: PLC0415
    from hydria.compose.hosts import drained  # noqa: PLC0415

    settings = load_settings()
    if Given.dry_run:
        _try(key, "drain")
        return
    if no_wait:
        change_host(settings, key, "drain")
        console.print(f"{key} is being drained: hydria host show {key}", markup=False)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("amphorae moved", total=None)
        for found in drained(settings, key):
            words = "amphorae moved (the others wait: for open connections, or for a host that fits)"
            progress.update(task, completed=found.gone, total=found.total)
            progress.update(task, description=words if found.stuck else "amphorae moved")
    console.print(f"{key} has no amphorae. Give it some again by: hydria host enable {key}", markup=False)


@host.command()
def enable(key: Key) -> None:
    """Give a host amphorae again."""
    _change(key, "enable", "gets amphorae")


@host.command()
def disable(key: Key) -> None:
    """Give a host no new amphorae. Those that it has stay."""
    _change(key, "disable", "gets no new amphorae; those that it has stay")


@host.command()
def forget(
    key: Key,
    force: Annotated[
        bool, typer.Option("--force", help="Also a host with amphorae, which are placed anew. Only if it is lost.")
    ] = False,
) -> None:
    """Delete a host and lock it out."""
    _change(key, "forget", "is forgotten", force=force)


def _change(key: str, verb: str, done: str, *, force: bool = False) -> None:
    from hydria.agent.commands import change_host  # noqa: PLC0415

    if Given.dry_run:
        _try(key, verb, force=force)
        return
    change_host(load_settings(), key, verb, force=force)
    console.print(f"{key} {done}.", markup=False)


def _try(key: str, verb: str, *, force: bool = False) -> None:
    """Say what a change would do, by doing it in a transaction that is rolled back. Raises HostError as the change."""
    from hydria.agent.commands import host as found  # noqa: PLC0415
    from hydria.agent.commands import try_host  # noqa: PLC0415

    settings = load_settings()
    before, after = found(settings, key), try_host(settings, key, verb, force=force)
    if after is None:
        console.print(f"{key} would be gone; {before['amphorae']} amphorae would be placed anew.", markup=False)
    elif after["state"] == before["state"]:
        console.print(f"{key} is {before['state']} already.", markup=False)
    else:
        moving = f"; {before['amphorae']} amphorae would move to other hosts" if verb == "drain" else ""
        console.print(f"{key} would be {after['state']} instead of {before['state']}{moving}.", markup=False)
    console.print("Nothing was changed.")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
