"""Trailing slashes: some APIs answer `/things/` like `/things`, as Octavia and Barbican do."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from hydria.http.operation import Mount


class TrailingSlashes:
    """Removes the slashes at the end of paths, below the prefixes of the mounts that allow them."""

    def __init__(self, app: ASGIApp, mounts: Iterable[Mount]) -> None:
        self._app = app
        self._prefixes = tuple(f"{prefix}/" for mount in mounts if mount.slashes for prefix in mount.prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.endswith("/") and path.startswith(self._prefixes):
            scope = {**scope, "path": path.rstrip("/")}
        await self._app(scope, receive, send)
