"""The doctor on what stands where Hydria wants to be: directories, the port, networks, leftovers."""

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from hydria.adapters.linux.kernel import namespaces
from hydria.adapters.linux.topology import TROUBLE
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.settings import Settings

_MEBIBYTE = 1024 * 1024
_TOO_LITTLE, _LITTLE = 50, 500


def directories(settings: Settings) -> Iterator[Finding]:
    """Look whether the directories can be written and have room."""
    for key in ("state_dir", "run_dir"):
        wanted: Path = getattr(settings, key)
        there = next(path for path in (wanted, *wanted.absolute().parents) if path.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            yield bad(key, f"{there} cannot be written", f"run as root, or set {key} to a directory of yours")
            continue
        free = shutil.disk_usage(there).free // _MEBIBYTE
        seen, mend = f"{wanted}, {free} MiB free", f"free some space, or set {key} to another place"
        if free < _TOO_LITTLE:
            yield bad(key, seen, mend)
        elif free < _LITTLE and key == "state_dir":
            yield odd(key, seen, mend)
        else:
            yield fine(key, seen)


def port(settings: Settings) -> Finding:
    """Look whether the server's port is free, or the server's own."""
    host, number = settings.server.host, settings.server.port
    if _held(settings.state_dir / "server.lock"):
        return fine("port", f"{number}, the server runs")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            # Binding alone does not meet one that listens on the same port with SO_REUSEADDR.
            trial.listen(1)
    except OSError as error:
        seen = f"{host} port {number}: {error.strerror or error}"
        if error.errno == errno.EADDRINUSE:
            return bad("port", seen, f"see who has it (ss -ltnp 'sport = :{number}'), or set server.port")
        return bad("port", seen, "set server.host to an address of this machine, and server.port above 1023 or be root")
    return fine("port", f"{host} port {number} is free")


def wiring(settings: Settings) -> Finding:
    """Look whether the agent that runs could make all networks and routers."""
    if not _held(settings.run_dir / "agent.lock"):
        return fine("networks", "no agent runs")
    try:
        trouble = (settings.run_dir / TROUBLE).read_text()
    except FileNotFoundError:
        return fine("networks", "the agent made all of them")
    return bad("networks", trouble, "mend that; the agent tries it again by itself")


def leftovers(settings: Settings) -> Finding:
    """Look for namespaces that nobody tends."""
    found = namespaces(settings.agent.prefix)
    if _held(settings.run_dir / "agent.lock"):
        return fine("leftovers", f"the agent runs and tends {len(found)} namespaces")
    if found:
        return odd(
            "leftovers",
            f"{len(found)} namespaces without an agent: {', '.join(found[:3])}{' …' if len(found) > 3 else ''}",
            "hydria up goes on with them; hydria down --purge removes them",
        )
    return fine("leftovers", "none")


def _held(lock: Path) -> bool:
    """Say whether a process holds a lock file."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
