"""Both ends of a gRPC service, each a process of its own: a member's server and a client.

`server ADDRESS CERTIFICATE` serves until its standard input ends; `client ADDRESS AUTHORITY NAME` prints the answers.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

_ECHO, _COUNT = "/test.Test/Echo", "/test.Test/Count"


class _Service(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Echoes one message, counts up to another, and refuses everything else."""

    def service(self, details: Any) -> Any:
        if details.method == _ECHO:
            return grpc.unary_unary_rpc_method_handler(_echo)
        if details.method == _COUNT:
            return grpc.stream_stream_rpc_method_handler(_count)
        return None


def _echo(request: bytes, context: Any) -> bytes:
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
    return request


def _count(requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
    for request in requests:
        for number in range(int(request)):
            yield b"%d" % number


def _serve(address: str, certificate: str) -> None:
    pem = Path(certificate).read_bytes()
    chain, _, key = pem.partition(b"-----BEGIN PRIVATE KEY-----")
    server = grpc.server(ThreadPoolExecutor(4), handlers=(_Service(),))
    server.add_secure_port(address, grpc.ssl_server_credentials([(b"-----BEGIN PRIVATE KEY-----" + key, chain)]))
    server.start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(None)


def _ask(address: str, authority: str, name: str) -> None:
    credentials = grpc.ssl_channel_credentials(Path(authority).read_bytes())
    with grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", name)]) as channel:
        echo = channel.unary_unary(_ECHO)
        sys.stdout.write(f"{echo(b'hello', timeout=20).decode()}\n")
        counted = channel.stream_stream(_COUNT)(iter([b"2", b"3"]), timeout=20)
        sys.stdout.write(f"{b' '.join(counted).decode()}\n")
        try:
            echo(b"fail", timeout=20)
        except grpc.RpcError as error:
            # The status is in the trailers.
            sys.stdout.write(f"{error.code().name} {error.details()}\n")


if __name__ == "__main__":
    if sys.argv[1] == "server":
        _serve(*sys.argv[2:])
    else:
        _ask(*sys.argv[2:])
