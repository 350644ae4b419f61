"""The rights of agents: the server's own machine has the shared secret, each host that has joined its own."""

import hmac

from starlette.requests import Request

from hydria.controller.joining import host_of
from hydria.errors import Forbidden, Unauthenticated
from hydria.store import Database
from hydria.store.resources import KnownHost

# Stands for the id of the host of callers that have the shared secret.
SHARED = ""

_BEARER = "Bearer "


class AgentAccess:
    """Authenticates agents and the commands of the server's own machine."""

    def __init__(self, database: Database, secret: str) -> None:
        """`secret` is the shared one, `agent.secret`."""
        if not secret:
            raise ValueError("an empty secret would authenticate everyone")
        self._database = database
        self._secret = secret

    def require_shared(self, request: Request) -> None:
        """Let only callers with the shared secret pass. Raises Unauthenticated."""
        if not self._is_shared(_given(request)):
            raise _unknown()

    async def identify(self, request: Request) -> str:
        """Return the id of the host that a request is from, or SHARED. Raises Unauthenticated."""
        given = _given(request)
        if self._is_shared(given):
            return SHARED
        host = await self._database.run(lambda transaction: host_of(transaction, given), writing=False)
        if host is None:
            raise _unknown()
        return host

    async def check(self, identity: str, host: str) -> None:
        """Let a caller speak for a host. Raises Forbidden."""
        if identity != SHARED:
            if identity != host:
                raise Forbidden(f"This secret is that of the host {identity}, which cannot speak for {host[:64]}.")
            return
        known = await self._database.run(lambda transaction: transaction.get(KnownHost, host), writing=False)
        if known is not None and known.secret_hash is not None:
            raise Forbidden(
                f"The host {known.name} has joined, so its agent needs its own secret (membership.json in its state "
                "directory). If that is lost, let it join anew: hydria host invite"
            )

    def _is_shared(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._secret.encode())


def _given(request: Request) -> str:
    header = request.headers.get("authorization", "")
    return header.removeprefix(_BEARER) if header.startswith(_BEARER) else ""


def _unknown() -> Unauthenticated:
    return Unauthenticated("An agent needs the server's secret (agent.secret in its state directory), or has to join.")
