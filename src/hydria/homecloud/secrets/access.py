"""Access rules of the key manager: Barbican's default policy, in code."""

import uuid
from typing import TypeVar

from hydria.errors import Forbidden, Invalid, NotFound
from hydria.homecloud.secrets.rows import Container, Row, Secret
from hydria.http.operation import Call

R = TypeVar("R", bound=Row)

VERSION = "/key-manager/v1"

# A token without any of these roles may read no payload and change nothing.
_WRITERS = frozenset({"admin", "creator", "manager", "member"})


def writer(call: Call, what: str) -> str:
    """Return the caller's project if it may create things there. Raises Forbidden."""
    caller = call.caller
    if caller.project_id is None or _WRITERS.isdisjoint(caller.roles):
        raise _forbidden(what, "creation")
    return caller.project_id


def load(call: Call, kind: type[R]) -> R:
    """Return the row that the path names if the caller may see it. Raises NotFound, Forbidden."""
    what = kind.__name__
    found = call.transaction.get(kind, call.path["id"])
    if found is None or (found.project_id != call.caller.project_id and call.caller.user_id not in found.acl.users):
        raise missing(what)
    allowed = found.acl.project_access or call.caller.user_id in (found.creator_id, *found.acl.users)
    if not allowed:
        raise _forbidden(what, "retrieval")
    return found


def load_owned(call: Call, kind: type[R]) -> R:
    """Return the row that the path names if the caller may change it. Raises NotFound, Forbidden."""
    found = load(call, kind)
    if found.project_id != call.caller.project_id or _WRITERS.isdisjoint(call.caller.roles):
        raise _forbidden(kind.__name__, "change")
    return found


def load_readable(call: Call) -> Secret:
    """Return the secret that the path names if the caller may read its payload. Raises NotFound, Forbidden."""
    found = load(call, Secret)
    if _WRITERS.isdisjoint(call.caller.roles) and call.caller.user_id not in found.acl.users:
        raise _forbidden("Secret payload", "retrieval")
    return found


def id_in(reference: str) -> str | None:
    """Return the id that a reference ends in, whatever server it names, or None."""
    try:
        return str(uuid.UUID(reference.rstrip("/").rpartition("/")[2]))
    except ValueError:
        return None


def href(call: Call, row: Row) -> str:
    """Return the reference of a row."""
    collection = "containers" if isinstance(row, Container) else "secrets"
    return f"{call.base_url}{VERSION}/{collection}/{row.id}"


def secret_href(call: Call, secret_id: str) -> str:
    """Return the reference of a secret."""
    return f"{call.base_url}{VERSION}/secrets/{secret_id}"


def missing(what: str) -> NotFound:
    """Return the refusal (404) of something that does not exist."""
    return NotFound(f"{what} not found.")


def bad(why: str) -> Invalid:
    """Return the refusal (400) of a body."""
    return Invalid(f"Provided object does not match schema: {why}")


def _forbidden(what: str, act: str) -> Forbidden:
    return Forbidden(f"{what} {act} attempt not allowed - please review your user/project privileges")
