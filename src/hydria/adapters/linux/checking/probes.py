"""One check of one member, over a socket in the amphora's namespace. The caller applies the timeout."""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Self

import h11
from msgspec import Struct, structs

from hydria.adapters.linux.netns import inside, reporting
from hydria.errors import HostError
from hydria.model import HealthMonitor, Member, Pool, Tree

# Linux's numbers of socket options.
_IP_RECVERR, _IPV6_RECVERR = 11, 25

# The longest head of a response (bytes).
_LONGEST_HEAD = 16 * 1024


class Unwell(Exception):
    """The member has answered wrongly; the message says how. `code` is the status of its answer, if it has one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Target(Struct, frozen=True, kw_only=True):
    """One member's check: times in seconds, `rise` and `fall` in results. It has only attributes that checks use."""

    namespace: str
    member_id: str
    address: str
    port: int
    type: str
    delay: int
    timeout: int
    rise: int
    fall: int
    http_method: str | None
    url_path: str | None
    expected_codes: str | None
    http_version: str | None
    domain_name: str | None

    @property
    def question(self) -> Self:
        """Return the check without its interval and its counts."""
        return structs.replace(self, delay=0, rise=0, fall=0)

    @classmethod
    def of(cls, namespace: str, member: Member, monitor: HealthMonitor) -> Self:
        """Return the check of a member by a monitor."""
        return cls(
            namespace=namespace,
            member_id=member.id,
            address=member.monitor_address or member.address,
            port=member.monitor_port or member.protocol_port,
            type=monitor.type,
            delay=max(1, monitor.delay),
            timeout=max(1, monitor.timeout),
            rise=monitor.max_retries,
            fall=monitor.max_retries_down,
            http_method=monitor.http_method,
            url_path=monitor.url_path,
            expected_codes=monitor.expected_codes,
            http_version=monitor.http_version,
            domain_name=monitor.domain_name,
        )

    @property
    def end(self) -> tuple[str, int]:
        """The address and port that are checked."""
        return self.address, self.port

    @property
    def family(self) -> socket.AddressFamily:
        """The socket family of the address."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def open(self, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """Make a socket in the namespace. Raises HostError."""
        failure = f"The member {self.member_id} cannot be checked from the network namespace {self.namespace}"
        with inside(self.namespace), reporting(failure):
            return socket.socket(self.family, kind | socket.SOCK_NONBLOCK, protocol)


def targets(namespace: str, tree: Tree, pools: Iterable[Pool]) -> Iterator[Target]:
    """Yield the checks of members of these pools by monitors; members and monitors that are switched off have none."""
    for pool in pools:
        monitor = tree.monitor_of(pool.id)
        if monitor is None or not monitor.admin_state_up:
            continue
        for member in tree.members_of(pool.id):
            if member.admin_state_up:
                yield Target.of(namespace, member, monitor)


class Probe(ABC):
    """A kind of check. `silence` says whether a member that does not answer in time is healthy."""

    silence = False

    @abstractmethod
    async def ask(self) -> None:
        """Check the member; return when it is healthy. Raises OSError or Unwell."""

    def close(self) -> None:  # noqa: B027 - most probes keep nothing
        """Close what is kept between checks."""


class TcpProbe(Probe):
    """TCP: a connection can be made."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def ask(self) -> None:
        """Connect and hang up."""
        with self._target.open(socket.SOCK_STREAM) as connection:
            await asyncio.get_running_loop().sock_connect(connection, self._target.end)


class HttpProbe(Probe):
    """HTTP: a request is answered with one of the expected codes."""

    def __init__(self, target: Target) -> None:
        self._target = target
        host = target.domain_name or (f"[{target.address}]" if ":" in target.address else target.address)
        version = target.http_version or "1.0"
        head = f"{target.http_method or 'GET'} {target.url_path or '/'} HTTP/{version}\r\n"
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in (target.url_path or "") + host):
            raise HostError(f"The check of member {target.member_id} would send control characters.")
        self._request = f"{head}Host: {host}\r\nConnection: close\r\n\r\n".encode()
        self._expected = _codes(target.expected_codes or "200")

    async def ask(self) -> None:
        """Send the request, read the head of the response."""
        loop = asyncio.get_running_loop()
        with self._target.open(socket.SOCK_STREAM) as connection:
            await loop.sock_connect(connection, self._target.end)
            await loop.sock_sendall(connection, self._request)
            try:
                status = await _status(lambda: loop.sock_recv(connection, 4096))
            except h11.RemoteProtocolError:
                raise Unwell("it does not answer in HTTP") from None
        if status not in self._expected:
            raise Unwell(f"it answers with status {status}", status)


async def _status(receive: Callable[[], Awaitable[bytes]]) -> int:
    """Return the status of a response; informational ones are passed over. Raises h11.RemoteProtocolError."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    # The request was sent without h11, which writes HTTP/1.1 only; the parser has to know that there was one.
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "member")]))
    parser.send(h11.EndOfMessage())
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            parser.receive_data(await receive())
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("the connection ended before the response")


def _codes(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


class UdpProbe(Probe):
    """UDP-CONNECT: a datagram is not refused. All checks use one socket, so that a late refusal counts too."""

    silence = True

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket = target.open(socket.SOCK_DGRAM)
        hear_errors(self._socket)
        self._connected = False

    async def ask(self) -> None:
        """Send a datagram as Octavia's check does; any answer is a success."""
        if not self._connected:
            self._socket.connect(self._target.end)
            self._connected = True
        # A refusal since the last check is an error of this one.
        self._socket.send(b"X")
        await asyncio.get_running_loop().sock_recv(self._socket, 64)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def hear_errors(own: socket.socket) -> None:
    """Have a socket report unreachable hosts and refusals."""
    if own.family == socket.AF_INET:
        own.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        own.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
