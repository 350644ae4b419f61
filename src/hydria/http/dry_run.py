"""The header `Dry-Run: true`: a call is done and rolled back, and the answer says what it would change."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from hydria.errors import Invalid
from hydria.http.operation import Operation, Reply
from hydria.store import Transaction

HEADER = "dry-run"

# Returns what the changes of a transaction would do, as JSON values; None where they do nothing to plan.
Planner = Callable[[Transaction], Any]


class RolledBack(Exception):
    """Ends the transaction of a dry run, so that it is rolled back. `reply` is the answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("a dry run")
        self.reply = reply


def is_dry(headers: Mapping[str, str], operation: Operation, planner: Planner | None) -> bool:
    """Return whether a call is a dry run. Raises Invalid for another value, and where an API has no dry runs."""
    text = headers.get(HEADER)
    if text is None or operation.method in ("GET", "HEAD"):
        return False
    wanted = {"true": True, "false": False}.get(text.strip().lower())
    if wanted is None:
        raise Invalid(f"The header Dry-Run is '{text}'. It must be true or false.")
    if wanted and planner is None:
        raise Invalid("This API has no dry runs: nothing was done. Leave out the header Dry-Run.")
    return wanted


def log_fields(headers: Mapping[str, str]) -> dict[str, bool]:
    """Return what lines of the log have that are written in a dry run."""
    return {"dry_run": True} if headers.get(HEADER, "").strip().lower() == "true" else {}


def roll_back(transaction: Transaction, result: Any, planner: Planner) -> NoReturn:
    """End a dry run with its answer: the call's own, with the plan."""
    reply = result if isinstance(result, Reply) else Reply(body=result)
    body = reply.body if isinstance(reply.body, dict) else {}
    raise RolledBack(Reply(body={**body, "plan": planner(transaction)}, status=200, headers=reply.headers))
