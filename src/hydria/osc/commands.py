"""The commands of the extension."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from osc_lib import exceptions
from osc_lib.command import command

from hydria.errors import SettingsError
from hydria.model.differences import Change, sentence
from hydria.osc.lines import plan_lines, request_lines, request_of, state_lines
from hydria.osc.plugin import API_NAME


class _Command(command.Command):
    """A command about one load balancer."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("loadbalancer", metavar="<load_balancer>", help="Name or id.")
        return parser

    def ask(self, method: str, path: str, body: Any = None, *, dry_run: bool = False) -> Any:
        """Send a request. Raises CommandError with the fault's sentence."""
        try:
            # The client manager has an attribute for each plugin.
            client = getattr(self.app.client_manager, API_NAME)
            return client.ask(method, path, body, dry_run=dry_run)
        except Exception as error:
            raise exceptions.CommandError(_fault(error)) from None

    def path(self, key: str) -> str:
        """Return the path of a load balancer. Raises CommandError."""
        for name in ("id", "name"):
            found = self.ask("GET", f"loadbalancers?{name}={quote(key)}")["loadbalancers"]
            if len(found) == 1:
                return f"loadbalancers/{found[0]['id']}"
            if found:
                raise exceptions.CommandError(f"There are {len(found)} load balancers called {key}. Use an id.")
        raise exceptions.CommandError(f"There is no load balancer {key}.")

    def show(self, lines: Iterable[str]) -> None:
        """Print lines."""
        for line in lines:
            self.app.stdout.write(f"{line}\n")


class Explain(_Command):
    """Explain why a load balancer is as it is, or where a request would go."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--request", metavar="<request>", help="Where would it go? 'GET https://host/path'")
        parser.add_argument("--header", metavar="<header>", action="append", default=[], help="'Name: value'")
        parser.add_argument("--source", metavar="<address>", help="The client's address.")
        parser.add_argument("--client-certificate", metavar="<file>", help="The client's certificate (PEM).")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = f"{self.path(parsed_args.loadbalancer)}/explain"
        if parsed_args.request is None:
            self.show(state_lines(self.ask("GET", path)["explain"]))
            return
        try:
            certificate = parsed_args.client_certificate
            body = request_of(parsed_args.request, parsed_args.header, parsed_args.source, certificate)
        except SettingsError as error:
            raise exceptions.CommandError(str(error)) from None
        self.show(request_lines(self.ask("POST", path, {"request": body})["explanation"]))


class ListRevisions(_Command, command.Lister):
    """List the changes of a load balancer, the newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--limit", metavar="<limit>", type=int, default=20, help="At most so many (20).")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        path = f"{self.path(parsed_args.loadbalancer)}/revisions?limit={parsed_args.limit}"
        columns = ("revision", "created_at", "user_id", "changes", "way", "state", "seconds")
        return columns, [_row(each) for each in self.ask("GET", path)["revisions"]]


class ShowRevision(_Command, command.ShowOne):
    """Show one change of a load balancer."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("revision", metavar="<revision>", type=int, help="Its number.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        path = f"{self.path(parsed_args.loadbalancer)}/revisions/{parsed_args.revision}"
        found = self.ask("GET", path)["revision"]
        shown = {
            **{name: found[name] for name in ("revision", "loadbalancer_id", "created_at", "cause")},
            **{name: found[name] for name in ("user_id", "project_id", "request_id")},
            "changes": _changes(found),
            **{name: found["served"][name] for name in ("state", "at", "seconds", "way", "reason")},
            **{name: found["served"][name] for name in ("lost_requests", "lost_connections")},
        }
        return tuple(shown), tuple(shown.values())


class Rollback(_Command):
    """Make a load balancer as it was at a revision, as one change."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--to", metavar="<revision>", type=int, required=True, help="The revision.")
        parser.add_argument("--dry-run", action="store_true", help="Only show what would change.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        path = f"{self.path(parsed_args.loadbalancer)}/rollback"
        body = {"rollback": {"to": parsed_args.to}}
        found = self.ask("PUT", path, body, dry_run=parsed_args.dry_run)
        done = found["rollback"]
        self.show(_sentences(done["changes"]) or [f"Nothing differs from revision {parsed_args.to}."])
        if parsed_args.dry_run:
            self.show(plan_lines(found["plan"]))
        else:
            self.show([f"This is revision {done['revision']}."])


def _row(revision: dict[str, Any]) -> tuple[Any, ...]:
    served = revision["served"]
    first = (revision["revision"], revision["created_at"], revision["user_id"], _changes(revision))
    return (*first, served["way"], served["state"], served["seconds"])


def _changes(revision: dict[str, Any]) -> str:
    return "\n".join(_sentences(revision["changes"] or [])) or str(revision["cause"])


def _sentences(changes: list[dict[str, Any]]) -> list[str]:
    return [sentence(msgspec.convert(change, Change)) for change in changes]


def _fault(error: Exception) -> str:
    """Return the sentence of the answer's fault, or the error's."""
    answer = getattr(error, "response", None)
    try:
        return str(answer.json()["faultstring"])  # type: ignore[union-attr]
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error)
