"""How Barbican reads bodies and words refusals."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from hydria.errors import Invalid, Refusal
from hydria.http.decode import STRICT, decode
from hydria.http.defect import Defect, Problem, Step, json_type
from hydria.http.operation import Operation
from hydria.http.text import sendable

# What messages call JSON's types.
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
# The reason for each problem; `{0}` is the value, `{1}` the bound.
_REASONS: dict[Problem, str] = {
    "too_short": "Expected `str` of length >= {1}",
    "too_long": "Expected `str` of length <= {1}",
    "too_small": "Expected `int` >= {1}",
    "too_large": "Expected `int` <= {1}",
    "not_in": "Invalid enum value '{0}'",
}


class Raw(Struct, frozen=True):
    """A body that is not decoded."""

    content: bytes


class BarbicanDialect:
    """Barbican's bodies and faults: `{"code", "title", "description"}`; bodies have no root."""

    json_only = False

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises Invalid."""
        assert operation.form is not None  # noqa: S101 - the dispatcher decodes only where there is a form
        if operation.form is Raw:
            return Raw(raw)
        try:
            return decode(raw, None, operation.form, manner=STRICT)
        except Defect as defect:
            raise _refusal(defect) from None

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers; 401 is Keystone's, whose middleware runs before Barbican."""
        message = sendable(refusal.message)
        title = HTTPStatus(refusal.status).phrase
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            return {"error": {"code": 401, "title": title, "message": message}}, {"WWW-Authenticate": "Keystone"}
        return {"code": refusal.status, "title": title, "description": message}, {}

    def failure(self, request_id: str) -> Any:
        """Return the body for a defect of ours (500)."""
        return {"code": 500, "title": "Internal Server Error", "description": f"The request failed ({request_id})."}


def _refusal(defect: Defect) -> Invalid:
    if defect.problem == "not_json":
        return Invalid("Unable to decode request data as JSON.")
    if defect.problem == "nul":
        return Invalid("The request body has characters that cannot be stored (NUL). Leave them out.")
    # A missing attribute is reported at the object that lacks it.
    path = _path(defect.path[:-1] if defect.problem == "missing" else defect.path)
    at = f"`key` in `{path}`" if defect.in_key else f"`{path}`"
    place = "" if at == "`$`" else f" - at {at}"
    return Invalid(f"Provided object does not match schema: {_reason(defect)}{place}")


def _path(steps: Sequence[Step]) -> str:
    """Return a path as JSONPath: `$.secret_refs[0].name`."""
    return "$" + "".join(
        "[...]" if step is None else f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps
    )


def _reason(defect: Defect) -> str:
    if defect.problem == "missing":
        return f"Object missing required field `{defect.path[-1]}`"
    if defect.problem in ("wrong_type", "not_object"):
        expected = " | ".join(_TYPES.get(name, name) for name in defect.limit or ("object",))
        return f"Expected `{expected}`, got `{_type_name(defect.value)}`"
    return _REASONS[defect.problem].format(defect.value, defect.limit)


def _type_name(value: Any) -> str:
    name = json_type(value)
    return _TYPES.get(name, name)
