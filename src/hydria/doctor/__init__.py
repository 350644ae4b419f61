"""`hydria doctor`: checks whether this machine can run Hydria and says how to fix what is wrong. Leaves no changes."""

from hydria.doctor.external import external_network
from hydria.doctor.finding import Finding
from hydria.doctor.hosts import hosts
from hydria.doctor.machine import clock, files, kernel, limits, root, shared_limits
from hydria.doctor.orphans import database, orphans
from hydria.doctor.programs import haproxy, others
from hydria.doctor.surroundings import directories, leftovers, port, wiring
from hydria.settings import Settings

__all__ = ["Finding", "examine", "external_network"]


def examine(settings: Settings) -> list[Finding]:
    """Return the findings, the most basic first. Takes a second; as root it makes a namespace and removes it."""
    return [
        root(),
        *kernel(settings),
        *haproxy(settings),
        *others(),
        files(settings),
        limits(settings),
        shared_limits(),
        *directories(settings),
        port(settings),
        *external_network(settings),
        leftovers(settings),
        wiring(settings),
        database(settings),
        orphans(settings),
        hosts(settings),
        clock(settings),
    ]
