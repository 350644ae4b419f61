"""A cache of validated tokens, so that frequent callers are not looked up each time."""

from collections.abc import Callable

from msgspec import Struct, structs

from hydria.http.operation import Call, Operation
from hydria.model.caller import Caller

# The topic of hints after which cached tokens may be invalid.
TOPIC = "identity"

# How long a validated token is cached: the limit when the hint of another server is lost (seconds).
_SECONDS = 5.0
_MOST = 4096


class CachedCaller(Struct, frozen=True, kw_only=True):
    """The owner of a token, valid until a time (UTC seconds)."""

    caller: Caller
    until: float


class CallerCache:
    """Caches the callers of tokens until anything changes in the identity service."""

    def __init__(self) -> None:
        self._known: dict[str, CachedCaller] = {}

    def heed(self, topics: frozenset[str]) -> None:
        """Clear the cache when a transaction changed the identity service."""
        if TOPIC in topics:
            self._known = {}

    def find(self, token: str, now: float, look: Callable[[], CachedCaller | None]) -> Caller | None:
        """Return the owner of a token at `now` (UTC seconds), or None; `look` reads the database."""
        # `heed` replaces the dictionary after a change: a result that was read before goes into the old one.
        known = self._known
        cached = known.get(token)
        if cached is not None and now < cached.until:
            return cached.caller
        cached = look()
        if cached is None:
            return None
        if len(known) >= _MOST:
            known.clear()
        known[token] = structs.replace(cached, until=min(cached.until, now + _SECONDS))
        return cached.caller


def invalidating(operation: Operation) -> Operation:
    """Return an operation that sends the hint when it writes."""
    if not operation.writing:
        return operation
    work = operation.work

    def hinting(call: Call) -> object:
        call.transaction.hint(TOPIC)
        return work(call)

    return structs.replace(operation, work=hinting)
