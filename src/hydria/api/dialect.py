"""Octavia's dialect: WSME's sentences for wrong bodies, and the body of a fault."""

from typing import Any

from hydria.errors import Invalid, NotAcceptable, Refusal, Unauthenticated
from hydria.http.decode import Manner, decode
from hydria.http.defect import Defect, Problem
from hydria.http.operation import Operation


class OctaviaDialect:
    """Decodes bodies as Octavia does, and answers refusals with its faults.

    Octavia shows an IP address as it was typed. Hydria shows the canonical form, unless `keep_spelling` is set.
    """

    def __init__(self, *, keep_spelling: bool = False) -> None:
        self._manner = Manner(keep_spelling=keep_spelling)

    json_only = True

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises Invalid."""
        if operation.form is None:
            raise RuntimeError(f"{operation.method} {operation.path} takes no body")
        try:
            aliases = {"tenant_id": "project_id"}
            return decode(raw, operation.root, operation.form, aliases, manner=self._manner)
        except Defect as defect:
            raise Invalid(_sentence(defect, operation.root or "")) from None

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return Octavia's fault. A 401 has the body of Keystone's middleware."""
        if isinstance(refusal, Unauthenticated):
            error = {"code": 401, "title": "Unauthorized", "message": refusal.message}
            return {"error": error}, {"WWW-Authenticate": "Keystone"}
        if isinstance(refusal, NotAcceptable):
            # The body of Octavia's web framework, which refuses before any handler runs.
            return {"code": 406, "title": "Not Acceptable", "description": refusal.message}, {}
        return _fault("Client" if refusal.status < 500 else "Server", refusal.message), {}

    def failure(self, request_id: str) -> Any:
        """Return the fault of an internal error; the log has the details under the request's id."""
        return _fault("Server", f"An unknown exception occurred. The server's log has it as {request_id}.")


# The names of the arguments of Octavia's handlers, by the body's root: its sentences show them.
_ARGUMENTS = {
    # The batch of members is the only body without a root.
    "": "members_",
    "loadbalancer": "load_balancer",
    "healthmonitor": "health_monitor_",
    "quota": "quotas",
    "flavorprofile": "flavor_profile_",
}


def unknown_attribute(root: str, name: str) -> Invalid:
    """Return the refusal of an attribute that a resource with this root must not have."""
    return Invalid(_unknown(root, (name,), (root,)))


def _fault(code: str, sentence: str) -> dict[str, Any]:
    return {"faultcode": code, "faultstring": sentence, "debuginfo": None}


# WSME's reason for each problem; `{0}` is the value, `{1}` the bound.
_REASONS: dict[Problem, str] = {
    "missing": "Mandatory field missing.",
    "not_boolean": "Value not an unambiguous boolean: {0}",
    "not_integer": "invalid literal for int() with base 10: {0!r}",
    "too_small": "Value should be greater or equal to {1}",
    "too_large": "Value should be lower or equal to {1}",
    "out_of_range": "Value is out of range",
    "too_short": "Value should have a minimum character requirement of {1}",
    "too_long": "Value should have a maximum character requirement of {1}",
    "no_match": "Value should match the pattern {1}",
    "not_storable": "Value has characters that cannot be stored",
    "not_uuid": "Value should be UUID format",
    "not_ip": "Value should be IPv4 or IPv6 format",
    "not_cidr": "Value should be IPv4 or IPv6 CIDR format",
    "not_mac": "'{0}' is not a valid MAC address",
    "not_url_path": "Value must be a valid URL Path string",
    "not_url": "Value must be a valid URL string",
}
_WRONG_TYPES = {
    "string": "Value should be string",
    "array": "Value not a valid list: {0}",
    "object": "Value not a valid dict: {0}",
}


def _sentence(defect: Defect, root: str) -> str:
    if defect.problem == "not_json":
        return "Request is not in valid JSON format"
    if defect.problem == "unknown_field":
        return _unknown(root, defect.names, defect.fields)
    field = defect.fields[-1] if defect.fields else root
    value = defect.value if defect.container is None else defect.container
    if not defect.path:
        # Octavia shows no whole body.
        value = None
    return f"Invalid input for field/attribute {field}. Value: '{value}'. {_reason(defect, root)}"


def _unknown(root: str, names: tuple[str, ...], within: tuple[str, ...]) -> str:
    plural = "s" if len(names) > 1 else ""
    place = ".".join((_ARGUMENTS.get(root, f"{root}_"), *within))
    return f"Unknown attribute{plural} for argument {place}: {', '.join(names)}"


def _reason(defect: Defect, root: str) -> str:
    match defect.problem:
        case "not_object" | "missing_root":
            return f"Request must have a JSON dict '{root}'" if defect.path else "Request must be a JSON dict"
        case "not_in":
            return f"Value should be one of: {', '.join(map(str, defect.limit))}"
        case "wrong_type":
            text = _WRONG_TYPES[defect.limit[0]]
        case problem:
            text = _REASONS[problem]
    return text.format(defect.value, defect.limit)
