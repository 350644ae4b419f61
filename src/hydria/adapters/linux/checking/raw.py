"""Checks by ICMP echo, and by SCTP, for which the kernel may have no sockets."""

import asyncio
import os
import random
import socket
import struct

from hydria.adapters.linux.checking.probes import Probe, Target, Unwell, hear_errors
from hydria.adapters.linux.netns import sysctl

_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
_ECHO_HEAD = struct.Struct("!BBHHH")

# RFC 9260: ports, verification tag, checksum; then chunks of type, flags, length.
_COMMON = struct.Struct("!HHI4x")
_CHUNK = struct.Struct("!BBH")
_INIT_BODY = struct.Struct("!IIHHI")
_INIT, _INIT_ACK, _ABORT = 1, 2, 6


class PingProbe(Probe):
    """PING: an echo request is answered."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._number = 0
        # The kernel allows such sockets only to the groups of this sysctl.
        group = os.getegid()
        sysctl(target.namespace, "net.ipv4.ping_group_range", f"{group} {group}")

    async def ask(self) -> None:
        """Send an echo request, wait for its answer."""
        family = self._target.family
        protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
        request, reply = _ECHO[family]
        self._number = (self._number + 1) % 65536
        with self._target.open(socket.SOCK_DGRAM, protocol) as echo:
            hear_errors(echo)
            echo.connect((self._target.address, 0))
            # The kernel fills in checksum and identifier.
            echo.send(_ECHO_HEAD.pack(request, 0, 0, 0, self._number) + b"hydria")
            while True:
                answer = await asyncio.get_running_loop().sock_recv(echo, 256)
                if len(answer) >= _ECHO_HEAD.size:
                    kind, *_, number = _ECHO_HEAD.unpack_from(answer)
                    if (kind, number) == (reply, self._number):
                        return


class SctpProbe(Probe):
    """SCTP: an INIT is answered by INIT ACK, then the association is aborted. An ABORT is a failure."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # Opened here, so that a refusal of the kernel is raised at once.
        target.open(socket.SOCK_RAW, socket.IPPROTO_SCTP).close()

    async def ask(self) -> None:
        """Send an INIT, wait for its answer."""
        port = random.randint(32768, 60999)  # noqa: S311 - to tell answers apart, not a secret
        tag, first = random.getrandbits(32) | 1, random.getrandbits(32)
        with self._target.open(socket.SOCK_RAW, socket.IPPROTO_SCTP) as raw:
            hear_errors(raw)
            raw.connect((self._target.address, 0))
            init = _chunk(_INIT, _INIT_BODY.pack(tag, 65536, 1, 1, first))
            raw.send(packet(port, self._target.port, 0, init))
            while True:
                answer = await asyncio.get_running_loop().sock_recv(raw, 2048)
                kind, peer = _answer(answer[_ip_header(answer, self._target.family) :], self._target.port, port, tag)
                if kind == _INIT_ACK:
                    raw.send(packet(port, self._target.port, peer, _chunk(_ABORT)))
                    return
                if kind == _ABORT:
                    raise Unwell("it answers with ABORT")


def packet(source: int, target: int, tag: int, chunk: bytes) -> bytes:
    """Return an SCTP packet of one chunk with its checksum."""
    whole = bytearray(_COMMON.pack(source, target, tag) + chunk)
    struct.pack_into("<I", whole, 8, crc32c(whole))
    return bytes(whole)


def _chunk(kind: int, body: bytes = b"") -> bytes:
    return _CHUNK.pack(kind, 0, _CHUNK.size + len(body)) + body


def _ip_header(data: bytes, family: socket.AddressFamily) -> int:
    # A raw socket of IPv4 returns the IP header too.
    return (data[0] & 15) * 4 if family == socket.AF_INET and data else 0


def _answer(data: bytes, source: int, target: int, tag: int) -> tuple[int, int]:
    """Return the type of the first chunk of an answer to us, and the peer's verification tag; otherwise zeros."""
    if len(data) < _COMMON.size + _CHUNK.size or _COMMON.unpack_from(data) != (source, target, tag):
        return 0, 0
    kind = data[_COMMON.size]
    begin = _COMMON.size + _CHUNK.size
    if kind == _INIT_ACK and len(data) >= begin + _INIT_BODY.size:
        return kind, _INIT_BODY.unpack_from(data, begin)[0]
    return (kind, 0) if kind == _ABORT else (0, 0)


def crc32c(data: bytes | bytearray) -> int:
    """Return the checksum of RFC 9260, appendix A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
