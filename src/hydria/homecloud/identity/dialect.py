"""How Keystone reads bodies and words refusals: strict types as its JSON schemas have them, unknown attributes kept."""

import re
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from hydria.errors import Invalid, Refusal
from hydria.homecloud.identity.faults import bad_input, expecting
from hydria.http.operation import Operation

# msgspec's sentence, and the place that it names.
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_TYPES = {
    "str": "'string'", "int": "'integer'", "bool": "'boolean'", "object": "'object'", "array": "'array'",
    "null": "'null'", "float": "'number'",
}  # fmt: skip
_SECRET = frozenset({"password", "original_password", "secret", "id"})
# A NUL in a text, which no database keeps.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# More of a value helps nobody.
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
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise expecting("valid JSON", "request body") from None
        if not isinstance(body, dict):
            raise expecting("valid JSON object", "request body")
        if _NUL.search(raw):
            raise Invalid("The request body has characters that cannot be stored (NUL). Leave them out.")
        if root not in body:
            raise bad_input("", f"'{root}' is a required property")
        inner = body[root]
        if not isinstance(inner, dict):
            raise bad_input(root, f"{_shown(inner)} is not of type 'object'")
        if operation.method == "PATCH" and not inner:
            raise bad_input("", "{} does not have enough properties")
        return _form(inner, form)

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers."""
        # A lone half of a surrogate pair in a user's text cannot be sent back.
        message = refusal.message.encode("utf-8", "replace").decode()
        headers = {"WWW-Authenticate": "Keystone"} if refusal.status == 401 else {}
        return _error(refusal.status, message), headers

    def failure(self, request_id: str) -> Any:
        """Return the body for a defect of ours (500)."""
        return _error(500, f"An unexpected error prevented the server from fulfilling your request ({request_id}).")


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "title": HTTPStatus(status).phrase}}


def _form(inner: dict[str, Any], form: type[Struct]) -> Any:
    known = inner
    if "extra" in form.__struct_fields__:
        names = set(form.__struct_encode_fields__) - {"extra"}
        known = {key: value for key, value in inner.items() if key in names}
        known["extra"] = {key: value for key, value in inner.items() if key not in names}
    try:
        return msgspec.convert(known, form)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), inner) from None


def _refusal(sentence: str, inner: dict[str, Any]) -> Invalid:
    found = _PLACE.match(sentence)
    assert found is not None  # noqa: S101 - the pattern takes everything
    steps: list[str | int] = [name or int(index) for name, index in _STEP.findall(found["path"] or "")]
    value: Any = inner
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    shown = "***" if steps and steps[-1] in _SECRET else _shown(value)
    return bad_input("/".join(map(str, steps)), _why(found["what"], shown))


def _why(what: str, shown: str) -> str:
    names = re.findall(r"`([^`]*)`", what)
    if what.startswith("Object missing required field"):
        return f"'{names[0]}' is a required property"
    if what.startswith("Object contains unknown field"):
        return f"Additional properties are not allowed ('{names[0]}' was unexpected)"
    if "of length >=" in what:
        return f"{shown} is too short"
    if "of length <=" in what:
        return f"{shown} is too long"
    if "matching regex" in what:
        return f"{shown} does not match {what.partition('matching regex ')[2]}"
    wanted = [_TYPES[name] for name in names[0].split(" | ") if name in _TYPES] if names else []
    return f"{shown} is not of type {', '.join(wanted)}" if wanted else what


def _shown(value: Any) -> str:
    return repr(value)[:_SHOWN]
