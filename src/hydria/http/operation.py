"""What an API is made of: a list of operations, and the call that each of them answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from msgspec import Struct

from hydria.errors import Forbidden, Refusal
from hydria.http.text import truth
from hydria.model.base import stamp
from hydria.protocols import Caller
from hydria.store import Transaction


class Query:
    """The query string: every key may be given several times."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = tuple(pairs)

    def all(self, key: str) -> list[str]:
        """Return all values of a key, in order."""
        return [value for name, value in self.pairs if name == key]

    def last(self, key: str) -> str | None:
        """Return the last value of a key, or None."""
        values = self.all(key)
        return values[-1] if values else None

    def flag(self, key: str) -> bool:
        """Say whether the last value of a key means yes, as Octavia reads booleans in queries."""
        return truth(self.last(key) or "") is True

    def names(self) -> list[str]:
        """Return the keys, each once, in order."""
        return list(dict.fromkeys(name for name, _ in self.pairs))


class Authorisation(Protocol):
    """Who may do what; `hides_foreign` says whether what another project has is not there for those without rights."""

    hides_foreign: bool

    def allows(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        """Say whether a caller may do what a rule names to something of a project."""
        ...


class Reply(Struct, frozen=True, kw_only=True):
    """An answer with headers or a status of its own.

    `body` None sends none; bytes are sent as they are, under the `Content-Type` of the headers.
    """

    body: Any = None
    status: int | None = None
    headers: dict[str, str] = {}


class Authenticator(Protocol):
    """Says whose a token is, in two steps."""

    async def prepare(self, token: str) -> Any:
        """Do before the transaction what leaves the process, and return what `resolve` needs. Raises Unavailable."""
        ...

    def resolve(self, transaction: Transaction, prepared: Any) -> Caller | None:
        """Return the token's owner, or None when it is nobody's or not good any more."""
        ...


def denied() -> Forbidden:
    """Return the refusal of what policy does not allow."""
    return Forbidden("Policy does not allow this request to be performed.")


class Read(Protocol):
    """Runs work in a transaction of its own that only reads; it need not see one consistent state."""

    async def __call__(self, work: Callable[[Transaction], Any], /) -> Any:
        """Return what the work returns."""
        ...


class Preparation(Struct, frozen=True, kw_only=True):
    """One request before its transaction: all that an operation's `prepare` may look at.

    `caller` is who asks, None where the operation is open to all; `source` the address that the request came from,
    empty where it is not known.
    """

    operation: "Operation"
    path: Mapping[str, str]
    query: Query
    headers: Mapping[str, str]
    form: Any
    caller: Caller | None
    source: str
    now: datetime
    read: Any  # Read; msgspec cannot check a Protocol


class Call:
    """One request inside its transaction: all that a handler may look at.

    `prepared` is what the operation's `prepare` returned.
    """

    def __init__(  # noqa: PLR0913 - the one place where the parts of a request meet
        self,
        operation: "Operation",
        *,
        transaction: Transaction,
        path: Mapping[str, str],
        query: Query,
        headers: Mapping[str, str],
        form: Any,
        caller: Caller | None,
        prepared: Any,
        now: datetime,
        base_url: Callable[[], str],
        url_path: str,
        authorisation: Authorisation,
    ) -> None:
        self.operation = operation
        self.transaction = transaction
        self.path = path
        self.query = query
        self.headers = headers
        self.form = form
        self.prepared = prepared
        self.time = now
        self._base_url = base_url
        self._url_path = url_path
        self._caller = caller
        self._authorisation = authorisation

    @cached_property
    def base_url(self) -> str:
        """The address of the server as the caller knows it, without a slash at its end."""
        return self._base_url()

    @property
    def url(self) -> str:
        """The address that was asked for, without its query."""
        return self.base_url + self._url_path

    @property
    def caller(self) -> Caller:
        """Who asks; operations that are open to all cannot know."""
        if self._caller is None:
            raise RuntimeError(f"{self.operation.path} is open to all but asks who calls")
        return self._caller

    @property
    def now(self) -> str:
        """The time as Octavia writes it: UTC, seconds, without a zone."""
        return stamp(self.time)

    def may(self, rule: str, project_id: str | None) -> bool:
        """Say whether the caller may do what a rule names to something of a project."""
        return self._authorisation.allows(rule, self.caller, project_id)

    @property
    def hides_foreign(self) -> bool:
        """Whether a caller must not learn that another project's resource exists."""
        return self._authorisation.hides_foreign

    def authorise(self, project_id: str | None) -> None:
        """Refuse (403) unless the operation's rule allows it to the caller."""
        if not self.may(self.operation.rule, project_id):
            raise denied()


class Operation(Struct, frozen=True, kw_only=True):
    """One thing that an API does.

    `path` has `{names}`; `form` is the struct that the body's `root` is decoded to; `rule` the policy rule that the
    work asks for with `call.authorise`; `open` lets callers in without a token, and does not look at one. GET and HEAD
    run in a transaction that only reads, unless `writes`; `single` says that such a work reads by one statement, or by
    some that need not see the same state. `prepare` runs once before the transaction, after authentication and
    decoding: it does what leaves the process or takes long. The work, which may run several times, gets its result as
    `call.prepared`. `check_path` raises NotFound for a path below something that is not there: that is told before
    anything else that is wrong with the request. `any_media` answers whatever the request's `Accept` names.
    """

    method: str
    path: str
    work: Callable[[Call], Any]
    form: type[Struct] | None = None
    root: str | None = None
    status: int = 200
    rule: str = ""
    open: bool = False
    prepare: Callable[[Preparation], Awaitable[Any]] | None = None
    writes: bool | None = None
    single: bool = False
    check_path: Callable[[Transaction, Mapping[str, str]], None] | None = None
    any_media: bool = False

    @property
    def writing(self) -> bool:
        """Whether the work may change the database."""
        return self.method not in ("GET", "HEAD") if self.writes is None else self.writes


class Dialect(Protocol):
    """How one front speaks: how it reads bodies and words refusals.

    `json_only` refuses (406) requests whose `Accept` does not take JSON.
    """

    json_only: bool

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises a Refusal."""
        ...

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers."""
        ...

    def failure(self, request_id: str) -> Any:
        """Return the body for a defect of ours (500)."""
        ...


class Mount(Struct, frozen=True, kw_only=True):
    """Operations below some prefixes, in one dialect."""

    prefixes: tuple[str, ...]
    operations: tuple[Operation, ...]
    dialect: Any  # Dialect; msgspec cannot check a Protocol
