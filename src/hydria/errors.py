"""The exceptions that Hydria raises on purpose; the bottom of the import order.

A `Refusal` is an answer: it has an HTTP status and a sentence for the user. Each dialect (Octavia's, Neutron's,
Keystone's, Barbican's) puts it into its own fault body. Any other exception is a defect or a broken host.
"""

from collections.abc import Mapping


class HydriaError(Exception):
    """The base class of the exceptions that Hydria raises on purpose."""


class Refusal(HydriaError):
    """A refused request.

    `status` is the HTTP status, `kind` the fault's name in dialects that show one (Neutron's `type`). `headers` are
    sent with the answer in every dialect.
    """

    status = 400
    kind = "BadRequest"
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if kind is not None:
            self.kind = kind


class Invalid(Refusal):
    """The request is malformed or asks for something impossible (400)."""


class Unauthenticated(Refusal):
    """The request has no token or an invalid one (401)."""

    status = 401
    kind = "Unauthorized"


class Forbidden(Refusal):
    """The caller may not do this (403)."""

    status = 403
    kind = "PolicyNotAuthorized"


class NotFound(Refusal):
    """The resource does not exist, or the caller must not see it (404)."""

    status = 404
    kind = "NotFound"


class NotAllowed(Refusal):
    """The path does not support the method (405)."""

    status = 405
    kind = "MethodNotAllowed"


class NotAcceptable(Refusal):
    """The request accepts no media type that the server can answer with (406)."""

    status = 406
    kind = "NotAcceptable"


class Conflict(Refusal):
    """The request conflicts with an existing resource (409)."""

    status = 409
    kind = "Conflict"


class PreconditionFailed(Refusal):
    """The resource does not have the ETag of the request's `If-Match` (412)."""

    status = 412
    kind = "PreconditionFailed"


class TooLarge(Refusal):
    """The body is larger than `server.max_body_bytes` (413)."""

    status = 413
    kind = "RequestEntityTooLarge"


class TooMany(Refusal):
    """The caller sends too many requests (429) and may retry after `seconds`."""

    status = 429
    kind = "OverLimit"

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(seconds)}


class Unsupported(Refusal):
    """The provider does not support an option (501)."""

    status = 501
    kind = "ProviderUnsupportedOptionError"


class Unavailable(Refusal):
    """The server cannot answer now; the same request may succeed later (503)."""

    status = 503
    kind = "ServiceUnavailable"


class PortPending(HydriaError):
    """A port is wanted of the network service and not made yet."""


class SettingsError(HydriaError):
    """A settings file or environment variable is wrong. The message names the place and what is allowed."""


class HostError(HydriaError):
    """A host cannot serve its desired state. The load balancer's owner sees the message."""


class WiringError(HostError):
    """Networks or routers could not be made. `networks` has the reason for each failed network, by id."""

    def __init__(self, message: str, networks: Mapping[str, str]) -> None:
        super().__init__(message)
        self.networks = networks


class AuthorityError(HydriaError):
    """A certificate authority issued no certificate. The owner of the reference sees the message."""
