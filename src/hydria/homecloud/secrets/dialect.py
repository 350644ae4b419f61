"""How Barbican reads bodies and words refusals."""

from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from hydria.errors import Invalid, Refusal
from hydria.http.operation import Operation


class Raw(Struct, frozen=True):
    """A body that is taken as it is."""

    content: bytes


class BarbicanDialect:
    """Barbican's bodies and faults: `{"code", "title", "description"}`; bodies have no root."""

    json_only = False

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises Invalid."""
        assert operation.form is not None  # noqa: S101 - the dispatcher decodes only where there is a form
        if operation.form is Raw:
            return Raw(raw)
        if b"\\u0000" in raw:
            raise Invalid("The request body has characters that cannot be stored (NUL). Leave them out.")
        try:
            return msgspec.json.decode(raw, type=operation.form)
        except msgspec.ValidationError as error:
            raise Invalid(f"Provided object does not match schema: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Invalid("Unable to decode request data as JSON.") from None

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers; 401 is Keystone's, which stands before Barbican."""
        message = refusal.message.encode("utf-8", "replace").decode()
        title = HTTPStatus(refusal.status).phrase
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            return {"error": {"code": 401, "title": title, "message": message}}, {"WWW-Authenticate": "Keystone"}
        return {"code": refusal.status, "title": title, "description": message}, {}

    def failure(self, request_id: str) -> Any:
        """Return the body for a defect of ours (500)."""
        return {"code": 500, "title": "Internal Server Error", "description": f"The request failed ({request_id})."}
