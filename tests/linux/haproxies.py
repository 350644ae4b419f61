"""Web servers as members and clients of an amphora, in namespaces on the switch."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside
from tests.linux.wires import host, interface


class Web:
    """A web server that answers `you hit: <name>` with `status`, which may be changed at any time; 0 closes at once."""

    def __init__(
        self, names: Names, network_id: str, name: str, address: str, port: int = 80, *, via: str | None = None
    ) -> None:
        self.status = 200
        # The statuses of the next answers; after them `status` is used again.
        self.script: list[int] = []
        self.requests = 0
        self.peer = ""
        # The path of the last request, as it came.
        self.path = ""
        # The headers of the last request, as (name, value), and additional headers of answers.
        self.headers: list[tuple[str, str]] = []
        self.answers: dict[str, str] = {}
        # The TLS context, used from the next start on.
        self.tls: ssl.SSLContext | None = None
        self.namespace = host(names, name, interface(network_id, f"{address}/{64 if ':' in address else 24}", via=via))
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.requests += 1
                web.peer = self.client_address[0]
                web.path = self.requestline.split()[1]
                web.headers = self.headers.items()
                content = f"you hit: {name}\n".encode()
                status = web.script.pop(0) if web.script else web.status
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                for header in web.answers.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the library calls it by this name

            def log_message(self, *args: Any) -> None:
                pass

        self._handler = Handler
        self._address = (address, port)
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        """Begin to listen."""
        with inside(self.namespace):
            self._server = _Server(self._address, self._handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Close the socket, so that connections are refused. May be repeated."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not print errors of connections that the client closed: clients under load end that way."""


@contextmanager
def webs(names: Names, network_id: str, *addresses: str) -> Iterator[list[Web]]:
    """Run a web server `web1`, `web2` … at each address."""
    running = [Web(names, network_id, f"web{number}", address) for number, address in enumerate(addresses, start=1)]
    try:
        yield running
    finally:
        for web in running:
            web.stop()


def get(namespace: str, address: str, port: int = 80, *, timeout: float = 5, method: str = "GET") -> tuple[int, str]:
    """Send one request on a new connection; return status and body."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    answer, body = ask(namespace, connection, "/", method=method)
    return answer.status, body


def ask(
    namespace: str,
    connection: http.client.HTTPConnection,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, str]:
    """Connect, send one request and close; return the answer and its body."""
    with inside(namespace):
        connection.connect()
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


class Load:
    """Clients that send requests one after another, each on a new connection, until they are stopped."""

    def __init__(self, namespace: str, address: str, clients: int = 4) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._target = (namespace, address)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status, body = get(*self._target)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            else:
                self.answers += 1
                if status != 200:
                    self.failures.append(f"{status} {body}")
