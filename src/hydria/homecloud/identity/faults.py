"""Keystone's refusals and their texts."""

from hydria.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated

_CLIENT_ERROR = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect."
    " The client is assumed to be in error."
)


def expecting(attribute: str, target: str) -> Invalid:
    """Return the refusal (400) of a body that lacks something."""
    return Invalid(f"Expecting to find {attribute} in {target}. {_CLIENT_ERROR}")


def bad_input(field: str, why: str) -> Invalid:
    """Return the refusal (400) of an attribute; an empty field means the whole body."""
    return Invalid(f"Invalid input for field '{field}': {why}" if field else why)


def bad_timestamp() -> Invalid:
    """Return the refusal (400) of a malformed time."""
    return Invalid(f"Timestamp not in expected format. {_CLIENT_ERROR}")


def past_expiry() -> Invalid:
    """Return the refusal (400) of a time of expiry in the past."""
    return Invalid(f"The 'expires_at' must not be before now. {_CLIENT_ERROR}")


def unauthenticated(why: str = "The request you have made requires authentication.") -> Unauthenticated:
    """Return the refusal (401) of an unknown caller; the default text hides whether user or password was wrong."""
    return Unauthenticated(why)


def forbidden(action: str) -> Forbidden:
    """Return the refusal (403) of an action."""
    return Forbidden(f"You are not authorized to perform the requested action: {action}.")


def immutable(verb: str, kind: str, key: str) -> Forbidden:
    """Return the refusal (403) to change a row with the option `immutable`."""
    return Forbidden(
        f'Unable to {verb} immutable {kind} resource: `{key}. Set resource option "immutable" to false first.'
    )


def missing(what: str, key: str) -> NotFound:
    """Return the refusal (404) of an id that does not exist."""
    return NotFound(f"Could not find {what}: {key}.")


def duplicate(kind: str, name: str, domain_id: str | None = None) -> Conflict:
    """Return the refusal (409) of a name that is taken."""
    where = f" at domain ID {domain_id}" if domain_id else ""
    return Conflict(f"Conflict occurred attempting to store {kind} - Duplicate entry found with name {name}{where}.")


def duplicate_project(name: str, key: str) -> Conflict:
    """Return the refusal (409) of a project's name that is taken."""
    return Conflict(
        "Conflict occurred attempting to store project - it is not permitted to have two projects with either the"
        f" same name or same id in the same domain: name is {name}, project id {key}."
    )
