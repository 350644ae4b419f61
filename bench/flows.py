"""New UDP flows to two answering members at a steady rate for minutes: the share that is answered."""

import contextlib
import itertools
import multiprocessing
import resource
import select
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection

from msgspec import Struct

from ahead import put_ahead
from figures import Aim, Figure, figure
from hydria.adapters.linux.conntrack import dropped_flows
from hydria.adapters.linux.netns import inside
from packets import MEMBER_PORTS, PORT, balancer
from stand import MEMBERS, NETWORK, Stand

PART = "flows"
# New flows a second, and the duration of the aim (seconds).
RATE, SECONDS = 10_000, 120
# The client's addresses: address and port are used again after 50 s, when their first flow has ended.
_ADDRESSES = tuple(f"{NETWORK}.252.{last}" for last in range(1, 9))
_CLIENT_PORTS = range(1024, 65_536)
# The timeout for an answer, and the interval at which due flows are sent (seconds).
_PATIENCE, _TICK = 1.0, 0.005
_BURST = 200
# Most flows are answered by then; before, a flow's socket is not read (seconds).
_SOON = 0.1
_RECEIVE_BUFFER = 1 << 26
_FORCE_RECEIVE_BUFFER = 33

_fork = multiprocessing.get_context("fork")


# The time when a flow was sent, and its socket.
_Waiting = deque[tuple[float, socket.socket]]


class _Count(Struct):
    sent: int = 0
    answered: int = 0
    seconds: float = 0.0


def measure(stand: Stand, *, quick: bool, seconds: int = SECONDS) -> Iterator[Figure]:
    """Open new flows at a steady rate, and count the answers."""
    for address in _ADDRESSES:
        command = ["ip", "-n", stand.client, "address", "add", f"{address}/16", "dev", "eth0"]
        subprocess.run(command, check=True)
    with _answering(stand), balancer(stand) as vip:
        namespace = stand.names.amphora(stand.amphora(vip))
        count = _in_a_process(stand, vip, 5 if quick else seconds)
        dropped = dropped_flows(namespace)
    note = (
        f"{count.sent:,} flows, each of a socket of its own, in {count.seconds:.0f} s; {count.answered:,} were answered"
        f" within {_PATIENCE:.0f} s. The amphora's kernel dropped {dropped:,} for want of a port or of room."
    )
    rate = count.sent / count.seconds
    yield figure(PART, "new flows of UDP to two members", "per second", [rate], aims=[Aim(least=0.99 * RATE)])
    share = 100 * count.answered / count.sent
    yield figure(PART, "  of them answered", "%", [share], aims=[Aim(least=99.9)], note=note)


@contextlib.contextmanager
def _answering(stand: Stand) -> Iterator[None]:
    """Let the members send datagrams back."""
    process = _fork.Process(target=_answer, args=(stand.members,))
    process.start()
    put_ahead(process.pid or 0, 1)
    try:
        yield
    finally:
        process.kill()
        process.join()


def _answer(namespace: str) -> None:
    sockets = []
    with inside(namespace):
        for port in MEMBER_PORTS:
            member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            member.setsockopt(socket.SOL_SOCKET, _FORCE_RECEIVE_BUFFER, _RECEIVE_BUFFER)
            member.bind((MEMBERS, port))
            member.setblocking(False)
            sockets.append(member)
    while True:
        for member in select.select(sockets, [], [])[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    member.sendto(*member.recvfrom(64))


def _in_a_process(stand: Stand, vip: str, seconds: int) -> _Count:
    """Run the client in a process of its own, so that it does not share the GIL."""
    ours, theirs = _fork.Pipe()
    process = _fork.Process(target=_ask, args=(stand.client, vip, seconds, theirs))
    process.start()
    put_ahead(process.pid or 0, 0, processor=0)
    try:
        while not ours.poll(1):
            if not process.is_alive():
                raise RuntimeError("the client of new flows ended")
        count: _Count = ours.recv()
        return count
    finally:
        process.terminate()
        process.join()


def _ask(namespace: str, vip: str, seconds: int, result: Connection) -> None:
    # Each unanswered flow has a socket.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ends = itertools.cycle((address, port) for port in _CLIENT_PORTS for address in _ADDRESSES)
    waiting: _Waiting = deque()
    late: _Waiting = deque()
    count = _Count()
    with inside(namespace):
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            # Flows that a pause of this process delayed are sent gradually.
            for _ in range(min(_BURST, int((now - begun) * RATE) - count.sent)):
                flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                flow.bind(next(ends))
                flow.sendto(b"question", (vip, PORT))
                waiting.append((now, flow))
                count.sent += 1
            late.extend(_unanswered(waiting, now - _SOON, count))
            _close(late, now - _PATIENCE, count)
            time.sleep(_TICK)
        count.seconds = now - begun
        time.sleep(_PATIENCE)
        _close(late, now, count)
        _close(waiting, now, count)
    result.send(count)


def _unanswered(waiting: _Waiting, sent_by: float, count: _Count) -> _Waiting:
    """Count and close the answered ones among the flows sent by a time; return the others."""
    left: _Waiting = deque()
    while waiting and waiting[0][0] <= sent_by:
        sent, flow = waiting.popleft()
        try:
            flow.recv(64)
        except BlockingIOError:
            left.append((sent, flow))
        except OSError:
            flow.close()
        else:
            count.answered += 1
            flow.close()
    return left


def _close(waiting: _Waiting, sent_by: float, count: _Count) -> None:
    for _, flow in _unanswered(waiting, sent_by, count):
        flow.close()
