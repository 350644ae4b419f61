"""TCP servers and clients inside namespaces, as threads of the test process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from hydria.adapters.linux.kernel import ensure_interface
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, inside, netlink
from hydria.contract import Address, Interface, Route

PORT = 8080


def uuid() -> str:
    return str(uuid4())


def interface(network_id: str, *addresses: str, via: str | None = None) -> Interface:
    """An interface with a MAC of its own; addresses as `10.0.0.5/24`, `via` the default gateway."""
    parted = [address.partition("/") for address in addresses]
    tail = uuid4().hex
    return Interface(
        port_id=uuid(),
        network_id=network_id,
        mac=f"fa:16:3e:{tail[:2]}:{tail[2:4]}:{tail[4:6]}",
        addresses=tuple(Address(ip=ip, prefix=int(prefix)) for ip, _, prefix in parted),
        routes=() if via is None else (Route(destination="0.0.0.0/0", via=via),),
    )


def host(names: Names, name: str, nic: Interface) -> str:
    """Make a namespace with one interface; return its name."""
    namespace = names.lab(name)
    ensure_namespace(namespace)
    ensure_interface(names, namespace, "eth0", nic)
    return namespace


def wait_for_listener(namespace: str, port: int, seconds: float = 60) -> None:
    """Wait until another program listens on a TCP port: an earlier health check would find the member down."""
    deadline = time.monotonic() + seconds
    # The kernel's format: `<slot> <address>:<port> <peer> <state>`, where 0A is LISTEN.
    wanted = f":{port:04X}", "0A"
    with inside(namespace):
        while True:
            tables = [Path(f"/proc/thread-self/net/{table}").read_text() for table in ("tcp", "tcp6")]
            rows = [line.split() for table in tables for line in table.splitlines()]
            if any((row[1][-5:], row[3]) == wanted for row in rows):
                return
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.01)


@contextmanager
def server(namespace: str, address: str, greeting: str = "") -> Iterator[None]:
    """Answer every connection with the greeting and the client's address as the server sees it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(namespace):
        listener = socket.create_server((address, PORT), family=family)

    def answer() -> None:
        while True:
            try:
                client, peer = listener.accept()
            except OSError:
                return
            with client:
                client.sendall(f"{greeting}{peer[0]}".encode())

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def ask(namespace: str | None, address: str, *, seconds: float = 0.9) -> str:
    """Connect from a namespace (None: the thread's own) and return the answer. Raises OSError.

    The default is less than a second, so that a lost ARP request or SYN is a failure.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if namespace is None:
        client = socket.socket(family)
    else:
        with inside(namespace):
            client = socket.socket(family)
    with client:
        client.settimeout(seconds)
        client.connect((address, PORT))
        return client.recv(1000).decode()


def addresses(namespace: str, link: str) -> set[str]:
    """Return the addresses of a link as `10.0.0.5/24`, without link-local ones."""
    with netlink(namespace) as socket_:
        index = socket_.link_lookup(ifname=link)[0]
        return {
            f"{address.get('address')}/{address['prefixlen']}"
            for address in socket_.get_addr(index=index)
            if address["scope"] == 0
        }
