"""Remove everything that Hydria made on this machine. It is found by name, so it may be in any state."""

import asyncio
import os
import shutil
import signal

from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.jail import release
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.processes import find_all, gone
from hydria.adapters.linux.topology import TopologyWiring
from hydria.errors import HostError
from hydria.lab.hosts import end_all as end_lab
from hydria.settings import Settings

_TIMEOUT = 10.0


def purge(settings: Settings) -> None:
    """End the processes; remove the namespaces, links and directories. Raises HostError."""
    # A user other than root could make directories only.
    if os.geteuid() == 0:
        for directory in (settings.run_dir / "amphorae").glob("*"):
            release(directory)
        end_lab(settings.run_dir)
        asyncio.run(_end_proxies(settings))
        Cgroups(settings.agent.prefix).remove_all()
        TopologyWiring(Names(settings.agent.prefix)).remove_all()
    for directory in (settings.run_dir, settings.state_dir):
        shutil.rmtree(directory, ignore_errors=True)


async def _end_proxies(settings: Settings) -> None:
    directories = settings.run_dir / "amphorae"
    if not directories.exists():
        return
    files = ("candidate.cfg", "keepalived.conf")
    processes = list(find_all(*(str(directory / file) for directory in directories.iterdir() for file in files)))
    for process in processes:
        process.signal(signal.SIGKILL)
    if not await gone(processes, _TIMEOUT):
        raise HostError("HAProxy or keepalived does not end. See: ps -C haproxy,keepalived")
