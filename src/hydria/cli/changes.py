"""Commands about one load balancer: `explain`, `history`, `diff`, `rollback`."""

import os
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from hydria.cli.base import Given, console, load_settings

commands = typer.Typer()

Key = Annotated[str, typer.Argument(metavar="LOAD-BALANCER", help="Name or id.")]


def _api() -> Any:
    from hydria.compose.user_api import UserApi  # noqa: PLC0415 - each command loads what it needs

    return UserApi(load_settings(), os.environ)


@commands.command()
def explain(
    key: Key,
    request: Annotated[
        str | None, typer.Option("--request", metavar="'METHOD URL'", help="Where would this request go?")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="A header of the request.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="ADDRESS", help="The client's address.")] = None,
    certificate: Annotated[
        str | None, typer.Option("--client-certificate", metavar="FILE", help="The client's certificate (PEM).")
    ] = None,
) -> None:
    """Explain why a load balancer is as it is or, with --request, where a request would go."""
    from hydria.osc.lines import request_lines, request_of, state_lines  # noqa: PLC0415

    api = _api()
    path = f"loadbalancers/{api.load_balancer(key)['id']}/explain"
    if request is None:
        lines = state_lines(api.ask("GET", path)["explain"])
    else:
        body = request_of(request, header or [], source, certificate)
        lines = request_lines(api.ask("POST", path, {"request": body})["explanation"])
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


@commands.command()
def history(
    key: Key, limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20
) -> None:
    """List the changes of a load balancer, the newest first."""
    api = _api()
    path = f"loadbalancers/{api.load_balancer(key)['id']}/revisions?limit={limit}"
    table = Table("revision", "when (UTC)", "who", "what", "way", "served after")
    for each in api.ask("GET", path)["revisions"]:
        served = each["served"]
        after = served["state"] if served["seconds"] is None else f"{served['seconds']} s"
        who = each["user_id"] or "Hydria"
        table.add_row(str(each["revision"]), each["created_at"], who, _changes(each), served["way"] or "", after)
    console.print(table)


@commands.command()
def diff(
    key: Key,
    first: Annotated[int, typer.Argument(metavar="REVISION", help="From this revision.")],
    last: Annotated[int | None, typer.Argument(metavar="[REVISION]", help="To this one; the newest without.")] = None,
) -> None:
    """Show what changed between two revisions of a load balancer."""
    api = _api()
    path = f"loadbalancers/{api.load_balancer(key)['id']}/revisions/{first}/diff"
    found = api.ask("GET", path + (f"?to={last}" if last is not None else ""))["diff"]
    for line in _sentences(found["changes"]) or ["Nothing differs."]:
        console.print(line, markup=False, soft_wrap=True)


@commands.command()
def rollback(
    key: Key,
    to: Annotated[int, typer.Option("--to", metavar="REVISION", help="As it was at this revision.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Make a load balancer as it was at a revision, as one change."""
    from hydria.osc.lines import plan_lines  # noqa: PLC0415

    dry_run = dry_run or Given.dry_run
    api = _api()
    path = f"loadbalancers/{api.load_balancer(key)['id']}/rollback"
    found = api.ask("PUT", path, {"rollback": {"to": to}}, dry_run=dry_run)
    done = found["rollback"]
    lines = _sentences(done["changes"])
    if not lines:
        lines = [f"Nothing differs from revision {to}."]
    elif dry_run:
        lines += plan_lines(found["plan"])
    else:
        lines.append(
            f"This is revision {done['revision']}. Take it back by: hydria rollback {key} --to {done['revision'] - 1}"
        )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _changes(revision: dict[str, Any]) -> str:
    if revision["changes"] is None:
        return f"{revision['cause']} (older history is not kept)"
    lines = _sentences(revision["changes"])
    more = [f"… and {len(lines) - 5} more"] if len(lines) > 5 else []
    return "\n".join([*lines[:5], *more]) or str(revision["cause"])


def _sentences(changes: list[dict[str, Any]]) -> list[str]:
    from hydria.model.differences import Change, sentence  # noqa: PLC0415

    return [sentence(msgspec.convert(change, Change)) for change in changes]
