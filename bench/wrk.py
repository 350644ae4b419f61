"""wrk, in a namespace or here, and its results."""

import contextlib
import re
import subprocess
from collections.abc import Sequence

from msgspec import Struct

from hydria.adapters.linux.netns import inside

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)\s*$", re.MULTILINE)
_FAILURE = re.compile(r"^\s+(Socket errors:.*|Non-2xx.*)$", re.MULTILINE)
# The timeout of an answer (seconds); long lists of a slow server take almost as long.
_PATIENCE = 20
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Run(Struct, frozen=True, kw_only=True):
    """Requests a second, and milliseconds for half and for 99 % of them."""

    rate: float
    p50: float
    p99: float


def wrk(
    url: str, *, seconds: float, connections: int, arguments: Sequence[str] = (), namespace: str | None = None
) -> Run:
    """Send requests as fast as answers come. Raises RuntimeError for an answer that is no success."""
    given = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", f"--timeout={_PATIENCE}", *arguments, url]
    with inside(namespace) if namespace else contextlib.nullcontext():
        output = subprocess.run(["wrk", *given], capture_output=True, text=True, check=True).stdout
    rate, failure = _RATE.search(output), _FAILURE.search(output)
    if rate is None or failure is not None:
        raise RuntimeError(f"wrk at {url}: {failure[1] if failure else output}")
    latency = {share: float(number) * _MILLISECONDS[unit] for share, number, unit in _LATENCY.findall(output)}
    return Run(rate=float(rate[1]), p50=latency["50"], p99=latency["99"])
