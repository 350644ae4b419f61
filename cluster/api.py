"""A client of the cluster's API in one of its namespaces, which goes on to the next server when one is silent."""

import http.client
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.plan import PORT
from hydria.adapters.linux.netns import inside
from hydria.compose.credentials import Credentials
from hydria.errors import HydriaError

LBAAS = "/load-balancer/v2.0/lbaas"
OCTAVIA = "/load-balancer/v2.0/octavia"
AMPHORAE = f"{OCTAVIA}/amphorae"
NETWORK = "/network/v2.0"


_CONNECT_SECONDS = 2.0


class _NotConnected(OSError):
    """A server was not reached, so it has done nothing."""


class Unreachable(HydriaError):
    """No server answers."""


class Refused(HydriaError):
    """A server's answer is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status = status


class Api:
    """A client with the first admin's credentials."""

    def __init__(self, network: str, servers: Sequence[str], credentials: Path, *, timeout: float = 30) -> None:
        """`network` is the network namespace, `servers` are addresses, `credentials` is a `clouds.yaml`."""
        self._network = network
        self._servers = list(servers)
        self._credentials = credentials
        self._timeout = timeout
        self._token = ""

    def get(self, path: str) -> Any:
        """Return a resource or a collection. Raises Refused, Unreachable."""
        return self.call("GET", path)

    def make(self, collection: str, kind: str, **attributes: Any) -> dict[str, Any]:
        """Create a resource and return it. Raises Refused, Unreachable."""
        made: dict[str, Any] = self.call("POST", collection, {kind: attributes})[kind]
        return made

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer's body. Raises Refused, Unreachable."""
        if not self._token:
            self._log_in()
        try:
            _, text = self._ask(method, path, body)
        except Refused as refused:
            if refused.status != http.client.UNAUTHORIZED:
                raise
            self._log_in()
            _, text = self._ask(method, path, body)
        return json.loads(text) if text else None

    def answers(self, server: str) -> bool:
        """Return whether a server answers."""
        try:
            with self._connected(server) as connection:
                self._exchange(connection, "GET", "/identity/v3", None)
        except (Refused, OSError, http.client.HTTPException):
            return False
        return True

    def _log_in(self) -> None:
        given = Credentials.read(self._credentials)
        user = {"name": given.username, "domain": {"id": "default"}, "password": given.password}
        scope = {"project": {"name": given.project_name, "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        self._token = ""
        headers, _ = self._ask("POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        self._token = headers["x-subject-token"] or ""

    def _ask(self, method: str, path: str, body: Any) -> tuple[http.client.HTTPMessage, bytes]:
        reasons = []
        for server in list(self._servers):
            try:
                with self._connected(server) as connection:
                    return self._exchange(connection, method, path, body)
            except (OSError, http.client.HTTPException) as error:
                reasons.append(f"{server}: {error!r}")
                # The next call begins with another one.
                self._servers.remove(server)
                self._servers.append(server)
                # The server may have carried out a request that was sent.
                if method != "GET" and not isinstance(error, _NotConnected):
                    break
        raise Unreachable(f"No server answers: {', '.join(reasons)}")

    @contextmanager
    def _connected(self, server: str) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(server, PORT, timeout=self._timeout)
        try:
            with inside(self._network):
                connection.sock = socket.create_connection((server, PORT), timeout=_CONNECT_SECONDS)
        except OSError as error:
            raise _NotConnected(str(error)) from None
        connection.sock.settimeout(self._timeout)
        try:
            yield connection
        finally:
            connection.close()

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any
    ) -> tuple[http.client.HTTPMessage, bytes]:
        headers = {"content-type": "application/json", "x-auth-token": self._token}
        connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise Refused(answer.status, text.decode(errors="replace"))
        return answer.headers, text
