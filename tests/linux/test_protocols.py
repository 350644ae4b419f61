"""HTTP listeners with WebSocket, HTTP/2, Expect, chunks, large bodies, gRPC, and thousands of connections."""

import asyncio
import base64
import hashlib
import http.client
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hydria.adapters.linux.netns import inside
from tests.linux.haproxies import Web
from tests.linux.machines import VIP, Machine
from tests.linux.wires import host, interface
from tests.support import certificates
from tests.support.trees import NETWORK, instance, listener, member, pool

TREE = (listener(), pool(), member(1))
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Talk = Callable[[socket.socket], None]


@contextmanager
def _answering(namespace: str, talk: Talk) -> Iterator[None]:
    """Call `talk` for each connection to the member's port 80."""
    with inside(namespace):
        waiting = socket.create_server(("10.0.0.11", 80))

    def accept() -> None:
        while True:
            try:
                connection, _ = waiting.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield
    finally:
        waiting.shutdown(socket.SHUT_RDWR)
        waiting.close()
        thread.join()


@pytest.fixture
async def namespace(machine: Machine) -> str:
    """The namespace of a member that the test implements."""
    return await asyncio.to_thread(host, machine.names, "web1", interface(NETWORK, "10.0.0.11/24"))


def _connect(machine: Machine) -> socket.socket:
    with inside(machine.client):
        return socket.create_connection((VIP, 80), timeout=10)


def _head(connection: socket.socket) -> bytes:
    """Read a head byte by byte, so that the rest stays unread."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, read
        read += byte
    return read


def _exactly(connection: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        part = connection.recv(count - len(read))
        assert part, read[:100]
        read += part
    return read


async def test_a_web_socket_survives_a_reload(machine: Machine, namespace: str) -> None:
    def talk(connection: socket.socket) -> None:
        with connection:
            key = next(
                line for line in _head(connection).split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
            )
            accept = base64.b64encode(hashlib.sha1(key.partition(b": ")[2] + _MAGIC.encode()).digest())  # noqa: S324
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            while data := connection.recv(100):
                connection.sendall(data.upper())

    with _answering(namespace, talk):
        await machine.host.serve(instance(*TREE))
        with _connect(machine) as client:
            key = base64.b64encode(os.urandom(16)).decode()
            client.sendall(
                f"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            head = await asyncio.to_thread(_head, client)
            assert head.startswith(b"HTTP/1.1 101")
            expected = base64.b64encode(hashlib.sha1(f"{key}{_MAGIC}".encode()).digest())  # noqa: S324
            assert expected in head
            client.sendall(b"hello")
            assert await asyncio.to_thread(_exactly, client, 5) == b"HELLO"
            await machine.host.serve(instance(listener(timeout_client_data=40000), *TREE[1:], generation=2))
            client.sendall(b"again")
            assert await asyncio.to_thread(_exactly, client, 5) == b"AGAIN"


async def test_expect_chunks_trailers_and_large_bodies_pass(machine: Machine, namespace: str) -> None:
    size = 5_000_000
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with connection:
            head = _head(connection)
            seen.append(head)
            if b"chunked" in head.lower():
                seen.append(_until(connection, b"X-Sum: 7\r\n\r\n"))
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
                connection.sendall(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\nX-End: yes\r\n\r\n")
                return
            if b"100-continue" in head:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            digest = hashlib.sha256(_exactly(connection, size)).hexdigest().encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(digest), digest))

    with _answering(namespace, talk):
        await machine.host.serve(instance(*TREE))
        body = os.urandom(size)
        with _connect(machine) as client:
            head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
            client.sendall(head.encode())
            assert (await asyncio.to_thread(_head, client)).startswith(b"HTTP/1.1 100")
            await asyncio.to_thread(client.sendall, body)
            assert (await asyncio.to_thread(_head, client)).startswith(b"HTTP/1.1 200")
            assert await asyncio.to_thread(_exactly, client, 64) == hashlib.sha256(body).hexdigest().encode()
        with _connect(machine) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            client.sendall(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n")
            answer = await asyncio.to_thread(_head, client)
            assert answer.startswith(b"HTTP/1.1 200")
            # HAProxy may split chunks differently; their content and the trailer are unchanged.
            rest = await asyncio.to_thread(_until, client, b"X-End: yes\r\n\r\n")
            assert b"first" in rest
            assert b"second" in rest
        assert b"abc" in seen[-1]
        assert b"defg" in seen[-1]


def _until(connection: socket.socket, end: bytes) -> bytes:
    read = b""
    while not read.lower().endswith(end.lower()):
        read += _exactly(connection, 1)
    return read


async def test_clients_may_use_http_2_with_prior_knowledge(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE))
    with inside(machine.client):
        process = await asyncio.create_subprocess_exec(
            *f"h2load --requests 200 --clients 4 --max-concurrent-streams 10 http://{VIP}/".split(),
            stdout=asyncio.subprocess.PIPE,
        )
    out, _ = await process.communicate()
    assert "200 succeeded, 0 failed, 0 errored" in out.decode()
    assert "Application protocol: h2c" in out.decode()


async def test_thousands_of_connections_at_once(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE))
    count = 2000

    def crowd() -> set[int]:
        with ExitStack() as stack:
            with inside(machine.client):
                connections = [
                    stack.enter_context(socket.create_connection((VIP, 80), timeout=20)) for _ in range(count)
                ]
            statuses = set()
            # All are open at once; each sends two requests on its connection.
            for _ in range(2):
                for start in range(0, count, 50):
                    some = connections[start : start + 50]
                    for each in some:
                        each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    for each in some:
                        response = http.client.HTTPResponse(each)
                        response.begin()
                        response.read()
                        statuses.add(response.status)
            return statuses

    assert await asyncio.to_thread(crowd) == {200}


async def test_grpc_uses_http_2_from_end_to_end(machine: Machine, namespace: str, tmp_path: Path) -> None:
    files = {"leaf": certificates.leaf("grpc.example.org").bundle, "root": certificates.authority().pem}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    http2: dict[str, Any] = {"alpn_protocols": ("h2",)}
    secure = listener(protocol="TERMINATED_HTTPS", protocol_port=443, default_tls_container_ref="leaf", **http2)
    towards = pool(tls_enabled=True, ca_tls_container_ref="root", **http2)
    await machine.host.serve(instance(secure, towards, member(1), secrets=files))
    server = await _peer(namespace, "server", "10.0.0.11:80", str(tmp_path / "leaf"))
    try:
        assert server.stdout is not None
        assert await server.stdout.readline() == b"serving\n"
        client = await _peer(machine.client, "client", f"{VIP}:443", str(tmp_path / "root"), "grpc.example.org")
        out, _ = await client.communicate()
        assert out.decode().splitlines() == ["hello", "0 1 0 1 2", "FAILED_PRECONDITION as asked"]
    finally:
        await server.communicate(b"")


async def _peer(namespace: str, *words: str) -> asyncio.subprocess.Process:
    with inside(namespace):
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("grpc_peer.py")),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
