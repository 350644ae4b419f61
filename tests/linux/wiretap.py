"""A member that records requests: PROXY protocol, TLS and its names, path and port."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside
from tests.linux.wires import host, interface
from tests.support.certificates import authority, leaf
from tests.support.trees import NETWORK

_PROXY_2 = b"\r\n\r\n\x00\r\nQUIT\n"


class Spoken(Struct, frozen=True):
    """One request; `proxy` is the version of the PROXY protocol or 0, `name` the SNI."""

    address: str
    port: int
    path: str
    proxy: int = 0
    tls: bool = False
    name: str = ""
    client: bool = False
    version: str = ""
    cipher: str = ""
    alpn: str = ""


class Wiretap:
    """Members at some addresses and ports, which answer every HTTP request with 200."""

    def __init__(
        self, names: Names, directory: Path, addresses: tuple[str, ...], ports: tuple[int, ...], network_id: str
    ) -> None:
        self.spoken: list[Spoken] = []
        self._certificate = directory / "member.pem"
        self._certificate.write_text(leaf("member.example.org").bundle)
        self._root = authority().pem
        namespace = host(names, "wiretap", interface(network_id, *(f"{each}/24" for each in addresses)))
        with inside(namespace):
            self._servers = [socket.create_server((each, port), backlog=64) for each in addresses for port in ports]
        for server in self._servers:
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        address, port = connection.getsockname()
        connection.settimeout(10)
        with contextlib.suppress(OSError), connection:
            proxy = _proxy(connection)
            tls: dict[str, object] = {}
            if connection.recv(1, socket.MSG_PEEK) == b"\x16":
                connection, tls = self._wrap(connection)
            with connection:
                path = connection.recv(4096).split(b" ")[1].decode()
                self.spoken.append(Spoken(address, port, path, proxy, **tls))  # type: ignore[arg-type]
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def _wrap(self, connection: socket.socket) -> tuple[socket.socket, dict[str, object]]:
        names: list[str] = []
        how = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        how.load_cert_chain(self._certificate)
        how.load_verify_locations(cadata=self._root)
        how.verify_mode = ssl.CERT_OPTIONAL
        how.sni_callback = lambda _, name, __: names.append(name or "")
        how.set_alpn_protocols(["http/1.1", "http/1.0"])
        wrapped = how.wrap_socket(connection, server_side=True)
        return wrapped, {
            "tls": True,
            "name": "".join(names),
            "client": bool(wrapped.getpeercert()),
            "version": wrapped.version() or "",
            "cipher": (wrapped.cipher() or ("",))[0],
            "alpn": wrapped.selected_alpn_protocol() or "",
        }


def _proxy(connection: socket.socket) -> int:
    """Read the header of the PROXY protocol, if there is one; returns its version."""
    begin = connection.recv(12, socket.MSG_PEEK)
    if begin == _PROXY_2:
        header = connection.recv(16, socket.MSG_WAITALL)
        connection.recv(int.from_bytes(header[14:16], "big"), socket.MSG_WAITALL)
        return 2
    if begin.startswith(b"PROXY "):
        while connection.recv(1) != b"\n":
            pass
        return 1
    return 0


@contextmanager
def wiretap(
    names: Names, directory: Path, addresses: tuple[str, ...], ports: tuple[int, ...], network_id: str = NETWORK
) -> Iterator[Wiretap]:
    """Run recording members."""
    running = Wiretap(names, directory, addresses, ports, network_id)
    try:
        yield running
    finally:
        running.close()
