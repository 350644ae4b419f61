"""Checks of what Hydria uses on the machine: directories, the port, networks, leftovers."""

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from hydria.adapters.linux.netns import namespaces
from hydria.adapters.linux.topology import TROUBLE
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.settings import Settings

_MEBIBYTE = 1024 * 1024
_TOO_LITTLE, _LITTLE = 50, 500


def directories(settings: Settings) -> Iterator[Finding]:
    """Check that the directories are writable and have free space."""
    for key in ("state_dir", "run_dir"):
        wanted: Path = getattr(settings, key)
        existing = next(path for path in (wanted, *wanted.absolute().parents) if path.exists())
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            yield bad(key, f"{existing} cannot be written", f"run as root, or set {key} to a directory of yours")
            continue
        free = shutil.disk_usage(existing).free // _MEBIBYTE
        seen, mend = f"{wanted}, {free} MiB free", f"free some space, or set {key} to another place"
        if free < _TOO_LITTLE:
            yield bad(key, seen, mend)
        elif free < _LITTLE and key == "state_dir":
            yield odd(key, seen, mend)
        else:
            yield fine(key, seen)


def port(settings: Settings) -> Finding:
    """Check that the server's port is free or that the server has it."""
    host, number = settings.server.host, settings.server.port
    if _held(settings.state_dir / "server.lock"):
        return fine("port", f"{number}, the server is running")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            # `bind` alone succeeds despite another listener with SO_REUSEADDR; `listen` fails then.
            trial.listen(1)
    except OSError as error:
        seen = f"{host} port {number}: {error.strerror or error}"
        if error.errno == errno.EADDRINUSE:
            return bad("port", seen, f"see who has it (ss -ltnp 'sport = :{number}'), or set server.port")
        return bad("port", seen, "set server.host to an address of this machine, and server.port above 1023 or be root")
    return fine("port", f"{host} port {number} is free")


def wiring(settings: Settings) -> Finding:
    """Check that the running agent made all networks and routers."""
    if not _held(settings.run_dir / "agent.lock"):
        return fine("networks", "no agent is running")
    try:
        trouble = (settings.run_dir / TROUBLE).read_text()
    except FileNotFoundError:
        return fine("networks", "the agent made all of them")
    return bad("networks", trouble, "fix that; the agent tries again by itself")


def leftovers(settings: Settings) -> Finding:
    """Check for namespaces without an agent."""
    found = namespaces(settings.agent.prefix)
    if _held(settings.run_dir / "agent.lock"):
        return fine("leftovers", f"the agent is running and has {len(found)} namespaces")
    if found:
        return odd(
            "leftovers",
            f"{len(found)} namespaces without an agent: {', '.join(found[:3])}{' …' if len(found) > 3 else ''}",
            "hydria up takes them over; hydria down --purge removes them",
        )
    return fine("leftovers", "none")


def _held(lock: Path) -> bool:
    """Return True when a process holds the lock of a file."""
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
