"""Clients that lose nothing in silence: several hundred requests a second, and connections that stay open."""

import http.client
import multiprocessing
import socket
import sys
import threading
import time

from hydria.adapters.linux.kernel import inside
from stand import until

_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
_PATIENCE = 10.0


class Crowd:
    """Clients that ask one after another, every second one on a new connection each time; counts what fails.

    In a process of its own, so that it does not wait for whoever measures.
    """

    def __init__(self, namespace: str, address: str, *, clients: int = 4, pause: float = 0.005) -> None:
        context = multiprocessing.get_context("fork")
        self._asked, self._lost = context.Value("q", 0), context.Value("q", 0)
        self._stop = context.Event()
        with inside(namespace):
            # The child stays in the namespace that it was born in.
            self._process = context.Process(target=self._run, args=(address, clients, pause), daemon=True)
            self._process.start()

    @property
    def asked(self) -> int:
        """How many requests have ended."""
        return int(self._asked.value)

    @property
    def lost(self) -> int:
        """How many of them were not answered by 200."""
        return int(self._lost.value)

    def __enter__(self) -> "Crowd":
        """Wait for nothing: it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._process.join()

    def more(self, count: int) -> None:
        """Wait for so many more requests. Raises TimeoutError."""
        goal = self.asked + count
        until(lambda: self.asked >= goal, 30)

    def _run(self, address: str, clients: int, pause: float) -> None:
        threads = [threading.Thread(target=self._ask, args=(address, bool(n % 2), pause)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, address: str, keep: bool, pause: float) -> None:
        connection = http.client.HTTPConnection(address, 80, timeout=_PATIENCE)
        while not self._stop.is_set():
            lost = False
            try:
                connection.request("GET", "/", headers={} if keep else {"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
                lost = answer.status != 200
            except (OSError, http.client.HTTPException) as error:
                lost = True
                sys.stderr.write(f"lost: {error!r}\n")
                connection.close()
            with self._asked.get_lock():
                self._asked.value += 1
                self._lost.value += lost
            time.sleep(pause)


class Stayers:
    """Connections that stay open: idle ones through a TCP listener, and requests of which half is sent."""

    def __init__(self, namespace: str, address: str, tcp_port: int, count: int = 4) -> None:
        with inside(namespace):
            self._idle = [socket.create_connection((address, tcp_port), timeout=_PATIENCE) for _ in range(count)]
            self._half = [socket.create_connection((address, 80), timeout=_PATIENCE) for _ in range(count)]
        for each in self._half:
            each.sendall(_REQUEST[:-2])

    def cut(self) -> int:
        """Finish them all; returns how many had been cut."""
        lost = 0
        for each, rest in [*((idle, _REQUEST) for idle in self._idle), *((half, _REQUEST[-2:]) for half in self._half)]:
            with each:
                try:
                    each.sendall(rest)
                    lost += not each.recv(4096).startswith(b"HTTP/1.1 200")
                except OSError:
                    lost += 1
        return lost
