"""Members of every kind for health checks, on ports of one namespace: nginx, and a socket that only listens."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside
from tests.linux.wires import host, interface, wait_for_listener
from tests.support.certificates import authority, leaf

# Every member listens on the first two; the third has no host.
ADDRESS, SECOND, NO_HOST = "10.0.0.11", "10.0.0.12", "10.0.0.99"
NAME = "www.example.org"

# HTTP: 200, 500, 200 with the PROXY protocol, several paths.
RIGHT, WRONG, PROXIED = 80, 81, 82
# HTTPS: with HTTP/2, without, 500, only with SNI, only with a client certificate.
SECURE, SECURE_1, SECURE_WRONG, NAMED, MUTUAL = 443, 444, 445, 446, 447
# Accepts and sends nothing; refuses.
MUTE, REFUSING = 90, 91
PORTS = (RIGHT, WRONG, PROXIED, SECURE, SECURE_1, SECURE_WRONG, NAMED, MUTUAL, MUTE, REFUSING)

_LOCATIONS = f"""
    location / {{ return 200; }}
    location = /created {{ return 201; }}
    location = /missing {{ return 404; }}
    location = /head {{ if ($request_method != HEAD) {{ return 405; }} return 200; }}
    location = /old {{ if ($server_protocol != HTTP/1.0) {{ return 505; }} return 200; }}
    location = /new {{ if ($server_protocol != HTTP/1.1) {{ return 505; }} return 200; }}
    location = /named {{ if ($host != {NAME}) {{ return 404; }} return 200; }}
"""

_CONFIGURATION = f"""
daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{}}
http {{
    log_format asked escape=json '{{"port":$server_port,"host":"$http_host","name":"$ssl_server_name",'
        '"protocol":"$server_protocol","method":"$request_method","status":$status}}';
    access_log access.log asked;
    ssl_certificate member.pem; ssl_certificate_key member.pem; ssl_client_certificate root.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {RIGHT}; {_LOCATIONS} }}
    server {{ listen {WRONG}; return 500; }}
    server {{ listen {PROXIED} proxy_protocol; {_LOCATIONS} }}
    server {{ listen {SECURE} ssl http2; {_LOCATIONS} }}
    server {{ listen {SECURE_1} ssl; {_LOCATIONS} }}
    server {{ listen {SECURE_WRONG} ssl http2; return 500; }}
    server {{ listen {NAMED} ssl http2; ssl_reject_handshake on; }}
    server {{ listen {NAMED} ssl http2; server_name {NAME}; {_LOCATIONS} }}
    server {{ listen {MUTUAL} ssl http2; ssl_verify_client on; {_LOCATIONS} }}
}}
"""


class Asked(Struct, frozen=True):
    """One request as a member received it; `host` is its Host or authority, `name` the SNI."""

    port: int
    host: str
    name: str
    protocol: str
    method: str
    status: int


class Members:
    """The running members."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "access.log"

    def asked(self, port: int) -> list[Asked]:
        """Return the requests of a port."""
        whole, _, _ = self._log.read_bytes().rpartition(b"\n")
        found = [msgspec.json.decode(line, type=Asked) for line in whole.splitlines()]
        return [each for each in found if each.port == port]


@contextmanager
def members(names: Names, network_id: str, directory: Path) -> Iterator[Members]:
    """Run all members on a network."""
    namespace = host(names, "members", interface(network_id, f"{ADDRESS}/24", f"{SECOND}/24"))
    directory.mkdir()
    (directory / "member.pem").write_text(leaf(NAME).bundle)
    (directory / "root.pem").write_text(authority().pem)
    (directory / "nginx.conf").write_text(_CONFIGURATION)
    with contextlib.ExitStack() as running:
        with inside(namespace):
            running.enter_context(socket.create_server(("", MUTE), backlog=4096))
            nginx = subprocess.Popen(["nginx", "-p", str(directory), "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            wait_for_listener(namespace, MUTUAL)
            yield Members(directory)
        finally:
            nginx.terminate()
            nginx.wait(10)
