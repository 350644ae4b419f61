"""`/dashboard/api/…`: the server's own APIs, with the token of the session's cookie. The rights are the token's."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from hydria.dashboard.protection import COOKIE, PATH, forged, refusal

PREFIX = f"{PATH}/api"

# The client must not choose these itself, and the API does not need the cookie.
_DROPPED = frozenset({b"cookie", b"x-auth-token", b"x-subject-token", b"authorization"})


class Gateway:
    """Passes requests below `/dashboard/api` on to the server's routes."""

    def __init__(self, app: ASGIApp, prefixes: tuple[str, ...], public_url: str) -> None:
        """`prefixes` are those of the APIs that a session may use."""
        self._app = app
        self._public_url = public_url
        self._prefixes = tuple(f"{prefix}/" for prefix in prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"].removeprefix(PREFIX)
        request = Request(scope)
        token = request.cookies.get(COOKIE)
        reason = forged(scope["method"], request.headers, self._public_url)
        if reason is not None:
            await refusal(403, reason)(scope, receive, send)
        elif not token:
            await refusal(401, "There is no session. Please log in.")(scope, receive, send)
        elif not path.startswith(self._prefixes):
            await refusal(404, f"The dashboard reaches only these APIs: {', '.join(self._prefixes)}")(
                scope, receive, send
            )
        else:
            await self._app(_inner(scope, path, token), receive, send)


def _inner(scope: Scope, path: str, token: str) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name not in _DROPPED]
    kept.append((b"x-auth-token", token.encode("latin-1", "replace")))
    outer = ("app", "router", "endpoint", "path_params", "route", "starlette.exception_handlers")
    inner = {name: value for name, value in scope.items() if name not in outer}
    raw = scope.get("raw_path") or scope["path"].encode()
    return {**inner, "path": path, "raw_path": raw.removeprefix(PREFIX.encode()), "root_path": "", "headers": kept}
