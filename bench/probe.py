"""A client in a namespace that sends requests repeatedly, to get the time of the first answer."""

import selectors
import socket
import threading
import time

from hydria.adapters.linux.netns import inside

_REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
# The interval of attempts (seconds): an early one may have had no receiver.
_PACE = 0.002
_PATIENCE = 20.0


def first_answer(namespace: str, address: str, port: int = 80) -> float:
    """Return the time (`time.perf_counter`) of the first 200. Raises TimeoutError."""
    deadline = time.perf_counter() + _PATIENCE
    with inside(namespace), selectors.DefaultSelector() as selector:
        try:
            while time.perf_counter() < deadline:
                attempt = socket.socket()
                attempt.setblocking(False)
                attempt.connect_ex((address, port))
                selector.register(attempt, selectors.EVENT_WRITE)
                came = _await_any(selector, time.perf_counter() + _PACE)
                if came is not None:
                    return came
        finally:
            for key in list(selector.get_map().values()):
                _drop(selector, key.fileobj)
    raise TimeoutError(f"no answer from {address}:{port} within {_PATIENCE:.0f} s")


def _await_any(selector: selectors.BaseSelector, until: float) -> float | None:
    while (left := until - time.perf_counter()) > 0:
        for key, events in selector.select(left):
            attempt = key.fileobj
            assert isinstance(attempt, socket.socket)  # noqa: S101 - nothing else is registered
            try:
                if events & selectors.EVENT_WRITE:
                    attempt.send(_REQUEST)
                    selector.modify(attempt, selectors.EVENT_READ)
                elif attempt.recv(4096).split(b" ", 2)[1:2] == [b"200"]:
                    return time.perf_counter()
                else:
                    _drop(selector, attempt)
            except OSError:
                _drop(selector, attempt)
    return None


def _drop(selector: selectors.BaseSelector, attempt: object) -> None:
    assert isinstance(attempt, socket.socket)  # noqa: S101 - nothing else is registered
    selector.unregister(attempt)
    attempt.close()


class Load:
    """A light steady load on one connection; records when each answer's text was first seen since `forget`."""

    def __init__(self, namespace: str, address: str, *, pause: float = 0.001) -> None:
        with inside(namespace):
            self._socket = socket.create_connection((address, 80), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pause = pause
        self._seen: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.failure: Exception | None = None

    def __enter__(self) -> "Load":
        """Start the load."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the load."""
        self._stop.set()
        self._thread.join(10)
        self._socket.close()

    def forget(self, text: str) -> None:
        """Remove the recorded time of an answer."""
        self._seen.pop(text, None)

    def seen(self, text: str) -> float | None:
        """Return when an answer was first seen, or None. Raises the exception that ended the load."""
        if self.failure is not None:
            raise self.failure
        return self._seen.get(text)

    def quiet(self, text: str, seconds: float) -> bool:
        """Return True when an answer has not been seen for some seconds."""
        return time.perf_counter() - self._last.get(text, 0.0) > seconds

    def _ask(self) -> None:
        request = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
        try:
            while not self._stop.is_set():
                self._socket.sendall(request)
                answer = self._socket.recv(4096)
                now = time.perf_counter()
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"under load came {answer[:100]!r}")
                text = answer.rpartition(b"\r\n\r\n")[2].decode().strip()
                self._seen.setdefault(text, now)
                self._last[text] = now
                time.sleep(self._pause)
        except (OSError, RuntimeError) as error:
            self.failure = error
