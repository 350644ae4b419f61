"""Octavia's way of speaking: WSME's wording of bad bodies, and the fault body."""

from typing import Any

from hydria.errors import Invalid, NotAcceptable, Refusal, Unauthenticated
from hydria.http.decode import Defect, decode
from hydria.http.operation import Operation


class OctaviaDialect:
    """Decodes as Octavia does and dresses refusals as its faults.

    Octavia shows an IP address as it was typed. Hydria shows the canonical form, unless `keep_spelling` is set.
    """

    def __init__(self, *, keep_spelling: bool = False) -> None:
        self._keep_spelling = keep_spelling

    json_only = True

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises Invalid."""
        assert operation.form is not None  # noqa: S101 - the dispatcher asks only then
        try:
            aliases = {"tenant_id": "project_id"}
            return decode(raw, operation.root, operation.form, aliases, keep_spelling=self._keep_spelling)
        except Defect as defect:
            raise Invalid(_sentence(defect, operation.root or "")) from None

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return Octavia's fault; a 401 is the token middleware's, not Octavia's own."""
        if isinstance(refusal, Unauthenticated):
            error = {"code": 401, "title": "Unauthorized", "message": refusal.message}
            return {"error": error}, {"WWW-Authenticate": "Keystone"}
        if isinstance(refusal, NotAcceptable):
            # Its web framework's, before any of its handlers is asked.
            return {"code": 406, "title": "Not Acceptable", "description": refusal.message}, {}
        return _fault("Client" if refusal.status < 500 else "Server", refusal.message), {}

    def failure(self, request_id: str) -> Any:
        """Return the fault for a defect of ours; the log has the rest under the request's id."""
        return _fault("Server", f"An unknown exception occurred. The server's log has it as {request_id}.")


# What Octavia's handlers call their argument, by the body's root; its sentences show it.
_ARGUMENTS = {
    # The batch of members, the one body without a root.
    "": "members_",
    "loadbalancer": "load_balancer",
    "healthmonitor": "health_monitor_",
    "quota": "quotas",
    "flavorprofile": "flavor_profile_",
}


def _fault(code: str, sentence: str) -> dict[str, Any]:
    return {"faultcode": code, "faultstring": sentence, "debuginfo": None}


def _sentence(defect: Defect, root: str) -> str:
    if defect.problem == "json":
        return "Request is not in valid JSON format"
    if defect.problem == "unknown":
        plural = "s" if ", " in defect.why else ""
        place = ".".join((_ARGUMENTS.get(root, f"{root}_"), *defect.path))
        return f"Unknown attribute{plural} for argument {place}: {defect.why}"
    if defect.problem == "body":
        return f"Invalid input for field/attribute {root}. Value: '{defect.value}'. {defect.why}"
    field = next((part for part in reversed(defect.path)), root)
    value = defect.value if defect.whole is None else defect.whole
    return f"Invalid input for field/attribute {field}. Value: '{value}'. {defect.why}"
