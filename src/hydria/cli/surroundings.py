"""Commands for the lab (`lab`), ports of the home cloud (`plug`, `unplug`) and the database (`db`)."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hydria.cli.base import console, load_settings, need_root

if TYPE_CHECKING:
    from hydria.lab import Lab

commands = typer.Typer()
db = typer.Typer(help="The database.", no_args_is_help=True)
commands.add_typer(db, name="db")
lab = typer.Typer(help="The tutorial's lab: a network, web servers, a client (as root).", no_args_is_help=True)
commands.add_typer(lab, name="lab")


class How(StrEnum):
    """The failure of a lab host."""

    power = "power"
    service = "service"
    error = "error"


@db.command("upgrade")
def db_upgrade() -> None:
    """Upgrade the database to this version's schema."""
    from hydria.compose.schema import upgrade_database  # noqa: PLC0415

    upgrade_database(load_settings())
    console.print("The database has this version's schema.")


@db.command("forget-keys")
def db_forget_keys() -> None:
    """Let the next server of a PostgreSQL bring new keys: only if secrets.key or token.key are lost on all servers."""
    from hydria.compose.shared_keys import forget_keys  # noqa: PLC0415
    from hydria.store import Database  # noqa: PLC0415

    database = Database(load_settings().database_url)
    try:
        forgotten = forget_keys(database)
    finally:
        database.close()
    console.print(f"{forgotten} keys are forgotten. What was sealed with a lost secrets.key cannot be read any more.")


@lab.command("up")
def lab_up() -> None:
    """Make the tutorial's network, its router, two web servers and a client."""
    lab = _lab()
    lab.up()
    console.print(f"The lab is ready: {', '.join(lab.hosts)}.")


@lab.command("down")
def lab_down() -> None:
    """Remove the lab."""
    _lab().down()
    console.print("The lab is removed.")


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
    """Repair a host."""
    _lab().start(host)


@lab.command("run", context_settings={"ignore_unknown_options": True})
def lab_run(host: str, command: Annotated[list[str], typer.Argument(metavar="COMMAND...")]) -> None:
    """Run a command on a host: hydria lab run client curl http://203.0.113.10, or: hydria lab run client bash"""
    _lab().become(host, command)


@commands.command()
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

    settings = load_settings()
    need_root("hydria plug")
    console.print(plug_port(settings, port, namespace, link, tap), soft_wrap=True)


@commands.command()
def unplug(port: Annotated[str, typer.Argument(help="Name or id of a port of the home cloud.")]) -> None:
    """Detach from a port what `hydria plug` attached; then the port can be deleted (as root)."""
    from hydria.compose.plugging import unplug_port  # noqa: PLC0415

    settings = load_settings()
    need_root("hydria unplug")
    console.print(unplug_port(settings, port), soft_wrap=True)


def _lab() -> "Lab":
    from hydria.adapters.linux.names import Names  # noqa: PLC0415
    from hydria.compose.agent import host_identity  # noqa: PLC0415
    from hydria.compose.plugging import connection  # noqa: PLC0415
    from hydria.lab import Lab  # noqa: PLC0415

    settings = load_settings()
    need_root("hydria lab")
    return Lab(connection(settings), Names(settings.agent.prefix), settings.run_dir, host_identity(settings).name)
