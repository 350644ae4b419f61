"""How Neutron reads bodies and words refusals."""

from typing import Any

from hydria.errors import Refusal
from hydria.homecloud.network.faults import fault, invalid_attribute, invalid_input
from hydria.http.decode import decode
from hydria.http.defect import Defect, Problem
from hydria.http.operation import Operation
from hydria.http.text import sendable

# Neutron's reason for each problem; `{0}` is the value, `{1}` the bound.
_REASONS: dict[Problem, str] = {
    "too_long": "'{0}' exceeds maximum length of {1}",
    "too_short": "'{0}' is shorter than {1}",
    "no_match": "'{0}' is not a valid string",
    "not_storable": "'{0}' is not a valid string",
    "not_uuid": "'{0}' is not a valid UUID",
    "not_cidr": "'{0}' is not a valid IP subnet",
    "not_ip": "'{0}' is not a valid IP address",
    "not_mac": "'{0}' is not a valid MAC address",
    "too_small": "'{0}' is too small - must be at least '{1}'",
    "too_large": "'{0}' is too large - must be no larger than '{1}'",
    "not_integer": "'{0}' is not an integer",
    "out_of_range": "'{0}' is not an integer",
}
_WRONG_TYPES = {
    "string": "'{0}' is not a valid string",
    "array": "'{0}' is not a list",
    "object": "'{0}' is not a dictionary",
}

# How much of a value an answer shows.
_SHOWN = 120


class NeutronDialect:
    """Neutron's bodies and faults: `{"NeutronError": {"type", "message", "detail"}}`."""

    json_only = False

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises a Refusal worded as Neutron does."""
        assert operation.form is not None  # noqa: S101 - the dispatcher decodes only where there is a form
        try:
            return decode(raw, operation.root, operation.form)
        except Defect as defect:
            raise _refusal(defect, operation) from None

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers; 401 is Keystone's, whose middleware runs before Neutron."""
        message = sendable(refusal.message)
        if refusal.status == 401:
            body = {"error": {"code": 401, "title": "Unauthorized", "message": message}}
            return body, {"WWW-Authenticate": "Keystone"}
        return {"NeutronError": {"type": refusal.kind, "message": message, "detail": ""}}, {}

    def failure(self, request_id: str) -> Any:
        """Return the body for a defect of ours (500)."""
        return {
            "NeutronError": {
                "type": "HTTPInternalServerError",
                "message": "Request Failed: internal server error while processing your request.",
                "detail": request_id,
            }
        }


def _refusal(defect: Defect, operation: Operation) -> Refusal:
    root, path = operation.root, defect.fields
    attributes = path if root is None else path[1:]
    if defect.problem == "unknown_field" and not attributes:
        return _unknown(defect, operation, inside=root is None or bool(path))
    if defect.problem == "missing":
        return _missing(attributes)
    if not attributes:
        return _malformed(defect, root)
    if defect.problem == "unknown_field":
        return invalid_attribute(attributes[0], f"Unexpected keys supplied: {_listed(defect)}")
    value = str(defect.value)[:_SHOWN]
    if defect.problem == "not_boolean":
        return invalid_input(f"'{value}' cannot be converted to boolean")
    return invalid_attribute(attributes[0], _reason(defect, value))


def _listed(defect: Defect) -> str:
    return ", ".join(defect.names)[:_SHOWN]


def _missing(attributes: tuple[str, ...]) -> Refusal:
    if len(attributes) > 1:
        return invalid_attribute(attributes[0], f"Required attribute '{attributes[-1]}' not specified")
    message = f"Failed to parse request. Required attribute '{attributes[0]}' not specified"
    return fault("HTTPBadRequest", msg=message)


def _unknown(defect: Defect, operation: Operation, *, inside: bool) -> Refusal:
    root = operation.root
    if not inside:
        if f"{root}s" in defect.names:
            return fault("HTTPBadRequest", msg="Bulk operation not supported")
        return fault("HTTPBadRequest", msg=f"Unable to find '{root}' in request body")
    known: frozenset[str] = getattr(operation.form, "READ_ONLY", frozenset())
    for name in defect.names:
        if name in known:
            creating = operation.method == "POST"
            text = "Attribute '{}' not allowed in POST" if creating else "Cannot update read-only attribute {}"
            return fault("HTTPBadRequest", msg=text.format(name))
    return fault("HTTPBadRequest", msg=f"Unrecognized attribute(s) '{_listed(defect)}'")


def _malformed(defect: Defect, root: str | None) -> Refusal:
    if defect.problem == "not_json" or not defect.path:
        return fault("HTTPBadRequest", msg="Body contains invalid data")
    if defect.value is None:
        return fault("HTTPBadRequest", msg=f"Unable to find '{root}' in request body")
    return fault("HTTPBadRequest", msg=f"Object '{root}' contains invalid data")


def _reason(defect: Defect, value: str) -> str:
    if defect.problem == "not_in":
        return f"{value} is not in [{', '.join(map(str, defect.limit))}]"
    text = _WRONG_TYPES[defect.limit[0]] if defect.problem == "wrong_type" else _REASONS[defect.problem]
    return text.format(value, defect.limit)
