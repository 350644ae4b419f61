"""How Neutron reads bodies and words refusals."""

import re
from typing import Any

from hydria.errors import Refusal
from hydria.homecloud.network.faults import fault, invalid_attribute, invalid_input
from hydria.http.decode import Defect, decode
from hydria.http.operation import Operation

# What the decoder says of a value, and what Neutron says of it; the value itself is `{}`.
_REASONS = (
    (re.compile(r"maximum character requirement of (\d+)"), r"'{}' exceeds maximum length of \1"),
    (re.compile(r"should be string|should match|cannot be stored"), "'{}' is not a valid string"),
    (re.compile(r"UUID format"), "'{}' is not a valid UUID"),
    (re.compile(r"CIDR format"), "'{}' is not a valid IP subnet"),
    (re.compile(r"IPv4 or IPv6 format"), "'{}' is not a valid IP address"),
    (re.compile(r"greater or equal to (-?\d+)"), r"'{}' is too small - must be at least '\1'"),
    (re.compile(r"lower or equal to (\d+)"), r"'{}' is too large - must be no larger than '\1'"),
    (re.compile(r"int\(\) with base 10|out of range"), "'{}' is not an integer"),
    (re.compile(r"valid list"), "'{}' is not a list"),
    (re.compile(r"valid dict"), "'{}' is not a dictionary"),
    (re.compile(r"one of: (.*)"), r"{} is not in [\1]"),
    (re.compile(r"MAC address"), "'{}' is not a valid MAC address"),
)

# More of a value helps nobody.
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
        """Return a refusal's body and headers; 401 is Keystone's, which stands before Neutron."""
        # A lone half of a surrogate pair in a user's text cannot be sent back.
        message = refusal.message.encode("utf-8", "replace").decode()
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
    root, path = operation.root, defect.path
    attributes = path if root is None else path[1:]
    if defect.problem == "unknown" and not attributes:
        return _unknown(defect, operation, inside=root is None or bool(path))
    if defect.problem == "missing":
        return _missing(attributes)
    if defect.problem in ("json", "body") or not attributes:
        return _malformed(defect, root)
    if defect.problem == "unknown":
        return invalid_attribute(attributes[0], f"Unexpected keys supplied: {defect.why[:_SHOWN]}")
    value = str(defect.value)[:_SHOWN]
    return _invalid(attributes[0], defect.why, value)


def _missing(attributes: tuple[str, ...]) -> Refusal:
    if len(attributes) > 1:
        return invalid_attribute(attributes[0], f"Required attribute '{attributes[-1]}' not specified")
    message = f"Failed to parse request. Required attribute '{attributes[0]}' not specified"
    return fault("HTTPBadRequest", msg=message)


def _unknown(defect: Defect, operation: Operation, *, inside: bool) -> Refusal:
    names, root = defect.why.split(", "), operation.root
    if not inside:
        if any(name == f"{root}s" for name in names):
            return fault("HTTPBadRequest", msg="Bulk operation not supported")
        return fault("HTTPBadRequest", msg=f"Unable to find '{root}' in request body")
    known: frozenset[str] = getattr(operation.form, "READ_ONLY", frozenset())
    for name in names:
        if name in known:
            creating = operation.method == "POST"
            text = "Attribute '{}' not allowed in POST" if creating else "Cannot update read-only attribute {}"
            return fault("HTTPBadRequest", msg=text.format(name))
    return fault("HTTPBadRequest", msg=f"Unrecognized attribute(s) '{defect.why[:_SHOWN]}'")


def _malformed(defect: Defect, root: str | None) -> Refusal:
    if defect.problem == "json" or not defect.path:
        return fault("HTTPBadRequest", msg="Body contains invalid data")
    if defect.value is None:
        return fault("HTTPBadRequest", msg=f"Unable to find '{root}' in request body")
    return fault("HTTPBadRequest", msg=f"Object '{root}' contains invalid data")


def _invalid(attribute: str, why: str, value: str) -> Refusal:
    if "unambiguous boolean" in why:
        return invalid_input(f"'{value}' cannot be converted to boolean")
    return invalid_attribute(attribute, _reason(why, value))


def _reason(why: str, value: str) -> str:
    for pattern, text in _REASONS:
        found = pattern.search(why)
        if found:
            return found.expand(text).replace("{}", value)
    return why[:_SHOWN]
