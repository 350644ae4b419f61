"""The agent's HTTP check of one member, which answers as it likes."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from hydria.adapters.linux.checking.probes import HttpProbe, Target, Unwell
from hydria.adapters.linux.names import Names
from tests.support.trees import key

_NO_HTTP = "it does not answer in HTTP"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Run a server that gives each client this answer and hangs up; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                assert client.recv(4096).startswith(b"GET /well HTTP/1.0\r\nHost: 127.0.0.1\r\n")
                client.sendall(answer)

        served = thread.submit(serve)
        yield server.getsockname()[1]
        failure = served.exception(60)
        # A check hangs up in the middle of an endless head.
        if failure is not None and not isinstance(failure, ConnectionError):
            raise failure


def probe(names: Names, port: int) -> HttpProbe:
    return HttpProbe(
        Target(
            namespace=f"{names.prefix}machine",
            member_id=key("3", 1),
            address="127.0.0.1",
            port=port,
            type="HTTP",
            delay=1,
            timeout=1,
            rise=1,
            fall=1,
            http_method="GET",
            url_path="/well",
            expected_codes="200,300-302",
            http_version=None,
            domain_name=None,
        )
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_expected_status_is_healthy(names: Names, answer: bytes) -> None:
    with answering(answer) as port:
        await probe(names, port).ask()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "it answers with status 503"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", _NO_HTTP),
        (b"HTTP/1.1 200 OK\r\n", _NO_HTTP),
        (b"SSH-2.0-OpenSSH\r\n\r\n", _NO_HTTP),
        (b"", _NO_HTTP),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, _NO_HTTP),
    ],
    ids=["other status", "hints only", "half a head", "other protocol", "nothing", "endless head"],
)
async def test_anything_else_is_unwell(names: Names, answer: bytes, reason: str) -> None:
    with answering(answer) as port, pytest.raises(Unwell, match=reason):
        await probe(names, port).ask()
