"""The output of commands that check something: a table or JSON."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from hydria.cli.base import console

if TYPE_CHECKING:
    from hydria.doctor.finding import Finding

_MARKS = {"ok": "green", "warning": "yellow", "bad": "red"}


def show(findings: Sequence["Finding"], *, as_json: bool) -> None:
    """Print findings. Raises typer.Exit with status 1 when one is bad."""
    if as_json:
        import msgspec  # noqa: PLC0415

        sys.stdout.write(json.dumps(msgspec.to_builtins(findings), indent=2) + "\n")
    else:
        table = Table("", "what", "found", "how to fix it")
        for finding in findings:
            # The text may have brackets, which are no markup.
            cells = (Text(finding.name), Text(finding.seen), Text(finding.mend))
            table.add_row(Text(finding.ok, _MARKS[finding.ok]), *cells)
        console.print(table)
    if any(finding.ok == "bad" for finding in findings):
        raise typer.Exit(1)
