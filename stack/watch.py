"""Steady clients on a node: one request after another, each on a new connection, with the time of each failure."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from msgspec import Struct

from cluster.nodes import Node, environment

# How long a failure may take until clients meet it (seconds).
_PATIENCE = 5.0

_CLIENT = """\
import os, socket, sys, threading, time
# It ends when its standard input does.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
address, pause, clients = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
def ask():
    while True:
        begun = time.monotonic()
        try:
            with socket.create_connection((address, 80), timeout=1) as stream:
                stream.settimeout(1)
                stream.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
                answer = b""
                while part := stream.recv(65536):
                    answer += part
            good = answer.startswith(b"HTTP/1.1 200")
        except OSError:
            good = False
        os.write(1, f"{int(good)} {time.monotonic()}\\n".encode())
        time.sleep(max(0.0, pause - (time.monotonic() - begun)))
for number in range(clients - 1):
    threading.Thread(target=ask, daemon=True).start()
    time.sleep(pause / clients)
ask()
"""


class Watched(Struct):
    """What the clients have seen: the end of each request on the machine's clock, and whether it was answered."""

    seen: list[tuple[float, bool]] = []

    @property
    def failed(self) -> int:
        """The number of requests that were not answered with 200."""
        return sum(not good for _, good in self.seen)

    @property
    def longest_gap(self) -> float:
        """The longest time between two requests that were answered (seconds)."""
        good = sorted(when for when, fine in self.seen if fine)
        return max((after - before for before, after in pairwise(good)), default=float("inf"))

    def recovered(self, since: float) -> bool:
        """Say whether requests are answered again after a failure at a time: for a second, and for five in all."""
        late = [(when, good) for when, good in list(self.seen) if when > since]
        failed = max((when for when, good in late if not good), default=since)
        return time.monotonic() > since + _PATIENCE and any(good and when > failed + 1 for when, good in late)


@contextmanager
def watching(
    node: Node, address: str, pause: float = 0.02, clients: int = 1, machine: str | None = None
) -> Iterator[Watched]:
    """Have clients on a node, or on a machine there, ask an address for the block, each once in `pause` seconds."""
    watched = Watched()
    inner = () if machine is None else ("ip", "netns", "exec", machine)
    command = node.command(*inner, sys.executable, "-c", _CLIENT, address, str(pause), str(clients))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment({})
    ) as process:

        def read() -> None:
            for line in process.stdout or ():
                good, when = line.split()
                watched.seen.append((float(when), good == "1"))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield watched
            time.sleep(0.2)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            reader.join()
