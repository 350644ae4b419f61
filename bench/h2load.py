"""h2load in a namespace: throughput for a number of requests, and latency at a fixed rate."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from figures import quantile
from hydria.adapters.linux.netns import inside

_RATE = re.compile(r"finished in \S+, ([\d.]+) req/s")


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds for half, 99 % and 99.9 % of the answers."""

    p50: float
    p99: float
    p999: float


def rate(url: str, requests: int, clients: int, arguments: Sequence[str], *, namespace: str) -> float:
    """Send HTTP/1.1 requests; return answers a second. Raises RuntimeError for an answer that is no success."""
    given = ["--h1", f"--clients={clients}", f"--requests={requests}", *arguments, url]
    with inside(namespace):
        output = subprocess.run(["h2load", *given], capture_output=True, text=True, check=True).stdout
    found = _RATE.search(output)
    if found is None or f" {requests} 2xx" not in output:
        raise RuntimeError(f"h2load at {url}: {output}")
    return float(found[1])


def latency(url: str, *, rate: int, seconds: int, log: Path, namespace: str) -> Latency:
    """Send `rate` HTTP/1.1 requests a second. Raises RuntimeError for an answer that is no 200."""
    # Few connections: requests of the same moment wait for each other.
    clients = 4
    given = ["--h1", f"--clients={clients}", f"--rps={rate / clients}", f"--duration={seconds}", f"--log-file={log}"]
    log.unlink(missing_ok=True)
    with inside(namespace):
        output = subprocess.run(["h2load", *given, url], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    if not rows or any(row[1] != "200" for row in rows):
        raise RuntimeError(f"h2load at {url}: {output}")
    ordered = sorted(int(row[2]) / 1000 for row in rows)
    return Latency(p50=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), p999=quantile(ordered, 0.999))
