"""A JSON client on one open connection, which costs little compared with what it measures."""

import http.client
import json
import time
from typing import Any

# Servers close idle connections after some seconds: a new connection is made before that.
_SILENCE = 2.0


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status = status


class Rest:
    """A client of one server. `token` is sent with every call when it is set."""

    def __init__(self, host: str, port: int) -> None:
        self.token = ""
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._used = 0.0

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Return the answer's body. Raises Refused."""
        text = self.send(method, path, body, headers)
        return json.loads(text) if text else None

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
        """Return the answer's body as bytes. Raises Refused."""
        given = {"content-type": "application/json", "x-auth-token": self.token, **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        if time.monotonic() - self._used > _SILENCE:
            self._connection.close()
        self._connection.request(method, path, content, given)
        answer = self._connection.getresponse()
        text = answer.read()
        self._used = time.monotonic()
        if answer.status >= 300:
            raise Refused(answer.status, text.decode(errors="replace"))
        self.headers = answer.headers
        return text

    def log_in(self, auth: dict[str, str]) -> None:
        """Get a token by the `auth` of a `clouds.yaml`."""
        user = {"name": auth["username"], "domain": {"id": "default"}, "password": auth["password"]}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        self.call("POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        self.token = self.headers["x-subject-token"]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
