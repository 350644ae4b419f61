"""Keystone's sentences for what it refuses."""

from hydria.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated

_CLIENT_ERROR = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect."
    " The client is assumed to be in error."
)


def expecting(attribute: str, target: str) -> Invalid:
    """Say that something is missing (400)."""
    return Invalid(f"Expecting to find {attribute} in {target}. {_CLIENT_ERROR}")


def bad_input(field: str, why: str) -> Invalid:
    """Say that an attribute is wrong (400); an empty field is the whole body."""
    return Invalid(f"Invalid input for field '{field}': {why}" if field else why)


def bad_timestamp() -> Invalid:
    """Say that a time cannot be read (400)."""
    return Invalid(f"Timestamp not in expected format. {_CLIENT_ERROR}")


def past_expiry() -> Invalid:
    """Say that something would have ended before it began (400)."""
    return Invalid(f"The 'expires_at' must not be before now. {_CLIENT_ERROR}")


def nobody(why: str = "The request you have made requires authentication.") -> Unauthenticated:
    """Say that the caller is not known (401); the default does not tell whether user or password was wrong."""
    return Unauthenticated(why)


def forbidden(action: str) -> Forbidden:
    """Say that the caller may not do this (403)."""
    return Forbidden(f"You are not authorized to perform the requested action: {action}.")


def immutable(verb: str, kind: str, key: str) -> Forbidden:
    """Say that the option `immutable` protects something (403)."""
    return Forbidden(
        f'Unable to {verb} immutable {kind} resource: `{key}. Set resource option "immutable" to false first.'
    )


def missing(what: str, key: str) -> NotFound:
    """Say that something is not there (404)."""
    return NotFound(f"Could not find {what}: {key}.")


def duplicate(kind: str, name: str, domain_id: str | None = None) -> Conflict:
    """Say that a name is taken (409)."""
    where = f" at domain ID {domain_id}" if domain_id else ""
    return Conflict(f"Conflict occurred attempting to store {kind} - Duplicate entry found with name {name}{where}.")


def duplicate_project(name: str, key: str) -> Conflict:
    """Say that a project's name is taken (409)."""
    return Conflict(
        "Conflict occurred attempting to store project - it is not permitted to have two projects with either the"
        f" same name or same id in the same domain: name is {name}, project id {key}."
    )
