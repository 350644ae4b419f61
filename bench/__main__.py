"""`./dev bench`: measures Hydria against its floors; prints a table and writes a JSON file."""

import argparse
import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

import beside
import changes
import create
import cycles
import fleet
import flows
import history
import hosts
import logins
import many
import member
import memory
import octavia_api
import packets
import traffic
from figures import Figure, table
from hydria.errors import HydriaError
from rest import Refused
from stand import Stand, directory

# Without a terminal the table is as wide as it needs.
_console = Console(highlight=False, width=None if sys.stdout.isatty() else 170)

Measure = Callable[..., Iterator[Figure]]
# The parts that need server and agent; they run one after the other on the same stand.
_WHOLE: dict[str, Measure] = {
    "create": create.measure,
    "member": member.measure,
    "changes": changes.measure,
    "batch": member.measure_batch,
    "traffic": traffic.measure,
    "datagrams": packets.measure,
    "flows": flows.measure,
    "memory": memory.measure,
    "cycles": cycles.measure,
    "many": many.measure,
}
_PARTS = (*_WHOLE, "api", "logins", "history", "hosts", "fleet", "beside")
_PROGRAMS = {
    "haproxy": "haproxy",
    "nft": "nftables",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "keepalived": "keepalived",
}


def main() -> int:
    """Measure the chosen parts; return the exit status."""
    given = _arguments()
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if os.environ.get("HYDRIA_FENCED") != "1" or os.geteuid() != 0:
        return _fail("it makes networks and loads them, and runs only in the fence, as root: ./dev bench")
    if missing:
        return _fail(f"programs are missing: apt-get install {' '.join(missing)}")
    # Clean up on SIGTERM too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    figures: list[Figure] = []
    status = 0
    try:
        for each in _measured(given.parts, given.octavia, given.seconds, quick=given.quick):
            figures.append(each)
            _console.print(f"{each.part:9} {each.name}: {each.value} {each.unit}", soft_wrap=True)
    except KeyboardInterrupt:
        status = _fail("stopped; what was measured until now follows")
    except (HydriaError, OSError, Refused, RuntimeError, subprocess.SubprocessError) as error:
        status = _fail(f"{type(error).__name__}: {error}")
    if figures:
        _console.print(table(figures))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(_report(figures, quick=given.quick))))
        _console.print(f"written: {given.json}")
    return status


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure Hydria against its floors.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(_PARTS)}; all without")
    about = "the environment of the real Octavia, to measure it too (./dev bench --octavia makes it)"
    parser.add_argument("--octavia", type=Path, metavar="DIRECTORY", help=about)
    parser.add_argument("--quick", action="store_true", help="few repetitions: whether it runs, not what it costs")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="where (bench.json)")
    about = f"how long the part flows lasts ({flows.SECONDS})"
    parser.add_argument("--seconds", type=int, default=flows.SECONDS, metavar="N", help=about)
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(_PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(_PARTS)}")
    given.parts = given.parts or list(_PARTS)
    return given


def _measured(parts: list[str], octavia: Path | None, seconds: int, *, quick: bool) -> Iterator[Figure]:
    whole = [measure for name, measure in _WHOLE.items() if name in parts]
    if whole:
        with directory() as place:
            stand = Stand(place)
            with stand.whole():
                for measure in whole:
                    longer = {"seconds": seconds} if measure is flows.measure else {}
                    yield from measure(stand, quick=quick, **longer)
    if "api" in parts:
        with directory() as place:
            stand = Stand(place)
            with stand.server():
                yield from octavia_api.measure(stand, quick=quick)
    if "logins" in parts:
        with directory() as place:
            stand = Stand(place)
            with stand.server():
                yield from logins.measure(stand, quick=quick)
    if "history" in parts:
        yield from history.measure(quick=quick)
    if "hosts" in parts:
        with directory() as place:
            yield from hosts.measure(place, quick=quick)
    if "fleet" in parts:
        with directory() as place:
            yield from fleet.measure(place, quick=quick)
    if "beside" in parts:
        yield from beside.measure(octavia, quick=quick)


def _report(figures: list[Figure], *, quick: bool) -> dict[str, object]:
    return {
        "commit": _output("git", "rev-parse", "HEAD"),
        "changed_since": bool(_output("git", "status", "--porcelain", "--", "src")),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {
            "processors": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "haproxy": _output("haproxy", "-v").partition("\n")[0],
            "load": os.getloadavg(),
        },
        "figures": msgspec.to_builtins(figures),
    }


def _output(*command: str) -> str:
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def _fail(sentence: str) -> int:
    Console(stderr=True, highlight=False).print(f"error: {sentence}", style="red", soft_wrap=True, markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
