"""Clients that count every loss: hundreds of requests and datagrams a second, and connections that stay open."""

import http.client
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from hydria.adapters.linux.netns import inside
from stand import until

_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
_PATIENCE = 10.0
# A datagram that has not come back by then is lost: it is not sent again.
_DATAGRAM_PATIENCE = 2.0


class Client(Protocol):
    """A client of the load balancer."""

    def ask(self) -> bool:
        """Send one request; return False without a correct answer."""
        ...


class WebClient:
    """Sends HTTP requests: on one connection when `kept`, else on a new one each time."""

    def __init__(self, address: str, *, kept: bool) -> None:
        self._connection = http.client.HTTPConnection(address, 80, timeout=_PATIENCE)
        self._headers = {} if kept else {"Connection": "close"}

    def ask(self) -> bool:
        """Send one request; return False without a 200."""
        try:
            self._connection.request("GET", "/", headers=self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            sys.stderr.write(f"lost: {error!r}\n")
            self._connection.close()
            return False
        return answer.status == 200


class DatagramClient:
    """Sends datagrams to an echo: in one flow when `kept`, else in a new one each time."""

    def __init__(self, address: str, port: int, *, kept: bool) -> None:
        self._end = (address, port)
        self._kept = kept
        self._number = 0
        self._socket: socket.socket | None = None

    def ask(self) -> bool:
        """Send one datagram; return False when it does not come back."""
        flow = self._socket or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket = flow if self._kept else None
        self._number += 1
        try:
            flow.settimeout(_DATAGRAM_PATIENCE)
            flow.connect(self._end)
            flow.send(str(self._number).encode())
            # A late answer must not count for the next datagram.
            while int(flow.recv(64)) != self._number:
                pass
        except OSError as error:
            sys.stderr.write(f"lost: datagram {self._number}, kept={self._kept}: {error!r}\n")
            return False
        finally:
            if not self._kept:
                flow.close()
        return True


@contextmanager
def echoes(namespace: str, address: str, ports: Sequence[int]) -> Iterator[None]:
    """Send every datagram to these ports back."""
    context = multiprocessing.get_context("fork")
    with inside(namespace):
        ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]
    for end, port in zip(ends, ports, strict=True):
        end.bind((address, port))
    process = context.Process(target=_echo, args=(ends,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        for end in ends:
            end.close()


def _echo(ends: Sequence[socket.socket]) -> None:
    def answer(end: socket.socket) -> None:
        while True:
            end.sendto(*end.recvfrom(64))

    threads = [threading.Thread(target=answer, args=(end,)) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Crowd:
    """Clients that send requests one after another, every second client `kept`; counts failures.

    They run in a process of their own, so that they do not wait for the measuring process.
    """

    def __init__(
        self, namespace: str, client: Callable[[bool], Client], *, clients: int = 4, pause: float = 0.005
    ) -> None:
        """`client` makes a client; its argument is `kept`."""
        context = multiprocessing.get_context("fork")
        self._asked, self._lost = context.Value("q", 0), context.Value("q", 0)
        self._stop = context.Event()
        with inside(namespace):
            # The child process stays in the namespace in which it was forked.
            self._process = context.Process(target=self._run, args=(client, clients, pause), daemon=True)
            self._process.start()

    @property
    def asked(self) -> int:
        """The number of finished requests."""
        return int(self._asked.value)

    @property
    def lost(self) -> int:
        """The number of requests without a correct answer."""
        return int(self._lost.value)

    def __enter__(self) -> "Crowd":
        """Return at once: the clients run already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the clients."""
        self._stop.set()
        self._process.join()

    def more(self, count: int) -> None:
        """Wait for `count` more requests. Raises TimeoutError."""
        goal = self.asked + count
        until(lambda: self.asked >= goal, 30)

    def _run(self, client: Callable[[bool], Client], clients: int, pause: float) -> None:
        made = [client(bool(number % 2)) for number in range(clients)]
        threads = [threading.Thread(target=self._ask, args=(each, pause)) for each in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, client: Client, pause: float) -> None:
        while not self._stop.is_set():
            answered = client.ask()
            with self._asked.get_lock():
                self._asked.value += 1
                self._lost.value += not answered
            time.sleep(pause)


class Stayers:
    """Connections that stay open: idle ones through a TCP listener, and half-sent requests."""

    def __init__(self, namespace: str, address: str, tcp_port: int, count: int = 4) -> None:
        with inside(namespace):
            self._idle = [socket.create_connection((address, tcp_port), timeout=_PATIENCE) for _ in range(count)]
            self._half = [socket.create_connection((address, 80), timeout=_PATIENCE) for _ in range(count)]
        for each in self._half:
            each.sendall(_REQUEST[:-2])

    def cut(self) -> int:
        """Finish all connections; return how many had been cut."""
        lost = 0
        for each, rest in [*((idle, _REQUEST) for idle in self._idle), *((half, _REQUEST[-2:]) for half in self._half)]:
            with each:
                try:
                    each.sendall(rest)
                    lost += not each.recv(4096).startswith(b"HTTP/1.1 200")
                except OSError:
                    lost += 1
        return lost
