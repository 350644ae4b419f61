"""An identity service whose tokens are written down beforehand."""

from collections.abc import Mapping

from hydria.protocols import Caller


class MemoryIdentity:
    """Implements `hydria.http.operation.Authenticator`: the owner of each token."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = callers

    async def prepare(self, token: str) -> str:
        """Return the token."""
        return token

    def resolve(self, transaction: object, prepared: str) -> Caller | None:
        """Return whose token this is, or None."""
        return self._callers.get(prepared)
