"""Members of PROXY and PROXYV2 pools get the client's address, for every protocol of the listener."""

import asyncio
import socket

import pytest

from hydria.adapters.linux.netns import inside
from tests.linux.machines import VIP, Machine
from tests.linux.wires import host, interface
from tests.support.trees import NETWORK, instance, listener, member, pool

V1 = b"PROXY TCP4 10.0.0.50 10.0.0.10 "
# The signature, version 2 and PROXY, TCP over IPv4, 12 bytes, source and destination.
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([10, 0, 0, 50, 10, 0, 0, 10])


@pytest.mark.parametrize("protocol", ["TCP", "HTTP"])
@pytest.mark.parametrize(("kind", "begin"), [("PROXY", V1), ("PROXYV2", V2)])
async def test_the_first_bytes_are_the_proxy_header(machine: Machine, protocol: str, kind: str, begin: bytes) -> None:
    namespace = await asyncio.to_thread(host, machine.names, "web1", interface(NETWORK, "10.0.0.11/24"))
    with inside(namespace):
        waiting = socket.create_server(("10.0.0.11", 80))
    with waiting:
        waiting.settimeout(5)
        await machine.host.serve(instance(listener(protocol=protocol), pool(protocol=kind), member(1)))
        with inside(machine.client):
            client = socket.create_connection((VIP, 80), timeout=5)
        with client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            connection, _ = waiting.accept()
            with connection:
                connection.settimeout(5)
                assert connection.recv(1000).startswith(begin)
