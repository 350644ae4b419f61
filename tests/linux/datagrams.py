"""Members that answer datagrams, and a client that sends them, in namespaces on the switch."""

import itertools
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside, netlink
from tests.linux.wires import host, interface

_ports = itertools.count(20000)


class Echo:
    """A UDP server that answers with its name and records its clients."""

    def __init__(self, namespace: str, name: str, address: str, port: int = 5353) -> None:
        self.name = name
        self.askers: list[str] = []
        self._namespace = namespace
        self._end = (address, port)
        self._socket: socket.socket | None = None
        self.start()

    def start(self) -> None:
        """Begin to answer."""
        with inside(self._namespace):
            made = socket.socket(socket.AF_INET6 if ":" in self._end[0] else socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(self._end)
        self._socket = made
        threading.Thread(target=self._answer, args=(made,), daemon=True).start()

    def _answer(self, own: socket.socket) -> None:
        # A socket that was shut down reads as an empty datagram without a sender.
        with suppress(OSError):
            while True:
                data, asker = own.recvfrom(2048)
                if not asker:
                    return
                self.askers.append(asker[0])
                own.sendto(self.name.encode() + b" " + data, asker)

    def stop(self) -> None:
        """Close the socket, so that the kernel refuses datagrams. May be repeated."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None


@contextmanager
def echoes(names: Names, network_id: str, *addresses: str, name: str = "echo") -> Iterator[list[Echo]]:
    """Run a server `echo1`, `echo2` … at each address."""
    running = []
    for number, each in enumerate(addresses, start=1):
        namespace = host(names, f"{name}{number}", interface(network_id, each))
        running.append(Echo(namespace, f"{name}{number}", each.partition("/")[0]))
    try:
        yield running
    finally:
        for echo in running:
            echo.stop()


class Client:
    """One socket, so that all its datagrams have the same source address and port."""

    def __init__(self, namespace: str, address: str, port: int = 53, *, source: str = "", seconds: float = 2) -> None:
        with inside(namespace):
            self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        # A reused port may belong to a flow that connection tracking still has.
        self._socket.bind((source, next(_ports)))
        self._socket.settimeout(seconds)
        self._socket.connect((address, port))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *args: object) -> None:
        self._socket.close()

    def ask(self, text: str = "x") -> str:
        """Return the name of the member that answers. Raises OSError when refused or after the timeout."""
        self._socket.send(text.encode())
        name, _, echoed = self._socket.recv(2048).decode().partition(" ")
        assert echoed == text
        return name


def ask(namespace: str, address: str, port: int = 53, *, source: str = "", seconds: float = 2) -> str:
    """Send one datagram from a new socket; return the name of the member that answers. Raises OSError."""
    with Client(namespace, address, port, source=source, seconds=seconds) as client:
        return client.ask()


def shares(namespace: str, address: str, number: int, port: int = 53, *, source: str = "") -> Counter[str]:
    """Return how many of `number` new flows each member answered."""
    return Counter(ask(namespace, address, port, source=source) for _ in range(number))


def add_address(namespace: str, address: str) -> None:
    """Add an address with its prefix length to the first link of a namespace."""
    ip, _, prefix = address.partition("/")
    with netlink(namespace) as here:
        no_waiting = {"flags": 2} if ":" in ip else {}
        here.addr("add", index=here.link_lookup(ifname="eth0")[0], address=ip, prefixlen=int(prefix), **no_waiting)
