"""The commands `hydria openstack …`: Hydria in an OpenStack."""

from typing import Annotated

import typer

from hydria.cli import findings
from hydria.cli.base import console, errors, load_settings
from hydria.errors import SettingsError

commands = typer.Typer()
openstack = typer.Typer(help="Hydria in an OpenStack: make what it needs there, and check it.", no_args_is_help=True)
commands.add_typer(openstack, name="openstack")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CloudName = Annotated[
    str | None, typer.Option("--os-cloud", metavar="CLOUD", help="An admin's cloud in clouds.yaml. Default: OS_CLOUD.")
]
Address = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Endpoint of the service. Default: server.public_url/load-balancer."),
]
Region = Annotated[str | None, typer.Option("--region", help="Default: keystone.region, or that of the cloud.")]


@openstack.command()
def setup(os_cloud: CloudName = None, url: Address = None, region: Region = None) -> None:
    """Make Hydria's user, its roles, the service and its endpoints in Keystone, where they are missing.

    The names are those of the settings [keystone]. What is there already is not changed.
    """
    try:
        from hydria.adapters.openstack.setup import Wanted, connect, set_up, settings_text  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise _lacking(missing) from None

    settings = load_settings()
    cloud = connect(os_cloud, region or settings.keystone.region)
    wanted = Wanted.of(settings, cloud.auth_url, cloud.region, url)
    made = set_up(cloud.identity, wanted, lambda line: errors.print(line, soft_wrap=True, markup=False))
    errors.print("\nWrite this into the settings file of the server:")
    console.print(settings_text(wanted, made), soft_wrap=True, markup=False)
    errors.print("\nThen start the server, let hosts join, and see what is missing: hydria openstack check")


@openstack.command()
def check(as_json: AsJson = False) -> None:
    """Check whether the OpenStack has what Hydria needs, and say how to fix what is wrong. Changes nothing.

    Run it on the server's machine, with the server's settings. Exits 1 when something is bad.
    """
    import asyncio  # noqa: PLC0415

    try:
        from hydria.doctor.openstack import examine_openstack  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise _lacking(missing) from None
    from hydria import logs  # noqa: PLC0415
    from hydria.agent.commands import hosts  # noqa: PLC0415
    from hydria.compose.clock import SystemClock  # noqa: PLC0415

    settings = load_settings()
    # On standard error; standard output is the table.
    logs.set_up(settings)
    found = asyncio.run(examine_openstack(settings, SystemClock(), lambda: hosts(settings)))
    findings.show(found, as_json=as_json)


def _lacking(missing: ModuleNotFoundError) -> SettingsError:
    return SettingsError(f"{missing.name} is not installed: pip install 'hydria[openstack]'")
