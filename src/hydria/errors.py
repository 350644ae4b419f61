"""The failures that the domain can name; the bottom of the import order.

A `Refusal` is an answer: it carries an HTTP status and a sentence for the person who asked. Each front (Octavia's,
Neutron's, Keystone's) dresses it in its own fault body. Anything else that is raised is a defect or a broken host.
"""

from collections.abc import Mapping


class HydriaError(Exception):
    """Anything that Hydria raises on purpose."""


class Refusal(HydriaError):
    """A request that is not granted.

    `status` is the HTTP status; `kind` the fault's name where a dialect shows one (Neutron's `type`); `headers` are
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
    """The request is not well formed, or asks for something that cannot be (400)."""


class Unauthenticated(Refusal):
    """Nobody, or nobody known, asks (401)."""

    status = 401
    kind = "Unauthorized"


class Forbidden(Refusal):
    """Somebody asks who may not (403)."""

    status = 403
    kind = "PolicyNotAuthorized"


class NotFound(Refusal):
    """What is asked for is not there, or not for the one who asks (404)."""

    status = 404
    kind = "NotFound"


class NotAllowed(Refusal):
    """What is there does not know the method (405)."""

    status = 405
    kind = "MethodNotAllowed"


class NotAcceptable(Refusal):
    """The request takes no answer of the kind that there is (406)."""

    status = 406
    kind = "NotAcceptable"


class Conflict(Refusal):
    """It clashes with something that exists (409)."""

    status = 409
    kind = "Conflict"


class PreconditionFailed(Refusal):
    """What is there is not what the request's `If-Match` says (412)."""

    status = 412
    kind = "PreconditionFailed"


class TooLarge(Refusal):
    """The body is larger than the server reads (413)."""

    status = 413
    kind = "RequestEntityTooLarge"


class TooMany(Refusal):
    """The caller asks too often (429); `seconds` is when the same request may be sent again."""

    status = 429
    kind = "OverLimit"

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(seconds)}


class Unsupported(Refusal):
    """The provider cannot do what an option asks for (501)."""

    status = 501
    kind = "ProviderUnsupportedOptionError"


class Unavailable(Refusal):
    """The server cannot answer just now; the same request may succeed later (503)."""

    status = 503
    kind = "ServiceUnavailable"


class SettingsError(HydriaError):
    """A settings file or environment variable is wrong; the message names the place and the mend."""


class HostError(HydriaError):
    """A host could not be brought to what it should serve; the message is shown to the load balancer's owner."""


class WiringError(HostError):
    """Networks or routers could not be made; `networks` has the reason of each network that is not whole, by id."""

    def __init__(self, message: str, networks: Mapping[str, str]) -> None:
        super().__init__(message)
        self.networks = networks


class AuthorityError(HydriaError):
    """A certificate authority gave no certificate; the message is shown to who asked for it."""
