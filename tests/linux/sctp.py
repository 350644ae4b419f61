"""A member and a client with a few chunks of SCTP on raw sockets, because not every kernel has SCTP."""

import socket
import struct
import threading
from contextlib import suppress

from hydria.adapters.linux.checking.raw import crc32c, packet
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import inside
from tests.linux.wires import host, interface

INIT, INIT_ACK, ABORT = 1, 2, 6


def _open(namespace: str, seconds: float | None = None) -> socket.socket:
    with inside(namespace):
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    made.settimeout(seconds)
    return made


def _read(data: bytes) -> tuple[int, int, int, int, int]:
    """Return source, target, verification tag, kind of the first chunk and initiate tag; check the checksum."""
    whole = bytearray(data[(data[0] & 15) * 4 :])
    (checksum,) = struct.unpack_from("<I", whole, 8)
    struct.pack_into("<I", whole, 8, 0)
    assert crc32c(whole) == checksum
    source, target, tag = struct.unpack_from("!HHI", whole)
    initiate = struct.unpack_from("!I", whole, 16)[0] if len(whole) >= 20 else 0
    return source, target, tag, whole[12], initiate


def _chunk(kind: int, tag: int) -> bytes:
    return struct.pack("!BBHIIHHI", kind, 0, 20, tag, 65536, 1, 1, 1)


class Member:
    """Answers each INIT with `answer`, or not at all when it is None."""

    def __init__(self, names: Names, network_id: str, name: str, address: str, port: int) -> None:
        self.answer: int | None = INIT_ACK
        # The kinds of received chunks, with their senders.
        self.heard: list[tuple[int, str]] = []
        namespace = host(names, name, interface(network_id, f"{address}/24"))
        self._port = port
        self._socket = _open(namespace)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                data, sender = self._socket.recvfrom(2048)
                if not sender:
                    return
                asker = sender[0]
                source, target, _, kind, initiate = _read(data)
                if target != self._port:
                    continue
                self.heard.append((kind, asker))
                if kind == INIT and self.answer is not None:
                    self._socket.sendto(packet(target, source, initiate, _chunk(self.answer, 7)), (asker, 0))

    def stop(self) -> None:
        """Stop receiving."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def ask(namespace: str, address: str, port: int, source: int) -> int:
    """Send an INIT and return the kind of the answering chunk. Raises OSError."""
    with _open(namespace, 2) as raw:
        raw.sendto(packet(source, port, 0, _chunk(INIT, 99)), (address, 0))
        while True:
            data, (answerer, _) = raw.recvfrom(2048)
            come_from, come_to, tag, kind, _ = _read(data)
            if (answerer, come_from, come_to, tag) == (address, port, source, 99):
                return kind
