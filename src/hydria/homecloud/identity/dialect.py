"""How Keystone reads bodies and words refusals: strict types as its JSON schemas have them, unknown attributes kept."""

from http import HTTPStatus
from typing import Any

from hydria.errors import Invalid, Refusal
from hydria.homecloud.identity.faults import bad_input, expecting
from hydria.http.decode import STRICT, decode
from hydria.http.defect import Defect, Problem
from hydria.http.operation import Operation
from hydria.http.text import sendable

# Attributes whose values are not shown, not even where they are wrong.
_SECRET = frozenset({"password", "original_password", "secret", "id"})
_LENGTHS: dict[Problem, str] = {"too_short": "too short", "too_long": "too long"}
# How much of a value an answer shows.
_SHOWN = 120


class KeystoneDialect:
    """Keystone's bodies and faults: `{"error": {"code", "message", "title"}}`."""

    json_only = False

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises Invalid worded as Keystone does."""
        form, root = operation.form, operation.root
        assert form is not None  # noqa: S101 - the dispatcher decodes only where there is a form
        assert root is not None  # noqa: S101 - every body of Keystone's has a root
        try:
            found = decode(raw, root, form, manner=STRICT)
        except Defect as defect:
            raise _refusal(defect, root) from None
        if operation.method == "PATCH" and found == form():
            raise bad_input("", "{} does not have enough properties")
        return found

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers."""
        headers = {"WWW-Authenticate": "Keystone"} if refusal.status == 401 else {}
        return _error(refusal.status, sendable(refusal.message)), headers

    def failure(self, request_id: str) -> Any:
        """Return the body for a defect of ours (500)."""
        return _error(500, f"An unexpected error prevented the server from fulfilling your request ({request_id}).")


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "title": HTTPStatus(status).phrase}}


def _refusal(defect: Defect, root: str) -> Invalid:
    if not defect.path:
        return _malformed(defect)
    path = [str(step) for step in defect.path[1:] if step is not None]
    if defect.problem in ("missing", "missing_root"):
        missing = path.pop() if path else root
        return bad_input("/".join(path), f"'{missing}' is a required property")
    shown = "***" if path and path[-1] in _SECRET else _shown(defect.value)
    return bad_input("/".join(path) if path or defect.problem != "not_object" else root, _reason(defect, shown))


def _malformed(defect: Defect) -> Invalid:
    if defect.problem == "nul":
        return Invalid("The request body has characters that cannot be stored (NUL). Leave them out.")
    return expecting("valid JSON" if defect.problem == "not_json" else "valid JSON object", "request body")


def _reason(defect: Defect, shown: str) -> str:
    if defect.problem == "unknown_field":
        return f"Additional properties are not allowed ('{defect.names[0]}' was unexpected)"
    if defect.problem == "no_match":
        return f"{shown} does not match {defect.limit!r}"
    if defect.problem in ("wrong_type", "not_object"):
        expected = defect.limit or ("object",)
        return f"{shown} is not of type {', '.join(repr(name) for name in expected)}"
    return f"{shown} is {_LENGTHS[defect.problem]}"


def _shown(value: Any) -> str:
    return repr(value)[:_SHOWN]
