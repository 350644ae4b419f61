"""Calls of this server's own APIs inside the process."""

from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Scope

from hydria.protocols import HttpAnswer

Headers = dict[str, str]


class InProcess:
    """An ASGI application as a `hydria.protocols.Http`, without a connection."""

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        """`prefix` comes before each path."""
        self._app = app
        self._prefix = prefix

    async def send(self, method: str, path: str, headers: Headers, body: Any = None, source: str = "") -> HttpAnswer:
        content = b"" if body is None else msgspec.json.encode(body)
        sent = headers | ({} if body is None else {"content-type": "application/json"})
        status, received, parts = 500, Headers(), list[bytes]()

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, received
            if message["type"] == "http.response.start":
                status = message["status"]
                received = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            else:
                parts.append(message.get("body", b""))

        await self._app(self._scope(method, path, sent, source), receive, send)
        return HttpAnswer(status=status, headers=received, body=b"".join(parts))

    def _scope(self, method: str, path: str, headers: Headers, source: str) -> Scope:
        path, _, query = (self._prefix + path).partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            "client": (source, 0),
            "server": ("localhost", 0),
            "state": {},
        }
