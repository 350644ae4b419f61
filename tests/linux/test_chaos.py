"""Each fault of a fault run once, shortly, in a random order. `./dev chaos` is the long form."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.balancers import PROTOCOLS
from cluster.chaos import Chaos
from cluster.faults import FAULTS
from cluster.machine import Cluster, remove
from cluster.plan import Plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos")]

# The order of the faults, and what users change meanwhile.
SEED = 11
LONGEST = 2.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    directory = Path(tempfile.mkdtemp(prefix="hy"))
    settings = {"HYDRIA_FAILOVER_AFTER_SECONDS": "5"}
    made = Cluster(Plan(directory=directory, hosts=3, servers=2, settings=settings, disks=True))
    try:
        made.up()
        yield made
    finally:
        remove(directory)


def test_every_invariant_holds_after_each_kind_of_fault(cluster: Cluster) -> None:
    chaos = Chaos(cluster, seed=SEED, faults=[])
    chaos.prepare(2 * len(PROTOCOLS), pairs=True)
    faults = sorted(FAULTS)
    random.Random(SEED).shuffle(faults)  # noqa: S311 - it repeats an order
    for number, fault in enumerate(faults, 1):
        chaos.step(number, LONGEST, fault)
