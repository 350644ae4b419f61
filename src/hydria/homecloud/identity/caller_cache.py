"""Whose tokens were good a moment ago: who calls often is not looked up each time."""

from collections.abc import Callable

from msgspec import Struct, structs

from hydria.http.operation import Call, Operation
from hydria.model.caller import Caller

# What a transaction hints that changes what tokens are worth.
TOPIC = "identity"

# How long it counts that a token was good, where another server's hint was lost (seconds).
_SECONDS = 5.0
_MOST = 4096


class CachedCaller(Struct, frozen=True, kw_only=True):
    """Whose a token is, until when (UTC seconds)."""

    caller: Caller
    until: float


class CallerCache:
    """Remembers the callers of tokens until anything changes in the identity service."""

    def __init__(self) -> None:
        self._known: dict[str, CachedCaller] = {}

    def heed(self, topics: frozenset[str]) -> None:
        """Forget everybody when the hints of a transaction say so."""
        if TOPIC in topics:
            self._known = {}

    def find(self, token: str, now: float, look: Callable[[], CachedCaller | None]) -> Caller | None:
        """Return whose token this is at `now` (UTC seconds), or None; `look` looks in the database."""
        # What is read before a change must not be remembered after it: that has put another dictionary here.
        known = self._known
        worth = known.get(token)
        if worth is not None and now < worth.until:
            return worth.caller
        worth = look()
        if worth is None:
            return None
        if len(known) >= _MOST:
            known.clear()
        known[token] = structs.replace(worth, until=min(worth.until, now + _SECONDS))
        return worth.caller


def invalidating(operation: Operation) -> Operation:
    """Return an operation that hints at the change it makes, if it makes any."""
    if not operation.writing:
        return operation
    work = operation.work

    def told(call: Call) -> object:
        call.transaction.hint(TOPIC)
        return work(call)

    return structs.replace(operation, work=told)
