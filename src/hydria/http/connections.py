"""Limits of connections to the server: the size of heads, the time that a request may take to arrive, and how many.

uvicorn has none of these: without them one client keeps what it likes of memory and descriptors.
"""

import asyncio
from collections import OrderedDict
from typing import Any

from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# A body in small chunks is this many times as long on the wire, at most.
_CHUNKED = 8
# How long a client whose request was refused may take to stop sending (seconds).
_LINGER = 2.0


class ConnectionLimits(Struct, frozen=True, kw_only=True):
    """`head_bytes` and `body_bytes` are the largest of a request, `seconds` is how long it may take to arrive.

    Of `total` connections one source address has `of_source` at most.
    """

    head_bytes: int
    body_bytes: int
    seconds: float
    total: int
    of_source: int


class Connections:
    """All connections of a server. When there are too many, one that waits for its client's next request is closed."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._number = 0
        self._numbers: dict[str, int] = {}
        # Those that wait for a request or the rest of one, the longest first: all, and by source.
        self._waiting: OrderedDict[LimitedProtocol, None] = OrderedDict()
        self._waiting_of: dict[str, OrderedDict[LimitedProtocol, None]] = {}

    def enter(self, one: "LimitedProtocol") -> bool:
        """Take a new connection in and say whether it may stay; another one may have to go."""
        self._number += 1
        self._numbers[one.source] = self._numbers.get(one.source, 0) + 1
        self.waits(one)
        if self._numbers[one.source] > self.limits.of_source:
            goes = next(iter(self._waiting_of[one.source]))
        elif self._number > self.limits.total:
            goes = next(iter(self._waiting))
        else:
            return True
        if goes is one:
            return False
        # It counts until it is closed, which may take a moment, so that it is not chosen twice.
        self.works(goes)
        goes.transport.abort()
        return True

    def waits(self, one: "LimitedProtocol") -> None:
        """Note that a connection waits for its client."""
        self._waiting[one] = None
        self._waiting_of.setdefault(one.source, OrderedDict())[one] = None

    def works(self, one: "LimitedProtocol") -> None:
        """Note that a connection has a request that is being answered."""
        if one in self._waiting:
            del self._waiting[one]
            mine = self._waiting_of[one.source]
            del mine[one]
            if not mine:
                del self._waiting_of[one.source]

    def leave(self, one: "LimitedProtocol") -> None:
        """Forget a connection that is closed."""
        self.works(one)
        self._number -= 1
        self._numbers[one.source] -= 1
        if not self._numbers[one.source]:
            del self._numbers[one.source]


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, connections: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = connections
        self._limits = connections.limits
        self.source = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        # Where the client is with its request.
        self._arriving = self._in_head = self._completed = False
        # Bytes of the request so far: as they came, and of the head (and trailers) as they were understood.
        self._received = self._head = 0
        # Nothing more is read.
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or turn the client away where there are too many."""
        super().connection_made(transport)
        self.source = self.client[0] if self.client else ""
        if self._all.enter(self):
            self._expect(self._limits.seconds)
            return
        self._refuse(503, "Too many connections are open. Please try again.")
        # At once: those that are too many must not be kept, not even for a moment.
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._all.leave(self)
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the request keeps within its limits."""
        if self._deaf:
            return
        self._completed = False
        super().data_received(data)
        if self._deaf or self.transport.is_closing():
            return
        # Of a part that has the end of one request and the beginning of the next, neither is known.
        self._received = 0 if self._completed else self._received + len(data)
        if self._in_head and self._received > self._limits.head_bytes:
            self._refuse_head()
        elif self._arriving and self._received > self._limits.head_bytes + _CHUNKED * self._limits.body_bytes:
            self._refuse(413, "The request is too large.")
        elif not self._arriving:
            self._expect(None)
        elif self._deadline is None:
            self._expect(self._limits.seconds)

    def on_message_begin(self) -> None:
        """Note that a request arrives."""
        super().on_message_begin()
        self._arriving = self._in_head = True
        self._head = 0

    def on_url(self, url: bytes) -> None:
        """Count what the head has."""
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what the head has; trailers come here too."""
        self._head += len(name) + len(value) + 4
        if self._head <= self._limits.head_bytes:
            super().on_header(name, value)
        elif not self._in_head:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_head = False
        if self._deaf:
            return
        if self._head > self._limits.head_bytes:
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        if not self._deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is here."""
        self._arriving, self._completed = False, True
        if not self._deaf:
            self._all.works(self)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; what is left of one that was answered already is not read."""
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        self._all.waits(self)
        if self.cycle.more_body:
            self._stop_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not its client takes what was sent last."""
        super().timeout_keep_alive_handler()
        self._expect(_LINGER)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(self._limits.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        if self.flow is not None:
            super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, msg)

    def _expect(self, seconds: float | None) -> None:
        """Allow the client so long for what it sends next; None is for ever."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._deadline = None
        answered = self.cycle is not None and (self.cycle.response_started or self.cycle.response_complete)
        if self._deaf or not self._arriving or answered:
            self.transport.abort()
        else:
            self._refuse(408, f"The request did not arrive within {self._limits.seconds:g} seconds. Send it again.")

    def _refuse_head(self) -> None:
        most = self._limits.head_bytes
        why = f"The address and headers of the request are too large: at most {most} bytes are read."
        self._refuse(431, f"{why} Send fewer or shorter ones.")

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer in place of the application, and close once the client has had time to read it."""
        if self._deaf or self.transport.is_closing():
            return
        started = self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started
        if not started:
            text = sentence.encode()
            head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
            self.transport.write(STATUS_LINE[status] + head + b"content-length: %d\r\n\r\n" % len(text) + text)
        if self.cycle is not None and not self.cycle.response_complete:
            # The application must not answer as well.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._stop_reading()

    def _stop_reading(self) -> None:
        """Drop what still comes, for a moment: a connection that is closed at once loses the answer."""
        self._deaf = True
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._expect(_LINGER)
