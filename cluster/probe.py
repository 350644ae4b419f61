"""Clients that count: requests begun at a fixed rate, whatever the answers do, and connections that stay open.

A probe is one thread, which spends its life in the client's network namespace.
"""

import errno
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise

from msgspec import Struct

from hydria.adapters.linux.netns import inside

_OPEN = (0, errno.EINPROGRESS)


class Outcome(Struct, frozen=True):
    """A request: when it was begun (monotonic seconds), and why it failed; None when it was answered in time."""

    begun: float
    failure: str | None


class _Request:
    """A request on a connection of its own."""

    def __init__(self, target: tuple[str, int], deadline: float) -> None:
        self.begun = time.monotonic()
        self.deadline = deadline
        self.answer = b""
        self._sent = False
        self.socket = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
        self.socket.setblocking(False)
        self.error = self.socket.connect_ex(target)

    def go_on(self, host: str) -> bool:
        """Do what the socket is ready for; return whether the answer is complete. Raises OSError."""
        if not self._sent:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, errno.errorcode[code])
            self.socket.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            self._sent = True
            return False
        part = self.socket.recv(4096)
        self.answer += part
        if part:
            return False
        if not self.answer.startswith(b"HTTP/1.1 200"):
            raise OSError(0, self.answer.split(b"\r\n")[0].decode(errors="replace") or "closed without an answer")
        return True


class Probe:
    """Sends HTTP requests at a rate, each on a new connection, while the block runs."""

    def __init__(
        self, network: str, address: str, *, port: int = 80, rate: float = 100.0, timeout: float = 1.0
    ) -> None:
        """`rate` is in requests a second. A request without an answer after `timeout` seconds has failed."""
        self.outcomes: list[Outcome] = []
        self._network = network
        self._target = (address, port)
        self._interval = 1 / rate
        self._timeout = timeout
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def between(self, first: float, last: float) -> "Summary":
        """Summarize the requests that were begun between two moments (monotonic seconds) and have ended."""
        return Summary.of([outcome for outcome in list(self.outcomes) if first <= outcome.begun < last])

    def wait_for_answer(self, moment: float, seconds: float) -> bool:
        """Wait until a request that was begun after a moment was answered; return whether one was."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(each.failure is None for each in self.outcomes[-50:] if each.begun >= moment):
                return True
            time.sleep(0.02)
        return False

    def steady(self) -> bool:
        """Return whether the requests of the last second, or of the last timeout if it is longer, were answered."""
        now = time.monotonic()
        recent = [each for each in self.outcomes[-10_000:] if each.begun >= now - max(1.0, self._timeout) - 0.5]
        # Requests that wait for their answers are not among the outcomes yet.
        fresh = any(each.begun > now - 0.5 for each in recent)
        return fresh and recent[0].begun < now - self._timeout and all(each.failure is None for each in recent)

    def _run(self) -> None:
        with inside(self._network), selectors.DefaultSelector() as selector:
            due = time.monotonic()
            open_ones: set[_Request] = set()
            while not self._over.is_set() or open_ones:
                now = time.monotonic()
                if not self._over.is_set() and now >= due:
                    # After a pause of this process the rate is not made up for: it would be a burst.
                    due = max(due + self._interval, now - 10 * self._interval)
                    self._begin(selector, open_ones)
                for key, _ in selector.select(max(0.0, min(due - time.monotonic(), 0.02))):
                    self._go_on(selector, open_ones, key.data)
                self._expire(selector, open_ones)

    def _begin(self, selector: selectors.BaseSelector, open_ones: set[_Request]) -> None:
        request = _Request(self._target, time.monotonic() + self._timeout)
        if request.error not in _OPEN:
            self._end(request, errno.errorcode.get(request.error, str(request.error)))
            return
        open_ones.add(request)
        selector.register(request.socket, selectors.EVENT_WRITE, request)

    def _go_on(self, selector: selectors.BaseSelector, open_ones: set[_Request], request: _Request) -> None:
        failure = None
        try:
            if not request.go_on(self._target[0]):
                selector.modify(request.socket, selectors.EVENT_READ, request)
                return
        except OSError as error:
            failure = error.strerror or str(error)
        selector.unregister(request.socket)
        open_ones.discard(request)
        self._end(request, failure)

    def _expire(self, selector: selectors.BaseSelector, open_ones: set[_Request]) -> None:
        now = time.monotonic()
        for request in [each for each in open_ones if each.deadline < now]:
            selector.unregister(request.socket)
            open_ones.discard(request)
            self._end(request, "no answer in time")

    def _end(self, request: _Request, failure: str | None) -> None:
        request.socket.close()
        self.outcomes.append(Outcome(request.begun, failure))


class Summary(Struct, frozen=True, kw_only=True):
    """What a client saw: requests, the lost ones with their reasons, and the longest time without an answer (s)."""

    requests: int
    lost: int
    reasons: dict[str, int]
    gap: float

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> "Summary":
        """Summarize requests. The gap is between the beginnings of two answered ones that have lost ones between."""
        ordered = sorted(outcomes, key=lambda each: each.begun)
        gap, last = 0.0, ordered[0].begun if ordered else 0.0
        for before, outcome in pairwise(ordered):
            if outcome.failure is None:
                gap = max(gap, outcome.begun - last if before.failure is not None else 0.0)
                last = outcome.begun
        if ordered and ordered[-1].failure is not None:
            gap = max(gap, ordered[-1].begun - last)
        reasons = Counter(each.failure for each in outcomes if each.failure is not None)
        return cls(requests=len(outcomes), lost=reasons.total(), reasons=dict(reasons), gap=gap)

    def __str__(self) -> str:
        """Describe it in a line."""
        why = f" ({', '.join(f'{count} x {reason}' for reason, count in self.reasons.items())})" if self.lost else ""
        gap = f", {self.gap:.2f} s without an answer" if self.lost else ""
        return f"{self.requests} requests, {self.lost} lost{why}{gap}"


class Sessions:
    """Connections that stay open: each sends a line four times a second and expects it back (`member.py`)."""

    def __init__(self, network: str, address: str, port: int, *, count: int = 10, patience: float = 5.0) -> None:
        self.cut: list[str] = []
        self._network = network
        self._target = (address, port)
        self._patience = patience
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self) -> "Sessions":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with inside(self._network):
            connection = socket.create_connection(self._target, timeout=self._patience)
        lines, number = connection.makefile("rwb"), 0
        try:
            lines.readline()
            while not self._over.wait(0.25):
                number += 1
                lines.write(f"{number}\n".encode())
                lines.flush()
                if lines.readline() != f"{number}\n".encode():
                    raise OSError(0, "closed")
        except OSError as error:
            self.cut.append(error.strerror or repr(error))
        finally:
            with suppress(OSError):
                lines.close()
            connection.close()


def ask_http(network: str, address: str, port: int, timeout: float) -> str:
    """Return the member that answers an HTTP request. Raises OSError."""
    with connected(network, (address, port), timeout) as connection:
        return _answered(connection, address)


def ask_tls(network: str, address: str, port: int, timeout: float) -> str:
    """Return the member that answers an HTTP request over TLS; any certificate will do. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with connected(network, (address, port), timeout) as plain, context.wrap_socket(plain) as connection:
        return _answered(connection, address)


def ask_tcp(network: str, address: str, port: int, timeout: float, source: str = "") -> str:
    """Return the member that answers a TCP connection, from a source address if there is one. Raises OSError."""
    with connected(network, (address, port), timeout, source) as connection:
        answer = connection.recv(100).decode().strip()
    if not answer:
        raise OSError(0, "closed without an answer")
    return answer


def ask_udp(network: str, address: str, port: int, timeout: float) -> str:
    """Return the member that answers a datagram. Raises OSError."""
    with inside(network):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.settimeout(timeout)
        client.sendto(b"?", (address, port))
        return client.recv(100).decode().split()[0]


def _answered(connection: socket.socket, host: str) -> str:
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode(errors="replace")
    head, _, body = answer.partition("\r\n\r\n")
    if not head.startswith("HTTP/1.1 200"):
        raise OSError(0, head.partition("\r\n")[0] or "closed without an answer")
    return body.strip().removeprefix("you hit: ")


def connected(network: str, target: tuple[str, int], timeout: float, source: str = "") -> socket.socket:
    """Return a TCP connection from a network namespace, with any source address or this one. Raises OSError."""
    with inside(network):
        return socket.create_connection(target, timeout=timeout, source_address=(source, 0) if source else None)
