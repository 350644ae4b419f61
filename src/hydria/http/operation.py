"""The parts of an API: operations, the call that an operation answers, and the mount that serves them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Protocol

from msgspec import Struct

from hydria.errors import Forbidden, Refusal
from hydria.http.text import truth
from hydria.model.caller import Caller
from hydria.store import Transaction
from hydria.times import stamp


class Query:
    """A query string. Each key may be given several times."""

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
        """Return whether the last value of a key means yes, as Octavia reads booleans in queries."""
        return truth(self.last(key) or "") is True

    def names(self) -> list[str]:
        """Return the keys, each once, in order."""
        return list(dict.fromkeys(name for name, _ in self.pairs))


class Authorisation(Protocol):
    """Decides who may do what.

    With `hides_foreign`, callers without rights get 404 for a resource of another project, and 403 without.
    """

    hides_foreign: bool

    def allows(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        """Return whether a rule lets a caller act on a resource of a project."""
        ...


class Reply(Struct, frozen=True, kw_only=True):
    """An answer with headers or a status of its own.

    Bytes in `body` are sent as they are, with the `Content-Type` of the headers; None sends no body. `tag` is the
    entity tag of the resource that the answer shows, without quotes.
    """

    body: Any = None
    tag: str | None = None
    status: int | None = None
    headers: dict[str, str] = {}


class Authenticator(Protocol):
    """Finds the owner of a token, in two steps."""

    async def prepare(self, token: str) -> Any:
        """Do what leaves the process, before the transaction. Return what `resolve` needs. Raises Unavailable."""
        ...

    def resolve(self, transaction: Transaction, prepared: Any) -> Caller | None:
        """Return the token's owner, or None for an unknown or expired token."""
        ...


def denied() -> Forbidden:
    """Return the refusal (403) of a request that the policy does not allow."""
    return Forbidden("Policy does not allow this request to be performed.")


class Read(Protocol):
    """Runs work in a read-only transaction of its own, whose statements may see different states."""

    async def __call__(self, work: Callable[[Transaction], Any], /) -> Any:
        """Return what the work returns."""
        ...


class Preparation(Struct, frozen=True, kw_only=True):
    """One request before its transaction: the input of an operation's `prepare`.

    `caller` is None where the operation is open to all. `source` is the client's address, empty where it is unknown.
    In a `dry_run` nothing outside may be changed.
    """

    operation: "Operation"
    path: Mapping[str, str]
    query: Query
    headers: Mapping[str, str]
    form: Any
    caller: Caller | None
    source: str
    now: datetime
    dry_run: bool = False
    read: Any  # Read; msgspec cannot check a Protocol


class Call:
    """One request inside its transaction: the input of an operation's `work`.

    `prepared` is the result of the operation's `prepare`.
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
        """The server's address as the caller knows it, without a trailing slash."""
        return self._base_url()

    @property
    def url(self) -> str:
        """The requested address without its query."""
        return self.base_url + self._url_path

    @property
    def caller(self) -> Caller:
        """The caller. Operations that are open to all have none and must not ask."""
        if self._caller is None:
            raise RuntimeError(f"{self.operation.path} is open to all but asks for its caller")
        return self._caller

    @property
    def now(self) -> str:
        """The time as Octavia writes it: UTC, in seconds, without a zone."""
        return stamp(self.time)

    def may(self, rule: str, project_id: str | None) -> bool:
        """Return whether a rule lets the caller act on a resource of a project."""
        return self._authorisation.allows(rule, self.caller, project_id)

    @property
    def hides_foreign(self) -> bool:
        """Whether callers must not learn that another project's resource exists."""
        return self._authorisation.hides_foreign

    def authorise(self, project_id: str | None) -> None:
        """Refuse (403) unless the operation's rule allows the caller. Raises Forbidden."""
        if not self.may(self.operation.rule, project_id):
            raise denied()


class Operation(Struct, frozen=True, kw_only=True):
    """One thing that an API does.

    `path` has `{names}`. `on` says what the path stands for: a `collection`, an `item` of one, or an `action` on either
    (`/failover`, `/stats`). `shows` is what the API's description knows the collection's items by. `form` is the struct
    that the body's `root` is decoded to. `rule` is the policy rule that `call.authorise` asks for. `open` lets callers
    in without a token, and does not look at one.

    GET and HEAD run in a transaction that only reads, unless `writes` says otherwise; with `single`, the statements of
    such a transaction need not see one state. `check_path` raises NotFound for a path below a resource that does not
    exist; it is asked when the work refuses a request, and its refusal comes first. `any_media` ignores `Accept`.

    `prepare` runs once before the transaction, after authentication and decoding. It does what leaves the process or
    takes long. The transaction may run several times and gets its result as `call.prepared`.

    `tag` returns the current entity tag of what the operation changes; `If-Match` is compared with it. It refuses what
    the work would refuse, so that a caller cannot learn the tag of a resource that he may not change.
    """

    method: str
    path: str
    work: Callable[[Call], Any]
    on: Literal["collection", "item", "action"] = "action"
    shows: Any = None
    form: type[Struct] | None = None
    root: str | None = None
    status: int = 200
    rule: str = ""
    open: bool = False
    prepare: Callable[[Preparation], Awaitable[Any]] | None = None
    tag: Callable[[Call], str] | None = None
    writes: bool | None = None
    single: bool = False
    check_path: Callable[[Transaction, Mapping[str, str]], None] | None = None
    any_media: bool = False

    @property
    def writing(self) -> bool:
        """Whether the work may change the database."""
        return self.method not in ("GET", "HEAD") if self.writes is None else self.writes


class Dialect(Protocol):
    """How one API reads bodies and words refusals.

    `json_only` refuses (406) requests whose `Accept` excludes JSON.
    """

    json_only: bool

    def decode(self, raw: bytes, operation: Operation) -> Any:
        """Return the operation's form. Raises a Refusal."""
        ...

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        """Return a refusal's body and headers."""
        ...

    def failure(self, request_id: str) -> Any:
        """Return the body of an internal error (500)."""
        ...


class Mount(Struct, frozen=True, kw_only=True):
    """Operations below some prefixes, in one dialect. With `slashes`, paths may end in slashes.

    `planner` says what the changes of a dry run would do (`hydria.http.dry_run`); None where an API has no dry runs.
    """

    prefixes: tuple[str, ...]
    operations: tuple[Operation, ...]
    dialect: Any  # Dialect; msgspec cannot check a Protocol
    slashes: bool = False
    planner: Callable[[Transaction], Any] | None = None
