"""A member whose connections stay open: it echoes after an upgrade, and sends a download in pieces."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside
from tests.linux.wires import host, interface
from tests.support.trees import NETWORK

PORT = 9000
PIECES = 200
_UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


def _serve(client: socket.socket) -> None:
    with client, contextlib.suppress(OSError):
        head = client.recv(4096)
        if head.startswith(b"GET /download"):
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % PIECES)
            for _ in range(PIECES):
                client.sendall(b".")
                time.sleep(0.02)
            return
        client.sendall(_UPGRADED if b"pgrade" in head else head)
        while said := client.recv(4096):
            client.sendall(said)


@contextmanager
def streams(names: Names, address: str) -> Iterator[None]:
    """Run the member at an address."""
    namespace = host(names, "streams", interface(NETWORK, f"{address}/24"))
    with inside(namespace):
        listener = socket.create_server((address, PORT), backlog=512)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=_serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.close()


class Session:
    """A client's connection on which everything is echoed, after a head where HTTP is spoken."""

    def __init__(self, namespace: str, address: str, port: int, *, upgrade: bool = False) -> None:
        with inside(namespace):
            self._socket = socket.create_connection((address, port), 60)
        if upgrade:
            request = f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
            self._socket.sendall(request.encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += self._socket.recv(4096)
            assert b" 101 " in answer, answer

    def say(self, text: str) -> str:
        """Send a text and return what comes back."""
        self._socket.sendall(text.encode())
        heard = b""
        while len(heard) < len(text) and (more := self._socket.recv(4096)):
            heard += more
        return heard.decode()

    def close(self) -> None:
        self._socket.close()
