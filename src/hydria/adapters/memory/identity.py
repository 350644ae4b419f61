"""An identity service with a fixed set of tokens."""

from collections.abc import Mapping

from hydria.model.caller import Caller


class MemoryIdentity:
    """Implements `hydria.http.operation.Authenticator` by a mapping from token to caller."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = callers

    async def prepare(self, token: str) -> str:
        """Return the token: there is nothing to look up outside the transaction."""
        return token

    def resolve(self, transaction: object, prepared: str) -> Caller | None:
        return self._callers.get(prepared)
