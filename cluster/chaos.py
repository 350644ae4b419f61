"""`./dev chaos`: faults in a seeded sequence on a cluster that users change, with invariants checked after each."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from cluster.balancers import PROTOCOLS, Balancers
from cluster.faults import FAULTS
from cluster.invariants import complaints
from cluster.machine import Cluster
from cluster.plan import Plan
from hydria.errors import HydriaError

_console = Console(highlight=False, soft_wrap=True)

# A silent host is given up after so many seconds; a fault lasts for at most _LONGEST.
_AFTER_SECONDS = 10
_LONGEST = 15.0
# Everything must be right so many seconds after a repair.
_SETTLED = 120.0
_CHANGES = 3


class BrokenInvariant(HydriaError):
    """Something was not right although it had time to settle."""


class Chaos:
    """A run over a cluster that is up."""

    def __init__(self, cluster: Cluster, seed: int, faults: list[str]) -> None:
        self._cluster = cluster
        self._choice = random.Random(seed)  # noqa: S311 - it repeats a sequence
        self._faults = faults
        self.balancers = Balancers(cluster, cluster.api(timeout=10))

    def prepare(self, count: int, *, pairs: bool) -> None:
        """Create load balancers of all protocols, and wait for them. Raises HydriaError."""
        for number in range(count):
            protocol = PROTOCOLS[number % len(PROTOCOLS)]
            self.balancers.make(protocol, pair=pairs and number // len(PROTOCOLS) % 2 == 0)
        self._check("at the beginning")

    def step(self, number: int, longest: float = _LONGEST, fault: str | None = None) -> None:
        """Break something for at most so many seconds while users change something, repair it, and check.

        Without `fault` it is one of those that were given. Raises BrokenInvariant.
        """
        broken = FAULTS[fault or self._choice.choice(self._faults)](self._cluster, self._choice)
        _console.print(f"{number}. {broken.what}")
        end = time.monotonic() + self._choice.uniform(0.5, longest)
        try:
            for _ in range(self._choice.randrange(_CHANGES)):
                self._change()
            time.sleep(max(0.0, end - time.monotonic()))
        finally:
            broken.undo()
        begun = time.monotonic()
        self._check(f"step {number} ({broken.what})")
        _console.print(f"    all is right after {time.monotonic() - begun:.1f} s")

    def _change(self) -> None:
        changes = self.balancers.changes()
        name = self._choice.choice(sorted(changes))
        try:
            _console.print(f"    user: {changes[name](self._choice)}")
        except HydriaError as error:
            _console.print(f"    user: {name} is not possible now: {error}")

    def _check(self, when: str) -> None:
        deadline = time.monotonic() + _SETTLED
        while found := complaints(self._cluster, self.balancers):
            if time.monotonic() > deadline:
                raise BrokenInvariant(f"{when}: after {_SETTLED:.0f} s {'; '.join(found)}")
            time.sleep(0.5)


def main() -> int:
    """Run faults; return 0 when every invariant held."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="hydria-chaos-"))
    directory.chmod(0o711)
    settings = {"HYDRIA_FAILOVER_AFTER_SECONDS": str(_AFTER_SECONDS)}
    plan = Plan(
        directory=directory / "cluster",
        hosts=given.hosts,
        servers=given.servers,
        settings=settings,
        disks=True,
    )
    cluster, number, right = Cluster(plan), 0, False
    _console.print(f"seed {given.seed}: {given.hosts} hosts, {given.servers} servers, {given.balancers} load balancers")
    try:
        cluster.up()
        chaos = Chaos(cluster, given.seed, given.fault or sorted(FAULTS))
        chaos.prepare(given.balancers, pairs=not given.singles)
        begun = time.monotonic()
        while time.monotonic() < begun + 60 * given.minutes and number < given.steps:
            number += 1
            chaos.step(number, given.longest)
        right = True
    except KeyboardInterrupt:
        _console.print(f"stopped in step {number}")
    except HydriaError as error:
        _console.print(f"FAILED, seed {given.seed}: {error}", style="red", markup=False)
    finally:
        if right or not given.keep:
            cluster.down()
            shutil.rmtree(directory, ignore_errors=True)
        else:
            _console.print(f"The cluster is left: ./dev cluster --directory {plan.directory} status")
    if right:
        _console.print(f"{number} faults, every invariant held.")
    return 0 if right else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev chaos", description="Break a simulated cluster again and again.")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the sequence of faults and changes (1)")
    parser.add_argument("--minutes", type=float, default=10, metavar="M", help="how long (10)")
    parser.add_argument("--steps", type=int, default=1_000_000, metavar="N", help="at most so many faults")
    parser.add_argument(
        "--longest", type=float, default=_LONGEST, metavar="S", help=f"a fault lasts at most so long ({_LONGEST:.0f})"
    )
    parser.add_argument("--hosts", type=int, default=3, metavar="N", help="hosts (3)")
    parser.add_argument("--servers", type=int, default=2, metavar="N", help="servers (2)")
    parser.add_argument("--balancers", type=int, default=20, metavar="N", help="load balancers (20)")
    parser.add_argument("--singles", action="store_true", help="no pairs")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only these faults")
    parser.add_argument("--keep", action="store_true", help="leave the cluster after a failure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
